package script

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
)

// Redacted stands for a secret in the history of a console. It is not a defined name, so
// that code recalled from there fails instead of writing it in place of the secret.
const Redacted = "REDACTED"

// ErrInterrupted is the cause of a context that a person canceled.
var ErrInterrupted = errors.New("interrupted")

func syntaxFailure(src Source, err error) *show.Failure {
	f := &show.Failure{Title: "SyntaxError", Message: err.Error()}
	var all parser.ErrorList
	if errors.As(err, &all) && len(all) > 0 {
		first := all[0]
		f.Message = first.Message
		src.point(f, positionOf(first.Position.Filename, first.Position.Line, first.Position.Column))
	}
	switch {
	case regexp.MustCompile(`^\s*(import|export)\b`).MatchString(src.Text):
		f.Hint = "modules are not available, only the application's models: help()"
	case strings.HasPrefix(strings.TrimSpace(src.Text), "."):
		f.Hint = "put the dot at the end of the previous line to continue it here"
	}
	return f
}

func compileFailure(src Source, err error) *show.Failure {
	f := &show.Failure{Title: "SyntaxError", Message: err.Error()}
	var wrong *goja.CompilerSyntaxError
	if errors.As(err, &wrong) {
		f.Message = wrong.Message
		if wrong.File != nil {
			at := wrong.File.Position(wrong.Offset)
			src.point(f, positionOf(at.Filename, at.Line, at.Column))
		}
	}
	return f
}

// explain turns the error of an evaluation of src into a failure.
func (e *Evaluator) explain(src Source, err error) *show.Failure {
	var (
		known       *show.Failure
		exception   *goja.Exception
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
	)
	switch {
	case errors.As(err, &exception):
		return e.explainException(src, exception)
	case errors.As(err, &known):
		return known
	case errors.As(err, &interrupted), errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled), errors.As(err, new(*MemoryError)):
		return e.stopped()
	case errors.As(err, &overflow):
		return &show.Failure{Title: "RangeError", Message: "the calls are nested too deeply"}
	}
	return refusal(err)
}

const mayHaveWritten = "a write was in progress and may have been committed"

func (e *Evaluator) stopped() *show.Failure {
	f := &show.Failure{Message: "stopped"}
	var memory *MemoryError
	if errors.As(context.Cause(e.ctx), &memory) {
		f.Message += ": " + memory.Error()
	}
	if e.writing {
		f.Hint = mayHaveWritten
	}
	return f
}

func (e *Evaluator) explainException(src Source, ex *goja.Exception) *show.Failure {
	var f *show.Failure
	if thrown := e.thrownError(ex.Value()); thrown != nil {
		if errors.Is(thrown, ErrInterrupted) || errors.As(thrown, new(*MemoryError)) {
			return e.stopped()
		}
		f = refusal(thrown)
		if errors.Is(thrown, control.ErrLost) && e.writing {
			f.Hint = mayHaveWritten
		}
	} else {
		f = e.explainThrown(ex.Value())
	}
	for _, frame := range ex.Stack() {
		if at := frame.Position(); at.Line > 0 && strings.ContainsRune(at.Filename, 0) {
			f.At = positionOf(at.Filename, at.Line, at.Column)
			break
		}
	}
	f.At = src.pointer(f.At, f.Word)
	// The error of a single short line appears right below it, so it needs a pointer
	// only if a particular word is wrong.
	mistake := f.Word != "" || f.Title == "TypeError" || f.Title == "ReferenceError"
	if mistake || f.At.Name != "" || strings.Contains(strings.TrimSpace(src.Text), "\n") {
		f.Excerpt, f.Before, _ = src.excerpt(f.At)
	}
	return f
}

// pointer returns the position of word closest to where the error happened, or at if
// word is not found.
func (src Source) pointer(at show.Position, word string) show.Position {
	lines := strings.Split(src.Text, "\n")
	for number := at.Line - src.Line - 1; word != "" && number >= 0 && number < len(lines) && at.Name == src.Name; number++ {
		best := -1
		for _, start := range occurrences(lines[number], word) {
			if best < 0 || abs(start+1-at.Column) < abs(best+1-at.Column) || number > at.Line-src.Line-1 {
				best = start
			}
		}
		if best >= 0 {
			return show.Position{Name: at.Name, Line: number + src.Line + 1, Column: best + 1}
		}
	}
	return at
}

// occurrences returns the positions of word as a whole word.
func occurrences(line, word string) []int {
	var all []int
	for from := 0; ; {
		at := strings.Index(line[from:], word)
		if at < 0 {
			return all
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(line[:at])
		after, _ := utf8.DecodeRuneInString(line[at+len(word):])
		if !show.IsWordRune(before) && !show.IsWordRune(after) {
			all = append(all, at)
		}
		from = at + len(word)
	}
}

func abs(n int) int { return max(n, -n) }

// explainThrown converts a thrown Error object, or any other thrown value.
func (e *Evaluator) explainThrown(thrown goja.Value) *show.Failure {
	var shown show.Value
	if err := e.catch(func() { shown = e.snapshot(thrown, copyBrief) }); err != nil {
		return &show.Failure{Title: "thrown", Message: "a value that throws when it is read"}
	}
	if shown.Kind != show.Error {
		return &show.Failure{Title: "thrown", Message: show.Inline(shown)}
	}
	f := &show.Failure{Title: shown.Label, Message: shown.Text}
	if match := notDefined.FindStringSubmatch(f.Message); match != nil {
		f.Hint, f.Word = e.suggestName(match[1]), match[1]
	} else if match := noMember.FindStringSubmatch(f.Message); match != nil {
		f.Word = match[1]
		f.Message = "there is no method " + match[1]
		f.Hint = show.DidYouMean(match[1], slices.Concat(modelMethods, queryMethods, recordMethods, arrayMethods))
	}
	return f
}

var (
	notDefined = regexp.MustCompile(`^(\S+) is not defined$`)
	noMember   = regexp.MustCompile(`^Object has no member '(.+)'$`)
)

// refusal converts the error of a request.
func refusal(err error) *show.Failure {
	var known *show.Failure
	if errors.As(err, &known) {
		copied := *known
		return &copied
	}
	var remote *control.RemoteError
	if !errors.As(err, &remote) {
		return &show.Failure{Message: err.Error()}
	}
	f := &show.Failure{Title: remote.Code, Message: remote.Error()}
	for field, texts := range remote.Problems {
		for _, text := range texts {
			f.Problems = append(f.Problems, show.Problem{Field: field, Text: text})
		}
	}
	slices.SortStableFunc(f.Problems, func(a, b show.Problem) int { return strings.Compare(a.Field, b.Field) })
	return f
}

// point adds the line of src at a position to a failure.
func (src Source) point(f *show.Failure, at show.Position) {
	f.At = at
	f.Excerpt, f.Before, _ = src.excerpt(at)
}

// IncompleteFailure returns the failure for a source that ends too early when nothing
// can follow it.
func (src Source) IncompleteFailure() *show.Failure {
	lines := strings.Split(strings.TrimRight(src.Text, "\r\n"), "\n")
	f := &show.Failure{Title: "SyntaxError", Message: ErrIncomplete.Error()}
	src.point(f, show.Position{Name: src.Name, Line: src.Line + len(lines), Column: len(lines[len(lines)-1]) + 1})
	return f
}

// suggestName returns a hint for an undefined global name, or "".
func (e *Evaluator) suggestName(name string) string {
	var names []string
	for _, m := range e.models {
		if strings.EqualFold(name, m.info.Name) || strings.EqualFold(name, m.name) {
			return "did you mean " + m.name + "?"
		}
		names = append(names, m.name)
	}
	switch name {
	case "require", "module", "process", "fetch", "window", "document", "setTimeout":
		return "only the application is available here: help()"
	case Redacted:
		return "the history does not store secrets: type it again"
	}
	return show.DidYouMean(name, append(names, e.globals()...))
}
