package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/charmbracelet/lipgloss"
	xterm "github.com/charmbracelet/x/term"
	"github.com/mattn/go-isatty"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/screen"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// Options say what a console reads, what it writes, and how.
type Options struct {
	// Dial attaches to the application. It is called at the start, and, by the
	// full-screen console, again whenever the application went away. It may
	// start an application that is not running. Required.
	Dial func(context.Context) (*control.Client, error)

	// Expr are pieces of JavaScript that are evaluated in order, in place of
	// Input. Default: none.
	Expr []string
	// Script is a file of JavaScript that is evaluated in place of Input. It is
	// read whole before any of it runs. Default: none. It excludes Expr.
	Script io.Reader
	// ScriptName is what errors call Script. Default: "script".
	ScriptName string

	// Input is what is read when there is neither Expr nor Script: keys when it
	// and Output are terminals, JavaScript otherwise. Default: os.Stdin.
	Input io.Reader
	// Output receives the results. Default: os.Stdout.
	Output io.Writer
	// Err receives the errors, except those of the full-screen console, which
	// shows them itself. Default: os.Stderr.
	Err io.Writer

	// JSON writes each result as one line of JSON; what the code prints goes
	// to Err. Default: text for people.
	JSON bool
	// Plain writes lines, without color, even to a terminal, where it prompts
	// and reads line by line. TERM=dumb has the same effect. Default: the full
	// screen where Input and Output are terminals.
	Plain bool
	// ReadOnly refuses writes before they are sent. Default: they are made.
	ReadOnly bool
	// Sandbox keeps what the session writes, transactions included, in one
	// transaction that is thrown away at the end, unless the code calls
	// commit(). Default: each write is a commit.
	Sandbox bool
	// Yes answers yes to all that a person would be asked. Default: a person at
	// the prompt is asked; without one, what would be asked in production is
	// refused there, and done elsewhere.
	Yes bool

	// Vi begins with the keys of vi. Default: those of emacs.
	Vi bool

	// Greeting is what the full-screen console says first. Default: that it
	// speaks JavaScript, and where help is.
	Greeting string

	// History is the file that keeps what was typed into the full-screen
	// console. Default: one for each application in $XDG_STATE_HOME/tower, or
	// in ~/.local/state/tower. "-" keeps nothing.
	History string

	onMsg func(any) // called with each message of the full-screen console
}

// Run runs a console until its input ends, the person leaves or ctx is done,
// and returns the exit code: 0 done, 1 failed, 2 wrong use. What went wrong
// has been shown. The context is not to be ended by an interrupt: Run handles
// those itself, they stop the code that runs; SIGTERM and SIGHUP end the
// console. A terminal is left as it was found, whatever happens.
func Run(ctx context.Context, o Options) (exit int) {
	o.defaults()
	if len(o.Expr) > 0 && o.Script != nil {
		fmt.Fprintln(o.Err, "error: a script and expressions exclude each other")
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	client, err := o.Dial(ctx)
	if err != nil {
		fmt.Fprintln(o.Err, "error:", err)
		if errors.Is(err, control.ErrNotRunning) {
			fmt.Fprintln(o.Err, "  start it with: tower server")
		}
		return 1
	}
	if o.fullScreen() {
		return screen.Run(ctx, o.screen(), client)
	}
	defer func() { _ = client.Close() }() // it always succeeds
	return runLines(ctx, o, client)
}

func (o *Options) defaults() {
	if o.ScriptName == "" {
		o.ScriptName = "script"
	}
	if o.Input == nil {
		o.Input = os.Stdin
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
}

func (o *Options) fullScreen() bool {
	return !o.Plain && !o.JSON && len(o.Expr) == 0 && o.Script == nil && !dumb() && terminal(o.Input) && terminal(o.Output)
}

// screen are the options of the full-screen console.
func (o *Options) screen() screen.Options {
	return screen.Options{
		Options: o.evaluator(),
		Dial:    o.Dial, Input: o.Input, Output: o.Output.(*os.File), Err: o.Err,
		Vi: o.Vi, Greeting: o.Greeting, History: o.History, OnMsg: o.onMsg,
	}
}

func (o *Options) evaluator() script.Options {
	return script.Options{ReadOnly: o.ReadOnly, Sandbox: o.Sandbox, Yes: o.Yes}
}

func dumb() bool {
	kind := os.Getenv("TERM")
	return kind == "dumb" || kind == "" && runtime.GOOS != "windows"
}

// terminal tells whether v is a file that is a terminal.
func terminal(v any) bool {
	file, ok := v.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// lineFormatter is the formatter of consoles that write lines to w.
func (o *Options) lineFormatter(w io.Writer) show.Formatter {
	if !terminal(w) {
		return show.Formatter{Raw: true}
	}
	f := show.Formatter{}
	if columns, _, err := xterm.GetSize(w.(*os.File).Fd()); err == nil {
		f.Width = columns
	}
	if !o.Plain && !dumb() {
		f.Styles = term.NewStyles(lipgloss.NewRenderer(w), term.LinePalette)
	}
	return f
}
