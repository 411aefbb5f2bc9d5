package repl

import (
	"fmt"
	"strconv"

	"github.com/towerkit/tower/internal/spelling"
)

// A failure is an error as it is shown to a person.
type failure struct {
	title    string // "TypeError", "invalid"
	message  string
	problems []problem // of the fields, where a record was refused
	hint     string    // what to do next
	at       position
	excerpt  string // the line that at is on
	before   int    // the width of what stands before at in that line
	word     string // what is wrong there, if it is one word
}

type problem struct{ field, text string }

func (f *failure) Error() string {
	if f.title == "" {
		return f.message
	}
	return f.title + ": " + f.message
}

// A position is a place in a source; lines and columns count from 1, columns
// in bytes.
type position struct {
	name         string
	line, column int
}

func (p position) String() string {
	if p.line == 0 {
		return p.name
	}
	at := strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column)
	if p.name == "" {
		return at
	}
	return p.name + ":" + at
}

// A crash is a fault of the console itself, not of the code it ran.
type crash struct {
	cause any
	stack []byte
}

func (c *crash) Error() string { return fmt.Sprintf("internal error: %v", c.cause) }

// didYouMean is a hint at the candidate that name was probably meant to be, or "".
func didYouMean(name string, candidates []string) string {
	if best := spelling.Closest(name, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}
