package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/muesli/cancelreader"

	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
)

const (
	longestStatement = 64 << 20
	lookAhead        = 50 * time.Millisecond
)

// A statementReader reads JavaScript and returns each statement as soon as it is
// complete, because the rest of the input may arrive much later, or never.
type statementReader struct {
	name      string
	lines     <-chan line
	interrupt <-chan os.Signal
	prompt    func(more bool) // called before waiting for a line
	// lookAhead is how long to wait for a line that continues code that is complete
	// without it, such as a line that begins with .limit(5).
	lookAhead time.Duration

	number int // of lines read
	ahead  *line
}

// A line is a line of input, or the error that ended it.
type line struct {
	text string // with its line break
	err  error
}

// newStatementReader reads r in a goroutine, which stop ends. If reads of r cannot be
// canceled (r is not a file) and block, the goroutine outlives stop until the read
// returns.
func newStatementReader(r io.Reader, name string, interrupt <-chan os.Signal) (s *statementReader, stop func()) {
	cancelable, err := cancelreader.NewReader(r)
	if err != nil { // a regular file, whose reads never block
		cancelable, _ = cancelreader.NewReader(struct{ io.Reader }{r})
	}
	lines, done, quit := make(chan line, 64), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		scan := bufio.NewScanner(cancelable)
		scan.Buffer(make([]byte, 0, 64<<10), longestStatement)
		for scan.Scan() {
			select {
			case lines <- line{text: scan.Text() + "\n"}:
			case <-quit:
				return
			}
		}
		if err := scan.Err(); err != nil {
			select {
			case lines <- line{err: err}:
			case <-quit:
			}
		}
	}()
	s = &statementReader{name: name, lines: lines, interrupt: interrupt, prompt: func(bool) {}}
	return s, func() {
		close(quit)
		if cancelable.Cancel() {
			<-done
		}
		_ = cancelable.Close() // reading has ended
	}
}

// next returns the next complete piece of code, or the remaining input at the end.
// After that the error is io.EOF; otherwise it is script.ErrInterrupted or the error of
// reading.
func (r *statementReader) next(ctx context.Context) (script.Source, error) {
	var (
		text  strings.Builder
		open  show.Lexer
		tried int
	)
	src := script.Source{Name: r.name, Line: r.number}
	for {
		r.prompt(text.Len() > 0)
		next, err := r.line(ctx)
		if errors.Is(err, io.EOF) && text.Len() > 0 {
			return src, nil
		}
		if err != nil {
			return script.Source{}, err
		}
		if text.Len() == 0 && strings.TrimSpace(next) == "" {
			src.Line = r.number
			continue
		}
		text.WriteString(next)
		open.Scan(next)
		src.Text = text.String()
		if text.Len() > longestStatement {
			return script.Source{}, fmt.Errorf("read %s: a statement is longer than %d MiB", r.name, longestStatement>>20)
		}
		// Unclosed brackets are almost always real. Checking them avoids parsing a
		// long statement once for each of its lines; parsing again at twice the
		// length limits the damage if the check is wrong.
		if open.Unfinished() && text.Len() < 2*tried {
			continue
		}
		tried = text.Len()
		if script.Incomplete(src) {
			continue
		}
		if strings.HasSuffix(strings.TrimSpace(next), ";") || !r.continued(ctx) {
			return src, nil
		}
	}
}

func (r *statementReader) line(ctx context.Context) (string, error) {
	var next line
	if r.ahead != nil {
		next, r.ahead = *r.ahead, nil
	} else {
		var ok bool
		select {
		case next, ok = <-r.lines:
			if !ok {
				return "", io.EOF
			}
		case <-r.interrupt:
			return "", script.ErrInterrupted
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if next.err != nil {
		return "", fmt.Errorf("read %s: %w", r.name, next.err)
	}
	r.number++
	return next.text, nil
}

var continuation = regexp.MustCompile(`^\s*(\.[^0-9]|\?\.|[?:&|*%=<>,]|(else|catch|finally|instanceof|in)\b)`)

// continued reports whether the next line continues the code before it.
func (r *statementReader) continued(ctx context.Context) bool {
	if r.lookAhead == 0 {
		return false
	}
	timer := time.NewTimer(r.lookAhead)
	defer timer.Stop()
	select {
	case next, ok := <-r.lines:
		if !ok {
			return false
		}
		r.ahead = &next
		return continuation.MatchString(next.text)
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
