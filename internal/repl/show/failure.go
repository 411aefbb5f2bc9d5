package show

import (
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/towerkit/tower/internal/spelling"
)

// A Failure is an error in the form a person sees it.
type Failure struct {
	Title    string    // "TypeError", "invalid"
	Message  string    // one sentence without a period
	Problems []Problem // of the fields, if a record was rejected
	Hint     string    // what to do about it
	At       Position  // where the error is; the zero value is nowhere
	Excerpt  string    // the source line at At, made safe by [term.Clean]
	Before   int       // the width of the text before At in that line
	Word     string    // the wrong word at At, if it is a single word
}

// A Problem is what is wrong with one field of a rejected record.
type Problem struct {
	Field string // name of the field
	Text  string // what is wrong, such as "is required"
}

// Error returns the title and the message.
func (f *Failure) Error() string {
	if f.Title == "" {
		return f.Message
	}
	return f.Title + ": " + f.Message
}

// A Position is a place in a source. Lines and columns count from 1; columns are in
// bytes.
type Position struct {
	Name   string // of the source, "" at the prompt
	Line   int    // 0 if unknown
	Column int
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
	Stack []byte // stack trace of the panic
}

// NewCrash returns a crash with the value of a recovered panic and the caller's stack.
func NewCrash(cause any) *Crash { return &Crash{cause, debug.Stack()} }

// Error describes the recovered value.
func (c *Crash) Error() string { return fmt.Sprintf("internal error: %v", c.cause) }

// DidYouMean returns a hint with the candidate that name is probably a misspelling of,
// or "".
func DidYouMean(name string, candidates []string) string {
	if best := spelling.Closest(name, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}
