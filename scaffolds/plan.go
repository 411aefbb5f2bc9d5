package scaffolds

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// A Verb is what a step does to a file.
type Verb string

// The verbs of a plan. Conflict and Keep change nothing. A plan with a Conflict
// cannot be applied.
const (
	Create    Verb = "create"
	Insert    Verb = "insert"    // adds lines to an existing file
	Update    Verb = "update"    // removes lines, or rewrites a file of tower's own
	Overwrite Verb = "overwrite" // replaces a file that would be a conflict
	Remove    Verb = "remove"
	Identical Verb = "identical"
	Conflict  Verb = "conflict"
	Keep      Verb = "keep" // leaves the file as it is; Note is the reason
)

// A Step is the change of one file in a plan.
type Step struct {
	Verb Verb
	Path string // relative to the plan's folder, with slashes
	Note string // a remark for people; may be empty
	Diff string // of a Conflict or an Overwrite: from the existing file to the generated one

	before, after []byte // the content of the file; nil: no file
}

func (s Step) changes() bool {
	return s.Verb != Identical && s.Verb != Conflict && s.Verb != Keep
}

// A Plan lists the changes that a generator is going to make. Making a plan writes
// nothing.
type Plan struct {
	Folder string
	Steps  []Step

	fs fileSystem
}

func newPlan(folder string) *Plan {
	return &Plan{Folder: folder, fs: osFileSystem}
}

// Conflicts returns the steps that prevent the plan from being applied.
func (p *Plan) Conflicts() []Step {
	var found []Step
	for _, s := range p.Steps {
		if s.Verb == Conflict {
			found = append(found, s)
		}
	}
	return found
}

// A Style colors text for a terminal. what is a verb, or "+", "-" or "@" for a line
// of a diff.
type Style func(what, text string) string

// Print writes the plan, a line for each step, and the diffs of conflicts. Without a
// style the text is plain.
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

// String returns what Print writes without a style.
func (p *Plan) String() string {
	var b strings.Builder
	_ = p.Print(&b, nil) // a Builder does not fail
	return b.String()
}

// write adds the step that gives a file the content text. It reports whether the
// file is going to be written.
func (p *Plan) write(name string, before, text []byte, force bool) bool {
	s := Step{Verb: Create, Path: name, before: before, after: text}
	switch {
	case before != nil && sameText(before, text):
		s.Verb = Identical
	case before != nil:
		s.Verb = Conflict
		s.Diff = udiff.Unified(name+" (existing)", name+" (generated)", unixLines(before), unixLines(text))
		if force {
			s.Verb = Overwrite
		}
	}
	p.Steps = append(p.Steps, s)
	return s.changes()
}

// sameText compares two files and ignores their line endings, which git may have
// changed.
func sameText(a, b []byte) bool { return bytes.Equal(a, b) || unixLines(a) == unixLines(b) }

func unixLines(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }
