package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A lineConsole evaluates JavaScript from arguments, a file, a pipe or a plain
// terminal, and writes its results as lines.
type lineConsole struct {
	e           *script.Evaluator
	o           Options
	client      *control.Client
	reconnector *control.Reconnector // nil if the console ends with the application
	out         show.Formatter
	err         show.Formatter
	interrupt   chan os.Signal
	progress    bool // a line of progress is on the terminal
	prompting   bool // a person sees each result
	written     int  // records that writes returned
}

const (
	// shownItems is the most items of a list to write, and the most records that the
	// writes of a script return. JSON has all.
	shownItems = 50
	wholeHint  = "--json writes all"
)

func runLines(ctx context.Context, o Options, client *control.Client) (exit int) {
	c := &lineConsole{
		e: script.New(client.Hello(), client, o.evaluator()), o: o, client: client,
		out: o.lineFormatter(o.Output), err: o.lineFormatter(o.Err), interrupt: make(chan os.Signal, 1),
	}
	if !o.JSON {
		c.e.Preview, c.e.Items = shownItems, shownItems
	}
	signal.Notify(c.interrupt, os.Interrupt)
	defer signal.Stop(c.interrupt)

	var err error
	defer func() {
		if c.sumsUp() {
			fmt.Fprintf(o.Err, "%s of %s records that the code wrote are shown; %s\n", show.Grouped(shownItems), show.Grouped(c.written), wholeHint)
		}
	}()
	switch {
	case len(o.Expr) > 0:
		err = c.expressions(ctx)
	case o.Script != nil:
		err = c.script(ctx)
	case terminal(o.Input):
		return c.prompt(ctx)
	default:
		err = c.pipe(ctx)
	}
	if err != nil {
		c.fail(err)
		return 1
	}
	return 0
}

// errStuck reports that code kept running after it was stopped: it is in a call of the
// engine that cannot be interrupted, and the evaluator cannot be used again.
var errStuck = errors.New("the code does not stop")

// run evaluates src and writes its results. It returns when src ends, ctx is done, an
// interrupt arrives, or a result cannot be written.
func (c *lineConsole) run(ctx context.Context, src script.Source) error {
	ctx, release := script.BoundMemory(ctx, c.o.memory)
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- c.evaluate(ctx, cancel, src) }()
	select {
	case err := <-done:
		return err
	case <-c.interrupt:
		cancel(script.ErrInterrupted)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(script.StopTimeout):
		var memory *script.MemoryError
		if errors.As(context.Cause(ctx), &memory) {
			return fmt.Errorf("%w, and %w", memory, errStuck)
		}
		return errStuck
	}
}

func (c *lineConsole) evaluate(ctx context.Context, cancel context.CancelCauseFunc, src script.Source) error {
	var broken error
	write := func(w io.Writer, text []byte) {
		c.endProgress()
		if broken == nil {
			if _, broken = w.Write(text); broken != nil {
				cancel(broken)
			}
		}
	}
	c.e.Print = func(values []show.Value) {
		w, f := c.o.Output, c.out
		if c.o.JSON { // the output contains only results
			w, f = c.o.Err, c.err
		}
		write(w, []byte(strings.Join(f.Printed(values), "\n")+"\n"))
	}
	if c.reconnector != nil {
		c.client = c.e.FollowApplication(ctx, c.reconnector, c.client, true, func(note string) { write(c.o.Err, []byte(term.CleanLines(note)+"\n")) })
	}
	if terminal(c.o.Err) && !c.o.Plain && !dumb() {
		c.e.Progress = func(done script.Progress) {
			c.progress = true
			fmt.Fprint(c.o.Err, "\r\x1b[K"+done.String()+"…")
		}
	}
	writes := 0
	err := c.e.Run(ctx, src, func(v show.Value) {
		wrote := c.e.Done().Writes > writes && v.Kind == show.Record
		if writes = c.e.Done().Writes; wrote {
			c.written++
		}
		if !wrote || !c.sumsUp() {
			write(c.o.Output, c.result(v))
		}
	})
	c.endProgress()
	if broken != nil {
		return fmt.Errorf("write the result: %w", broken)
	}
	return err
}

// sumsUp reports whether the code has written more records than a script shows.
func (c *lineConsole) sumsUp() bool { return c.written > shownItems && !c.prompting && !c.o.JSON }

// endProgress removes the line of progress from the terminal.
func (c *lineConsole) endProgress() {
	if c.progress {
		fmt.Fprint(c.o.Err, "\r\x1b[K")
		c.progress = false
	}
}

func (c *lineConsole) result(v show.Value) []byte {
	if c.o.JSON {
		return append(term.CleanJSON(show.AppendJSON(nil, v)), '\n')
	}
	text := strings.Join(c.out.Lines(v), "\n")
	if v.Kind == show.String && c.out.Raw && strings.HasSuffix(text, "\n") {
		return []byte(text) // such as CSV: it is a file as it is
	}
	return []byte(text + "\n")
}

func (c *lineConsole) fail(err error) {
	var known *show.Failure
	if !errors.As(err, &known) {
		known = &show.Failure{Title: "error", Message: err.Error()}
	}
	fmt.Fprintln(c.o.Err, strings.Join(c.err.Failure(known), "\n"))
}

func (c *lineConsole) expressions(ctx context.Context) error {
	for i, text := range c.o.Expr {
		name := "-e"
		if len(c.o.Expr) > 1 {
			name = fmt.Sprintf("-e %d", i+1)
		}
		if err := c.runWhole(ctx, script.Source{Name: name, Text: text}); err != nil {
			return err
		}
	}
	return nil
}

func (c *lineConsole) script(ctx context.Context) error {
	text, err := io.ReadAll(io.LimitReader(c.o.Script, longestStatement+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.o.ScriptName, err)
	}
	if len(text) > longestStatement {
		return fmt.Errorf("%s is larger than %d MiB", c.o.ScriptName, longestStatement>>20)
	}
	return c.runWhole(ctx, script.Source{Name: c.o.ScriptName, Text: string(text)})
}

// runWhole evaluates a source that is complete: no more input can follow it.
func (c *lineConsole) runWhole(ctx context.Context, src script.Source) error {
	err := c.run(ctx, src)
	if errors.Is(err, script.ErrIncomplete) {
		return src.IncompleteFailure()
	}
	return err
}

// pipe evaluates each statement as soon as it is complete.
func (c *lineConsole) pipe(ctx context.Context) error {
	r, stop := newStatementReader(c.o.Input, "stdin", c.interrupt)
	defer stop()
	r.lookAhead = lookAhead
	for {
		src, err := r.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.runWhole(ctx, src); err != nil {
			return err
		}
	}
}

// prompt runs the console of a terminal that can only show lines. It outlives the
// application: requests wait while the application is rebuilt.
func (c *lineConsole) prompt(ctx context.Context) (exit int) {
	c.prompting = true
	r, stop := newStatementReader(c.o.Input, "", c.interrupt)
	defer stop()
	events := live.EventLog{Dial: c.o.Dial, Out: c.o.Output}
	defer events.End()
	shows := terminal(c.o.Output) && !c.o.JSON
	if shows {
		r.prompt = c.showPrompt
		c.e.Confirm = func(ctx context.Context, what string) bool {
			return c.confirm(ctx, r, what)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	c.reconnector = control.NewReconnector(c.o.Dial, func(message any) {
		if gone, ok := message.(control.Away); ok {
			fmt.Fprintln(c.o.Err, term.CleanLines(gone.Text()))
		}
	})
	c.reconnector.Mute = true
	c.e.Remote = c.reconnector
	var following sync.WaitGroup
	first := c.client
	following.Go(func() { c.reconnector.Run(ctx, first) })
	defer following.Wait()
	defer cancel()
	for {
		src, err := r.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return 0
		case errors.Is(err, script.ErrInterrupted):
			fmt.Fprintln(c.o.Err, "\nPress Ctrl-D or type exit to leave")
			continue
		case err != nil:
			c.fail(err)
			return 1
		case strings.TrimRight(strings.TrimSpace(src.Text), "();") == "exit":
			return 0
		case strings.TrimSpace(src.Text) == live.EventLogCommand:
			if err := events.Toggle(ctx); err != nil {
				c.fail(err)
			}
			continue
		}
		if err := c.runWhole(ctx, src); err != nil {
			c.fail(err)
			var fault *show.Crash
			if ctx.Err() != nil || errors.As(err, &fault) || errors.Is(err, errStuck) {
				return 1
			}
		}
	}
}

// showPrompt writes the prompt for a line; more is set if the line continues a
// statement.
func (c *lineConsole) showPrompt(more bool) {
	name := promptOf(c.e.Hello)
	if more {
		fmt.Fprint(c.o.Output, term.Pad("", term.Width(name)-1)+"… ")
		return
	}
	fmt.Fprint(c.o.Output, term.Paint(c.out.Styles.InEnv(c.e.Hello.Env).Prompt, name+">")+" ")
}

// promptOf returns the text before the code: the application's name, and a warning if
// it runs in production.
func promptOf(hello wire.ControlHello) string {
	if hello.Env == "production" {
		return term.Clean(hello.App) + " production"
	}
	return term.Clean(hello.App)
}

// confirm asks the person at the prompt; the next line is the answer.
func (c *lineConsole) confirm(ctx context.Context, r *statementReader, what string) bool {
	fmt.Fprint(c.o.Output, term.Clean(script.QuestionText(what))+" ")
	answer, err := r.line(ctx)
	return err == nil && strings.EqualFold(strings.TrimSpace(answer), "y")
}
