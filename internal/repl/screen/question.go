package screen

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/script"
)

// A question asks a person on behalf of the running code. The answer is a key.
type question struct {
	what   string
	answer chan bool // has a buffer of one
}

// askBy returns a function that asks a question on the screen and waits for the answer.
func askBy(post func(any)) func(ctx context.Context, what string) bool {
	return func(ctx context.Context, what string) bool {
		q := &question{what, make(chan bool, 1)}
		post(q)
		select {
		case yes := <-q.answer:
			return yes
		case <-ctx.Done():
			return false
		}
	}
}

// keyInQuestion answers the question: y means yes, any other key no.
func (s *screen) keyInQuestion(msg tea.KeyMsg) {
	yes := msg.Type == tea.KeyRunes && (string(msg.Runes) == "y" || string(msg.Runes) == "Y")
	answer := " no"
	if yes {
		answer = " yes"
	}
	s.transcript.add(&entry{note: s.question.text() + answer})
	s.question.answer <- yes
	s.question = nil
}

func (q *question) text() string { return script.QuestionText(q.what) }
