package dev

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// A terminal prints progress and the output of the application. It may be used
// concurrently. Errors of the underlying writer are ignored.
type terminal struct {
	mu          sync.Mutex
	out         io.Writer
	color       bool
	lineOpen    bool // the last line is not terminated
	linePending bool // the last line was begun by startLine
}

func newTerminal(out io.Writer, color bool) *terminal {
	if out == nil {
		out = io.Discard
	}
	return &terminal{out: out, color: color}
}

// Write prints output of the application. The error is always nil.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if t.linePending {
		t.newLine()
	}
	t.out.Write(p)
	t.lineOpen = !bytes.HasSuffix(p, []byte("\n"))
	return len(p), nil
}

// startLine prints the first part of a line.
func (t *terminal) startLine(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "%s %s …", t.mark(), text)
	t.lineOpen, t.linePending = true, true
}

// finishLine prints the rest of the line, or a line of its own if other output followed
// startLine.
func (t *terminal) finishLine(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.linePending {
		t.newLine()
		fmt.Fprint(t.out, t.mark())
	}
	fmt.Fprintf(t.out, " %s\n", text)
	t.lineOpen, t.linePending = false, false
}

// printLine prints a line with a mark.
func (t *terminal) printLine(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "%s %s\n", t.mark(), text)
}

// printDetail prints an indented line.
func (t *terminal) printDetail(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	fmt.Fprintf(t.out, "  %s\n", paint(t.color, dim, text))
}

func (t *terminal) printFailure(f *Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newLine()
	f.Print(t.out, t.color)
}

func (t *terminal) newLine() {
	if t.lineOpen {
		fmt.Fprintln(t.out)
	}
	t.lineOpen, t.linePending = false, false
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
