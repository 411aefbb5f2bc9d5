package show

import (
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/towerkit/tower/internal/spelling"
)

// A Failure is an error as it is shown to a person.
type Failure struct {
	Title    string // "TypeError", "invalid"
	Message  string
	Problems []Problem // of the fields, where a record was refused
	Hint     string    // what to do next
	At       Position
	Excerpt  string // the line that at is on
	Before   int    // the width of what stands before at in that line
	Word     string // what is wrong there, if it is one word
}

// A Problem is what is wrong with one field of a record that was refused.
type Problem struct{ Field, Text string }

// Error returns the title and the message.
func (f *Failure) Error() string {
	if f.Title == "" {
		return f.Message
	}
	return f.Title + ": " + f.Message
}

// A Position is a place in a source; lines and columns count from 1, columns
// in bytes.
type Position struct {
	Name         string
	Line, Column int
}

// String returns the position as "seed.js:2:6".
func (p Position) String() string {
	if p.Line == 0 {
		return p.Name
	}
	at := strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
	if p.Name == "" {
		return at
	}
	return p.Name + ":" + at
}

// A Crash is a fault of the console itself, not of the code it ran.
type Crash struct {
	cause any
	Stack []byte
}

// NewCrash returns the crash that a recovered panic was, with the stack of the caller.
func NewCrash(cause any) *Crash { return &Crash{cause, debug.Stack()} }

// Error returns what was recovered.
func (c *Crash) Error() string { return fmt.Sprintf("internal error: %v", c.cause) }

// DidYouMean returns a hint at the candidate that name was probably meant to be, or "".
func DidYouMean(name string, candidates []string) string {
	if best := spelling.Closest(name, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}
