package repl

import (
	"fmt"
	"slices"
	"strings"
)

const (
	longestTranscript = 2000 // entries
	longestEntry      = 500  // lines
	aroundEntry       = 4    // lines of a page for what was typed, and for the prompt
	shortestFold      = 6    // lines to which a long result is folded at least
)

// An entry is one thing in the transcript: what was typed, or what came of it.
// Exactly one of its fields but the last two is set.
type entry struct {
	typed   string
	shown   *value
	printed []value
	failure *failure
	note    string

	cells, page int // the room that lines was made for
	lines       []string
}

// A transcript is what happened in a session, and how far it is scrolled back.
type transcript struct {
	entries []*entry
	back    int // lines below the visible ones
}

func (t *transcript) add(e *entry) {
	t.entries = append(t.entries, e)
	if over := len(t.entries) - longestTranscript; over > 0 {
		t.entries = slices.Delete(t.entries, 0, over)
	}
}

// result is the last value that was shown, nil without one.
func (t *transcript) result() *value {
	for _, e := range slices.Backward(t.entries) {
		if e.shown != nil {
			return e.shown
		}
	}
	return nil
}

func (t *transcript) clear() { *t = transcript{} }

// view is what is visible of the transcript, with tail below it, in at most
// height lines.
func (t *transcript) view(f formatter, tail []string, height int) []string {
	lines := slices.Clone(tail)
	slices.Reverse(lines)
	want := height + t.back
	for i := len(t.entries) - 1; i >= 0 && len(lines) < want; i-- {
		drawn := t.entries[i].draw(f)
		for j := len(drawn) - 1; j >= 0; j-- {
			lines = append(lines, drawn[j])
		}
	}
	t.back = min(t.back, max(len(lines)-height, 0))
	lines = lines[t.back:min(t.back+height, len(lines))]
	slices.Reverse(lines)
	return lines
}

// draw lays the entry out. What did not change is not laid out again.
func (e *entry) draw(f formatter) []string {
	if e.cells == f.width && e.page == f.page && e.lines != nil {
		return e.lines
	}
	e.cells, e.page = f.width, f.page
	if e.typed != "" {
		code, _ := codeLines(&f.styles, paint(f.styles.prompt, promptText), lettersOf(e.typed), -1, f.width)
		e.lines = append([]string{""}, code...)
		return e.lines
	}
	f.width = max(f.width-promptWidth, 4)
	var lines []string
	switch {
	case e.shown != nil:
		lines = f.lines(*e.shown)
	case e.printed != nil:
		lines = f.printed(e.printed)
	case e.failure != nil:
		lines = f.failure(e.failure)
	default:
		for text := range strings.SplitSeq(cleanLines(e.note), "\n") {
			for _, line := range wrap(text, f.width) {
				lines = append(lines, paint(f.styles.dim, line))
			}
		}
	}
	if most := f.page - aroundEntry; e.shown != nil && f.page > 0 && len(lines) > max(most, shortestFold) {
		kept := max(most, shortestFold) - 1
		more := fmt.Sprintf("… %s more lines, ^O shows them", grouped(len(lines)-kept))
		lines = append(lines[:kept:kept], f.limit(paint(f.styles.warn, more)))
	}
	if hidden := len(lines) - longestEntry; hidden > 0 {
		lines = append(lines[:longestEntry], paint(f.styles.dim, fmt.Sprintf("… %s more lines", grouped(hidden))))
	}
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", promptWidth) + line
		}
	}
	e.lines = lines
	return lines
}
