package repl

import (
	"context"
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

// Options configure what a console reads and writes.
type Options struct {
	// Dial attaches to the application. The console calls it at the start, and calls
	// it again when the application goes away if it outlives the application. Dial may
	// start an application that is not running. Required.
	Dial func(context.Context) (*control.Client, error)

	// Expr lists pieces of JavaScript to evaluate in order instead of Input. Default:
	// none.
	Expr []string
	// Script is a file of JavaScript to evaluate instead of Input. It is read
	// completely before any of it runs. It excludes Expr. Default: none.
	Script io.Reader
	// ScriptName is the name of Script in errors. Default: "script".
	ScriptName string

	// Input is read if there is neither Expr nor Script: keys if Input and Output are
	// terminals, otherwise JavaScript. Default: os.Stdin.
	Input io.Reader
	// Output receives the results. Default: os.Stdout.
	Output io.Writer
	// Err receives the errors. The full-screen console shows its errors itself.
	// Default: os.Stderr.
	Err io.Writer

	// JSON writes each result as one line of JSON, in full; the code's own output goes
	// to Err. Default: text, and the first 50 of the items of a list and of the records
	// that the statements of a script return from their writes.
	JSON bool
	// Plain writes lines without color, even to a terminal, where it shows a prompt
	// and reads line by line. TERM=dumb has the same effect. Default: the full screen
	// if Input and Output are terminals.
	Plain bool
	// ReadOnly rejects writes before they are sent. Default: writes are sent.
	ReadOnly bool
	// Sandbox keeps everything the session writes, including transactions, in one
	// transaction that is discarded at the end unless the code calls commit().
	// Default: each write is a commit.
	Sandbox bool
	// Yes answers yes to every question. Default: the console asks a person at the
	// prompt; without one, it refuses in production and goes ahead elsewhere.
	Yes bool

	// Vi starts with vi keys. Default: emacs keys.
	Vi bool

	// Greeting is the first line of the full-screen console. Default: a line that
	// names the language and points to the help.
	Greeting string

	// History is the file that stores what is typed into the full-screen console.
	// Default: one file for each application in $XDG_STATE_HOME/tower, or in
	// ~/.local/state/tower. "-" stores nothing.
	History string

	memory uint64    // the most bytes while code runs; 0 is the default of script.BoundMemory
	onMsg  func(any) // called with each message of the full-screen console
}

// Run runs a console until its input ends, the person leaves or ctx is done, and
// returns the exit code: 0 for success, 1 for failure, 2 for wrong use. It has reported
// every error by then. Do not cancel ctx on an interrupt: Run handles interrupts itself
// and stops the running code. SIGTERM and SIGHUP end the console. Run always restores
// the terminal.
func Run(ctx context.Context, o Options) (exit int) {
	o.defaults()
	if len(o.Expr) > 0 && o.Script != nil {
		fmt.Fprintln(o.Err, "error: a script and expressions cannot be combined")
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	client, err := o.Dial(ctx)
	if err != nil {
		fmt.Fprintln(o.Err, "error:", term.CleanLines(err.Error()))
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

// screen returns the options of the full-screen console.
func (o *Options) screen() screen.Options {
	return screen.Options{
		Options: o.evaluator(),
		Dial:    o.Dial, Input: o.Input, Output: o.Output.(*os.File), Err: o.Err,
		Vi: o.Vi, Greeting: o.Greeting, History: o.History, OnMsg: o.onMsg,
	}
}

func (o *Options) evaluator() script.Options {
	return script.Options{ReadOnly: o.ReadOnly, Sandbox: o.Sandbox, Yes: o.Yes, Memory: o.memory}
}

func dumb() bool {
	kind := os.Getenv("TERM")
	return kind == "dumb" || kind == "" && runtime.GOOS != "windows"
}

// terminal reports whether v is a file that is a terminal.
func terminal(v any) bool {
	file, ok := v.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// lineFormatter returns the formatter of a console that writes lines to w.
func (o *Options) lineFormatter(w io.Writer) show.Formatter {
	if !terminal(w) {
		return show.Formatter{Raw: true, Whole: wholeHint}
	}
	f := show.Formatter{Whole: wholeHint}
	if columns, _, err := xterm.GetSize(w.(*os.File).Fd()); err == nil {
		f.Width = columns
	}
	if !o.Plain && !dumb() {
		f.Styles = term.NewStyles(lipgloss.NewRenderer(w), term.LinePalette)
	}
	return f
}
