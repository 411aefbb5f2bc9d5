package repl

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// errInterrupted is the cause of a context that a person cancelled.
var errInterrupted = errors.New("interrupted")

func syntaxFailure(src source, err error) *failure {
	f := &failure{title: "SyntaxError", message: err.Error()}
	var all parser.ErrorList
	if errors.As(err, &all) && len(all) > 0 {
		first := all[0]
		f.message = first.Message
		src.point(f, positionOf(first.Position.Filename, first.Position.Line, first.Position.Column))
	}
	switch {
	case regexp.MustCompile(`^\s*(import|export)\b`).MatchString(src.text):
		f.hint = "there are no modules here, only the application's models: help()"
	case strings.HasPrefix(strings.TrimSpace(src.text), "."):
		f.hint = "end the line before with the dot to go on with it here"
	}
	return f
}

func compileFailure(src source, err error) *failure {
	f := &failure{title: "SyntaxError", message: err.Error()}
	var wrong *goja.CompilerSyntaxError
	if errors.As(err, &wrong) {
		f.message = wrong.Message
		if wrong.File != nil {
			at := wrong.File.Position(wrong.Offset)
			src.point(f, positionOf(at.Filename, at.Line, at.Column))
		}
	}
	return f
}

// explain turns what an evaluation of src ended with into a failure.
func (e *evaluator) explain(src source, err error) *failure {
	var (
		known       *failure
		exception   *goja.Exception
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
	)
	switch {
	case errors.As(err, &exception):
		return e.explainException(src, exception)
	case errors.As(err, &known):
		return known
	case errors.As(err, &interrupted), errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return e.stopped()
	case errors.As(err, &overflow):
		return &failure{title: "RangeError", message: "the calls are nested too deeply"}
	}
	return refusal(err)
}

const mayHaveWritten = "a write was under way and may have been made"

func (e *evaluator) stopped() *failure {
	f := &failure{message: "stopped"}
	if e.writing {
		f.hint = mayHaveWritten
	}
	return f
}

func (e *evaluator) explainException(src source, ex *goja.Exception) *failure {
	var f *failure
	if thrown := errors.Unwrap(ex); thrown != nil {
		if errors.Is(thrown, errInterrupted) {
			return e.stopped()
		}
		f = refusal(thrown)
		if errors.Is(thrown, ErrLost) && e.writing {
			f.hint = mayHaveWritten
		}
	} else {
		f = e.explainThrown(ex.Value())
	}
	for _, frame := range ex.Stack() {
		if at := frame.Position(); at.Line > 0 && strings.ContainsRune(at.Filename, 0) {
			f.at = positionOf(at.Filename, at.Line, at.Column)
			break
		}
	}
	f.at = src.pointer(f.at, f.word)
	// One short line at the prompt stands right above its error, which need not
	// point at it unless something in it is wrong.
	mistake := f.word != "" || f.title == "TypeError" || f.title == "ReferenceError"
	if mistake || f.at.name != "" || strings.Contains(strings.TrimSpace(src.text), "\n") {
		f.excerpt, f.before, _ = src.excerpt(f.at)
	}
	return f
}

// pointer is the place of a word, if it is known, near where an error happened.
func (src source) pointer(at position, word string) position {
	lines := strings.Split(src.text, "\n")
	for number := at.line - src.line - 1; word != "" && number >= 0 && number < len(lines) && at.name == src.name; number++ {
		best := -1
		for _, start := range occurrences(lines[number], word) {
			if best < 0 || abs(start+1-at.column) < abs(best+1-at.column) || number > at.line-src.line-1 {
				best = start
			}
		}
		if best >= 0 {
			return position{at.name, number + src.line + 1, best + 1}
		}
	}
	return at
}

// occurrences are the places of a word that is no part of another.
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
		if !wordRune(before) && !wordRune(after) {
			all = append(all, at)
		}
		from = at + len(word)
	}
}

func abs(n int) int { return max(n, -n) }

// explainThrown reads an Error object, or shows whatever else was thrown.
func (e *evaluator) explainThrown(thrown goja.Value) *failure {
	shown := e.snapshot(thrown, copyBrief)
	if shown.kind != errorValue {
		return &failure{title: "thrown", message: inline(shown)}
	}
	f := &failure{title: shown.label, message: shown.text}
	if match := notDefined.FindStringSubmatch(f.message); match != nil {
		f.hint, f.word = e.suggestName(match[1]), match[1]
	} else if match := noMember.FindStringSubmatch(f.message); match != nil {
		f.word = match[1]
		f.message = "there is no method " + match[1]
		f.hint = didYouMean(match[1], slices.Concat(modelMethods, queryMethods, recordMethods, arrayMethods))
	}
	return f
}

var (
	notDefined = regexp.MustCompile(`^(\S+) is not defined$`)
	noMember   = regexp.MustCompile(`^Object has no member '(.+)'$`)
)

// refusal explains an error of a request.
func refusal(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		copied := *known
		return &copied
	}
	var remote *RemoteError
	if !errors.As(err, &remote) {
		return &failure{message: err.Error()}
	}
	f := &failure{title: remote.Code, message: remote.Error()}
	for field, texts := range remote.Problems {
		for _, text := range texts {
			f.problems = append(f.problems, problem{field, text})
		}
	}
	slices.SortStableFunc(f.problems, func(a, b problem) int { return strings.Compare(a.field, b.field) })
	return f
}

// point lets a failure show the line of src that at is on.
func (src source) point(f *failure, at position) {
	f.at = at
	f.excerpt, f.before, _ = src.excerpt(at)
}

// incompleteFailure is the failure of a source that ends too early and that nothing follows.
func (src source) incompleteFailure() *failure {
	lines := strings.Split(strings.TrimRight(src.text, "\r\n"), "\n")
	f := &failure{title: "SyntaxError", message: errIncomplete.Error()}
	src.point(f, position{src.name, src.line + len(lines), len(lines[len(lines)-1]) + 1})
	return f
}
