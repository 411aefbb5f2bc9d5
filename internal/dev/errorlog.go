package dev

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// An errorLog passes an application's stderr on by whole lines and remembers
// the last of them. It holds back the trace of a panic, so that it can be shown
// in a readable form when the process has ended.
type errorLog struct {
	out io.Writer

	mu      sync.Mutex
	partial []byte
	last    []string
	trace   []string
}

const (
	maxLastLines  = 200
	maxTraceLines = 5000
)

// Write never fails: a log that cannot be shown must not stop an application.
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

// addLine takes one line and returns what is to be passed on.
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

// end is called when the process has ended. It returns the last lines, and
// those among them that were held back: a panic's trace.
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
