package dev

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// An errorLog forwards the stderr of an application by whole lines, and keeps the last of
// them. It withholds the trace of a panic, which is shown in a readable form after the
// process has exited.
type errorLog struct {
	out io.Writer

	mu      sync.Mutex
	partial []byte   // last line, not terminated yet
	last    []string // last lines
	trace   []string // lines that are withheld
}

const (
	maxLastLines  = 200
	maxTraceLines = 5000
)

// Write ignores errors of the underlying writer: they must not stop the application.
func (l *errorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	var pass []byte
	for {
		end := bytes.IndexByte(l.partial, '\n')
		if end < 0 {
			break
		}
		pass = append(pass, l.addLine(string(l.partial[:end]))...)
		l.partial = l.partial[end+1:]
	}
	l.out.Write(pass)
	return len(p), nil
}

// addLine adds a line and returns the text to forward.
func (l *errorLog) addLine(text string) string {
	text = strings.TrimSuffix(text, "\r")
	l.last = append(l.last, text)
	if over := len(l.last) - maxLastLines; over > 0 && len(l.trace) == 0 {
		l.last = slices.Delete(l.last, 0, over)
	}
	switch {
	case len(l.trace) == 0 && !traceStart.MatchString(text):
		return text + "\n"
	case len(l.trace) == 0 || isTraceLine(text) && len(l.trace) < maxTraceLines:
		l.trace = append(l.trace, text)
		return ""
	default:
		pass := strings.Join(append(l.trace, text, ""), "\n")
		l.trace = nil
		return pass
	}
}

// end returns the last lines, and the trace of a panic that was withheld, which is part of
// them. It must be called after the process has exited.
func (l *errorLog) end() (last, trace []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		io.WriteString(l.out, l.addLine(string(l.partial)))
		l.partial = nil
	}
	trace, l.trace = l.trace, nil
	return slices.Clone(l.last), trace
}
