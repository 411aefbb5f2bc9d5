package screen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

const (
	frame     = time.Second / 30
	glance    = time.Second / 10 // minimum interval between updates by events
	batchSize = 500
	// shownRecords is the number of records of a query to show.
	shownRecords = 50
	// shownItems is the number of items of a list to show, and of members of an object.
	shownItems = 1000
)

// Options configure the full-screen console.
type Options struct {
	script.Options

	// Dial attaches to the application again after it went away.
	Dial func(context.Context) (*control.Client, error)
	// Input is the source of keys, and Output is the terminal to draw on.
	Input  io.Reader
	Output *os.File
	// Err receives the error that ended the console.
	Err io.Writer
	// Vi starts with vi keys. Default: emacs keys.
	Vi bool
	// Greeting is the first line. Default: a line that names the language and points
	// to the help.
	Greeting string
	// History is the file that stores the inputs. Default: one file for each
	// application. "-" stores nothing.
	History string
	// OnMsg, if set, is called with each message of the screen, from its loop. It must
	// not block.
	OnMsg func(any)
}

const defaultGreeting = "JavaScript on the running application. help() explains, tab completes."

// The messages of the screen, besides keys and sizes.
type (
	batchMsg     []any                  // several messages, shown at once
	shownMsg     struct{ v show.Value } // from the running code
	printedMsg   struct{ vs []show.Value }
	noteMsg      struct{ text string }
	doneMsg      struct{ err error } // the running code has ended
	progressMsg  script.Progress
	completedMsg struct {
		text string // the input that was completed
		script.Completion
	}
	// leaveMsg ends the console. If err is set, it is reported afterwards.
	leaveMsg struct {
		exit int
		err  error
	}
)

// A job is a task for the evaluator: to run code, or to complete it.
type job struct {
	ctx      context.Context
	code     string
	complete bool
}

// A program is everything that runs besides the screen.
type program struct {
	o           Options
	tea         *tea.Program
	reconnector *control.Reconnector
	jobs        chan job

	outputs, events chan any
	running         sync.WaitGroup // all goroutines except the evaluator
	evaluating      chan struct{}  // closed when the evaluator has ended
}

// Run runs the full-screen console until the person leaves or ctx is done, and returns
// the exit code. It reports errors itself, closes client and restores the terminal.
func Run(ctx context.Context, o Options, client *control.Client) (exit int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	p := &program{
		o: o, jobs: make(chan job, 1), evaluating: make(chan struct{}),
		outputs: make(chan any, batchSize), events: make(chan any, batchSize),
	}
	p.reconnector = control.NewReconnector(o.Dial, func(event any) { send(ctx, p.events, event) })
	s := newScreen(o, client.Hello(), term.NewStyles(screenRenderer(o.Output), term.ScreenPalette), p.jobs)
	s.remote, s.tty = p.reconnector, newTTY(o.Output)
	s.tty.guard()
	defer s.tty.release()
	g := &recoverer{screen: s, quit: func() { p.running.Go(func() { p.tea.Quit() }) }}
	input := o.Input
	if file, ok := input.(*os.File); ok {
		input = &wheelInput{File: file}
	}
	p.tea = tea.NewProgram(g, tea.WithInput(input), tea.WithOutput(s.tty),
		tea.WithAltScreen(), tea.WithMouseCellMotion(), tea.WithFPS(30), tea.WithoutSignalHandler())

	p.start(ctx, func() { p.reconnector.Run(ctx, client) })
	p.start(ctx, func() { p.forward(ctx, p.outputs, frame) })
	p.start(ctx, func() { p.forward(ctx, p.events, glance) })
	p.start(ctx, func() { p.signals(ctx, interrupts) })
	go p.evaluate(ctx, client)

	_, err := p.tea.Run()
	s.stop()
	close(p.jobs)
	select {
	case <-p.evaluating:
	case <-time.After(script.StopTimeout): // it is in a call of the engine that cannot be interrupted
	}
	cancel()
	p.running.Wait()
	if err == nil {
		err = s.err
	}
	if err != nil {
		fmt.Fprintln(o.Err, "error:", term.CleanLines(err.Error()))
		return 1
	}
	return s.exit
}

