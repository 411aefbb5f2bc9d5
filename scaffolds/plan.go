package scaffolds

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// A Verb says what a step does to a file.
type Verb string

// The verbs of a plan. Conflict and Keep change nothing; a plan that holds a
// Conflict is not applied at all.
const (
	Create    Verb = "create"
	Insert    Verb = "insert"    // lines into a file that is there
	Update    Verb = "update"    // lines taken out, or a file of tower's own
	Overwrite Verb = "overwrite" // a conflict, forced
	Remove    Verb = "remove"
	Identical Verb = "identical"
	Conflict  Verb = "conflict"
	Keep      Verb = "keep" // left as it is; Note says why
)

// A Step is what a plan does to one file.
type Step struct {
	Verb Verb
	Path string // in the plan's folder, with slashes
	Note string // more about it, for people; may be empty
	Diff string // of a Conflict or an Overwrite: from what is there to what was generated

	before, after []byte // nil: no file
}

func (s Step) changes() bool {
	return s.Verb != Identical && s.Verb != Conflict && s.Verb != Keep
}

// A Plan is what a generator is about to do. Making one writes nothing.
type Plan struct {
	Folder string
	Steps  []Step

	fs fileSystem
}

func newPlan(folder string) *Plan {
	return &Plan{Folder: folder, fs: osFileSystem}
}

// Conflicts returns the steps that keep the plan from being applied.
func (p *Plan) Conflicts() []Step {
	var found []Step
	for _, s := range p.Steps {
		if s.Verb == Conflict {
			found = append(found, s)
		}
	}
	return found
}

// A Style colors a text for a terminal. What is a verb, or "+", "-" and "@"
// for the lines of a diff.
type Style func(what, text string) string

// Print writes the plan, a line for each step. A nil style is plain.
func (p *Plan) Print(w io.Writer, style Style) error {
	if style == nil {
		style = func(_, text string) string { return text }
	}
	var b strings.Builder
	for _, s := range p.Steps {
		b.WriteString(style(string(s.Verb), fmt.Sprintf("%12s", s.Verb)) + "  " + s.Path)
		if s.Note != "" {
			b.WriteString("  " + strings.ReplaceAll(s.Note, "\n", "\n"+indent))
		}
		b.WriteByte('\n')
		for line := range strings.Lines(s.Diff) {
			line = strings.TrimRight(line, "\n")
			if line != "" && strings.ContainsRune("+-@", rune(line[0])) {
				line = style(line[:1], line)
			}
			b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const indent = "              "

// String returns the plan as Print writes it, plain.
func (p *Plan) String() string {
	var b strings.Builder
	_ = p.Print(&b, nil) // a Builder does not fail
	return b.String()
}

// write adds the step that makes a file be text. It reports whether the file
// is going to be written.
func (p *Plan) write(name string, before, text []byte, force bool) bool {
	s := Step{Verb: Create, Path: name, before: before, after: text}
	switch {
	case before != nil && sameText(before, text):
		s.Verb = Identical
	case before != nil:
		s.Verb = Conflict
		s.Diff = udiff.Unified(name+" (there)", name+" (generated)", unixLines(before), unixLines(text))
		if force {
			s.Verb = Overwrite
		}
	}
	p.Steps = append(p.Steps, s)
	return s.changes()
}

// sameText compares files, whatever their line endings: git may have changed those.
func sameText(a, b []byte) bool { return bytes.Equal(a, b) || unixLines(a) == unixLines(b) }

func unixLines(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }
