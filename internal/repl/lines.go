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

	"github.com/towerkit/tower/internal/wire"
)

// A lineConsole evaluates JavaScript from arguments, a file, a pipe or a plain
// terminal, and writes lines.
type lineConsole struct {
	e           *evaluator
	o           Options
	client      *Client
	reconnector *reconnector // nil: the console ends with the application
	out         formatter
	err         formatter
	interrupt   chan os.Signal
}

func runLines(ctx context.Context, o Options, client *Client) (exit int) {
	c := &lineConsole{
		e: newEvaluator(client.Hello(), client, o.evaluator()), o: o, client: client,
		out: o.lineFormatter(o.Output), err: o.lineFormatter(o.Err), interrupt: make(chan os.Signal, 1),
	}
	signal.Notify(c.interrupt, os.Interrupt)
	defer signal.Stop(c.interrupt)

	var err error
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

// errStuck says that code went on after it was stopped: it is in a call of the
// engine that nothing interrupts, and the evaluator is lost with it.
var errStuck = errors.New("the code does not stop")

// run evaluates src and writes its results, until it ends, ctx is done, an
// interrupt comes, or nobody takes the results any more.
func (c *lineConsole) run(ctx context.Context, src source) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- c.evaluate(ctx, cancel, src) }()
	select {
	case err := <-done:
		return err
	case <-c.interrupt:
		cancel(errInterrupted)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopTimeout):
		return errStuck
	}
}

func (c *lineConsole) evaluate(ctx context.Context, cancel context.CancelCauseFunc, src source) error {
	var broken error
	write := func(w io.Writer, text []byte) {
		if broken == nil {
			if _, broken = w.Write(text); broken != nil {
				cancel(broken)
			}
		}
	}
	c.e.print = func(values []value) {
		w, f := c.o.Output, c.out
		if c.o.JSON { // which are the results alone
			w, f = c.o.Err, c.err
		}
		write(w, []byte(strings.Join(f.printed(values), "\n")+"\n"))
	}
	if c.reconnector != nil {
		c.client = c.e.followApplication(ctx, c.reconnector, c.client, true, func(note string) { write(c.o.Err, []byte(note+"\n")) })
	}
	err := c.e.run(ctx, src, func(v value) { write(c.o.Output, c.result(v)) })
	if broken != nil {
		return fmt.Errorf("write the result: %w", broken)
	}
	return err
}

func (c *lineConsole) result(v value) []byte {
	if c.o.JSON {
		return append(appendJSON(nil, v), '\n')
	}
	return []byte(strings.Join(c.out.lines(v), "\n") + "\n")
}

func (c *lineConsole) fail(err error) {
	var known *failure
	if !errors.As(err, &known) {
		known = &failure{title: "error", message: err.Error()}
	}
	fmt.Fprintln(c.o.Err, strings.Join(c.err.failure(known), "\n"))
}

func (c *lineConsole) expressions(ctx context.Context) error {
	for i, text := range c.o.Expr {
		name := "-e"
		if len(c.o.Expr) > 1 {
			name = fmt.Sprintf("-e %d", i+1)
		}
		if err := c.whole(ctx, source{name: name, text: text}); err != nil {
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
	return c.whole(ctx, source{name: c.o.ScriptName, text: string(text)})
}

// whole evaluates a source that nothing follows.
func (c *lineConsole) whole(ctx context.Context, src source) error {
	err := c.run(ctx, src)
	if errors.Is(err, errIncomplete) {
		return src.incompleteFailure()
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
		if err := c.whole(ctx, src); err != nil {
			return err
		}
	}
}

// prompt is the console of a terminal that can only show lines. It outlives the
// application: what is asked while that is being rebuilt waits for it.
func (c *lineConsole) prompt(ctx context.Context) (exit int) {
	r, stop := newStatementReader(c.o.Input, "", c.interrupt)
	defer stop()
	events := eventLog{dial: c.o.Dial, out: c.o.Output}
	defer events.end()
	shows := terminal(c.o.Output) && !c.o.JSON
	if shows {
		r.prompt = c.invite
		c.e.confirm = func(ctx context.Context, what string) bool {
			return c.confirmed(ctx, r, what)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	c.reconnector = newReconnector(c.o.Dial, func(message any) {
		if gone, ok := message.(away); ok {
			fmt.Fprintln(c.o.Err, gone.text())
		}
	})
	c.reconnector.mute = true
	c.e.remote = c.reconnector
	var following sync.WaitGroup
	first := c.client
	following.Go(func() { c.reconnector.run(ctx, first) })
	defer following.Wait()
	defer cancel()
	for {
		src, err := r.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return 0
		case errors.Is(err, errInterrupted):
			fmt.Fprintln(c.o.Err, "\nCtrl-D or exit leaves")
			continue
		case err != nil:
			c.fail(err)
			return 1
		case strings.TrimRight(strings.TrimSpace(src.text), "();") == "exit":
			return 0
		case strings.TrimSpace(src.text) == eventLogCommand:
			if err := events.toggle(ctx); err != nil {
				c.fail(err)
			}
			continue
		}
		if err := c.whole(ctx, src); err != nil {
			c.fail(err)
			var fault *crash
			if ctx.Err() != nil || errors.As(err, &fault) || errors.Is(err, errStuck) {
				return 1
			}
		}
	}
}

// invite asks for a line.
func (c *lineConsole) invite(more bool) {
	name := promptOf(c.e.hello)
	if more {
		fmt.Fprint(c.o.Output, pad("", width(name)-1)+"… ")
		return
	}
	fmt.Fprint(c.o.Output, paint(c.out.styles.inEnv(c.e.hello.Env).prompt, name+">")+" ")
}

// promptOf is what stands before the code: the application's name, and where it is
// dangerous that it is so.
func promptOf(hello wire.ControlHello) string {
	if hello.Env == "production" {
		return clean(hello.App) + " production"
	}
	return clean(hello.App)
}

// confirmed asks the person at the prompt, whose next line is the answer.
func (c *lineConsole) confirmed(ctx context.Context, r *statementReader, what string) bool {
	fmt.Fprint(c.o.Output, questionText(what)+" ")
	answer, err := r.line(ctx)
	return err == nil && strings.EqualFold(strings.TrimSpace(answer), "y")
}