// screenRenderer detects the colors of the terminal. It asks for the background color
// before anything else reads from the terminal.
func screenRenderer(w *os.File) *lipgloss.Renderer {
	r := lipgloss.NewRenderer(w)
	r.HasDarkBackground()
	return r
}

// start runs do in a goroutine. A panic in it ends the console in an orderly way.
func (p *program) start(ctx context.Context, do func()) {
	p.running.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				p.tea.Send(leaveMsg{1, show.NewCrash(cause)})
			}
		}()
		do()
	})
}

func send(ctx context.Context, to chan<- any, message any) {
	select {
	case to <- message:
	case <-ctx.Done():
	}
}

// forward passes messages to the screen: the first at once, later ones in batches if
// they arrive more often than every.
func (p *program) forward(ctx context.Context, from <-chan any, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var messages batchMsg
		select {
		case first := <-from:
			messages = append(messages, first)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(messages) < batchSize; {
			select {
			case next := <-from:
				messages = append(messages, next)
			default:
				more = false
			}
		}
		p.tea.Send(messages)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *program) signals(ctx context.Context, interrupts <-chan os.Signal) {
	for {
		select {
		case <-interrupts:
			p.tea.Send(tea.KeyMsg{Type: tea.KeyCtrlC})
		case <-ctx.Done():
			p.tea.Send(leaveMsg{exit: 1})
			return
		}
	}
}

// evaluate owns the evaluator. It runs jobs one after another until the channel is
// closed.
func (p *program) evaluate(ctx context.Context, client *control.Client) {
	defer close(p.evaluating)
	defer func() {
		if cause := recover(); cause != nil {
			p.tea.Send(leaveMsg{1, show.NewCrash(cause)})
		}
	}()
	post := func(message any) { send(ctx, p.outputs, message) }
	e := script.New(client.Hello(), p.reconnector, p.o.Options)
	e.Preview, e.Items = shownRecords, shownItems
	e.Print = func(values []show.Value) { post(printedMsg{values}) }
	e.Confirm = askBy(post)
	e.Progress = func(done script.Progress) { post(progressMsg(done)) }
	for job := range p.jobs {
		client = e.FollowApplication(job.ctx, p.reconnector, client, !job.complete, func(note string) { post(noteMsg{note}) })
		if job.complete {
			post(completedMsg{job.code, e.CompleteSoon(job.ctx, job.code)})
			continue
		}
		post(doneMsg{p.run(job.ctx, e, script.Source{Text: job.code}, func(v show.Value) { post(shownMsg{v}) })})
	}
}

// run runs code within its bound of memory. Code that exceeds it and does not stop ends
// the console.
func (p *program) run(ctx context.Context, e *script.Evaluator, src script.Source, emit func(show.Value)) error {
	ctx, release := script.BoundMemory(ctx, p.o.Memory)
	defer release()
	ended := make(chan struct{})
	defer close(ended)
	stop := context.AfterFunc(ctx, func() {
		var memory *script.MemoryError
		if !errors.As(context.Cause(ctx), &memory) {
			return
		}
		select {
		case <-ended:
		case <-time.After(script.StopTimeout): // it is in a call of the engine that cannot be interrupted
			p.tea.Send(leaveMsg{1, memory})
		}
	})
	defer stop()
	return e.Run(ctx, src, emit)
}

// A recoverer is the screen as bubbletea runs it. It turns a panic into an orderly exit
// that restores the terminal and shows the error.
type recoverer struct {
	screen *screen
	quit   func()
}

// Init implements [tea.Model].
func (g *recoverer) Init() tea.Cmd { return nil }

// Update implements [tea.Model].
func (g *recoverer) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	defer func() {
		if cause := recover(); cause != nil {
			g.screen.err = show.NewCrash(cause)
			model, cmd = g, tea.Quit
		}
	}()
	return g, g.screen.update(msg)
}

// View implements [tea.Model].
func (g *recoverer) View() (view string) {
	defer func() {
		if cause := recover(); cause != nil {
			view = ""
			if g.screen.err == nil {
				g.screen.err = show.NewCrash(cause)
				g.quit()
			}
		}
	}()
	return g.screen.view()
}
