package dev

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// A terminal is where progress, and what the application prints, is shown. It
// may be used concurrently, and never fails: what cannot be shown is lost.
type terminal struct {
	mu    sync.Mutex
	out   io.Writer
	color bool
	open  bool // the last line has no end yet
	begun bool // and is one that end completes
}

func newTerminal(out io.Writer, color bool) *terminal {
	if out == nil {
		out = io.Discard
	}
	return &terminal{out: out, color: color}
}

// Write passes on what the application prints.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if t.begun {
		t.newLine()
	}
	t.out.Write(p)
	t.open = !bytes.HasSuffix(p, []byte("\n"))
	return len(p), nil
}

// begin writes the first part of a line.
func (t *terminal) begin(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "%s %s …", t.mark(), text)
	t.open, t.begun = true, true
}

// end writes the other part, in a line of its own if something came between.
func (t *terminal) end(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		t.newLine()
		fmt.Fprint(t.out, t.mark())
	}
	fmt.Fprintf(t.out, " %s\n", text)
	t.open, t.begun = false, false
}

// say writes a line.
func (t *terminal) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "%s %s\n", t.mark(), text)
}

// tell writes a line that stands below another.
func (t *terminal) tell(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "  %s\n", paint(t.color, dim, text))
}

func (t *terminal) fail(f *Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	f.Print(t.out, t.color)
}

func (t *terminal) newLine() {
	if t.open {
		fmt.Fprintln(t.out)
	}
	t.open, t.begun = false, false
}

func (t *terminal) mark() string { return paint(t.color, cyan, "▸") }

const (
	bold = "1"
	dim  = "2"
	red  = "31"
	cyan = "36"
)

func paint(color bool, style, text string) string {
	if !color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Print writes the failure for a person to read: each problem with its place,
// the line at fault and what to do about it.
func (f *Failure) Print(w io.Writer, color bool) {
	fmt.Fprintf(w, "%s %s\n", paint(color, red, "✗"), paint(color, bold, f.Title))
	for _, p := range f.Errors {
		message := strings.ReplaceAll(p.Message, "\n", "\n    ")
		if place := p.place(); place != "" {
			message = paint(color, bold, place) + "  " + message
		}
		fmt.Fprintf(w, "  %s\n", message)
		if line, caret, ok := p.pointed(); ok {
			fmt.Fprintf(w, "    %s\n", paint(color, dim, line))
			if caret != "" {
				fmt.Fprintf(w, "    %s\n", paint(color, red, caret))
			}
		}
		if p.Hint != "" {
			fmt.Fprintf(w, "    → %s\n", p.Hint)
		}
	}
}

// pointed is the line at fault, less its indentation, and a caret to stand
// below its column.
func (p Problem) pointed() (line, caret string, ok bool) {
	at := p.Line - p.From
	if p.From == 0 || at < 0 || at >= len(p.Source) {
		return "", "", false
	}
	full := p.Source[at]
	line = strings.TrimLeft(full, " \t")
	column := p.Column - 1 - (len(full) - len(line))
	if column >= 0 && column <= len(line) {
		before := strings.ReplaceAll(line[:column], "\t", "    ")
		caret = strings.Repeat(" ", utf8.RuneCountInString(before)) + "^"
	}
	line = strings.ReplaceAll(line, "\t", "    ")
	return line, caret, strings.TrimSpace(line) != ""
}
