// Package screen is the full-screen console: the prompt with its history, completions
// and keys, the transcript, the pager, and the live pane.
package screen

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

const (
	slowAfter = 200 * time.Millisecond // code that runs longer is shown as running
	hintFor   = 4 * time.Second
	pollEvery = time.Second
	pollShare = 50 // polling may take at most 1/pollShare of the time
)

// A screen is the state of the full-screen console: what it shows and how it handles
// keys. It belongs to bubbletea's loop and must not block.
type screen struct {
	o      Options
	st     term.Styles
	keys   keyMap
	jobs   chan<- job
	remote control.Remote // for the requests of the live pane
	tty    *tty
	hello  wire.ControlHello
	began  bool  // it has been attached before
	lost   bool  // no application is attached
	reason error // the reason, if known

	width, height int
	page          int // visible lines of the transcript
	pane          int // visible lines of the live pane

	paneLeft, paneTop int  // its first column and line
	noMouse           bool // the mouse is left to the terminal

	transcript transcript
	live       live.Pane
	flushDue   bool // a flush of the live pane is scheduled
	polls      int  // number of polls started; answers to earlier ones stop polling
	counting   bool // a request for the connections is in progress
	inPane     bool // the live pane has the focus
	zoomed     bool // and covers the whole screen
	pager      *pager
	editor     editor
	vi         *vi  // nil for emacs keys
	prefixed   bool // ^X was pressed
	history    *history
	menu       *menu     // of completions
	search     *search   // in the history
	question   *question // waiting for an answer

	queuedKeys []tea.KeyMsg // pressed while a completion is pending
	busy       bool         // a job is in progress
	running    bool         // the job runs code
	slow       bool         // the code has run for a while
	begun      time.Time    // when the code began
	progress   script.Progress
	completing bool // the job completes
	cancel     context.CancelCauseFunc
	waiting    []string // entered while busy
	runs       int

	hint  string
	hints int
	exit  int
	err   error // the error that ended the console
}

// The messages of timers. Each contains the run or hint it was set for.
type (
	slowMsg  int
	hintMsg  int
	pollMsg  int
	flushMsg struct{}
)

func newScreen(o Options, hello wire.ControlHello, st term.Styles, jobs chan<- job) *screen {
	s := &screen{o: o, st: st.InEnv(hello.Env), keys: newKeyMap(), jobs: jobs, hello: hello, tty: &tty{out: io.Discard}, live: live.NewPane()}
	s.live.Seq = hello.Seq
	if o.Vi {
		s.vi = newVi()
	}
	path := o.History
	switch path {
	case "":
		path = historyPath(hello.App)
	case "-":
		path = ""
	}
	var err error
	s.history, err = openHistory(path)
	s.transcript.add(&entry{note: cmp.Or(o.Greeting, defaultGreeting)})
	if err != nil {
		s.transcript.add(&entry{note: err.Error()})
	}
	return s
}

func (s *screen) update(msg any) tea.Cmd {
	if s.o.OnMsg != nil {
		s.o.OnMsg(msg)
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return s.pressed(msg)
	case tea.MouseMsg:
		s.wheel(msg)
	case batchMsg:
		var cmds []tea.Cmd
		for _, m := range msg {
			cmds = append(cmds, s.message(m))
		}
		return tea.Batch(cmds...)
	case slowMsg:
		if int(msg) == s.runs && s.running {
			s.slow = true
			return s.slowAfter(time.Second)
		}
	case hintMsg:
		if int(msg) == s.hints {
			s.hint = ""
		}
	case pollMsg:
		if int(msg) == s.polls {
			return s.ask()
		}
	case flushMsg:
		s.flushDue = false
		if s.live.Flush() {
			return s.flushLater()
		}
	case editedMsg:
		return tea.Batch(s.edited(msg), s.resumeMouse())
	case tea.ResumeMsg:
		s.tty.guard()
		return s.resumeMouse()
	default:
		return s.message(msg)
	}
	return nil
}

// message handles messages from the goroutines besides the screen.
func (s *screen) message(msg any) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		s.transcript.add(&entry{shown: &msg.v})
	case printedMsg:
		s.transcript.add(&entry{printed: msg.vs})
	case noteMsg:
		s.transcript.add(&entry{note: msg.text})
	case progressMsg:
		s.progress = script.Progress(msg)
	case *question:
		s.question = msg
	case doneMsg:
		s.question = nil
		return s.ended(msg.err)
	case completedMsg:
		s.busy, s.completing = false, false
		s.offer(msg)
		return tea.Batch(s.next(), s.replayKeys())
	case control.Attached:
		s.attached(msg)
		return s.poll()
	case live.PolledMsg:
		return s.polled(msg)
	case connectedMsg:
		if s.counting = false; msg != nil {
			s.live.Connected(msg)
		}
	case control.Away:
		s.lost, s.reason = true, msg.Err
	case wire.ControlEvent:
		return s.event(msg)
	case leaveMsg:
		s.exit, s.err = msg.exit, msg.err
		return tea.Quit
	}
	return nil
}

// attached updates the screen for an application, which may differ from the previous
// one.
func (s *screen) attached(msg control.Attached) {
	if s.began {
		for _, note := range whatChanged(s.hello, msg.Hello) {
			s.transcript.add(&entry{note: note})
		}
	}
	s.began = true
	s.hello, s.lost, s.reason = msg.Hello, false, nil
	s.live.Seq = msg.Hello.Seq
	s.live.Connected(msg.Connections)
}

func (s *screen) event(event wire.ControlEvent) tea.Cmd {
	s.live.Event(event)
	if event.Missed > 0 || event.Nodes != nil { // some connections may have come or gone
		return s.count()
	}
	if !s.live.Busy() || s.flushDue {
		return nil
	}
	return s.flushLater()
}

// flushLater schedules a flush of the live pane.
func (s *screen) flushLater() tea.Cmd {
	s.flushDue = true
	return tea.Tick(live.RateStep, func(time.Time) tea.Msg { return flushMsg{} })
}

// submit runs the input, now or after the current job.
func (s *screen) submit() tea.Cmd {
	typed := strings.TrimSpace(s.editor.text())
	if typed == "" {
		return nil
	}
	if strings.TrimRight(typed, "();") == "exit" {
		return tea.Quit
	}
	if isCommand(typed) {
		s.editor.set("")
		return s.command(typed)
	}
	if script.Incomplete(script.Source{Text: typed}) {
		s.editor.insert("\n")
		return nil
	}
	s.editor.set("")
	var failed tea.Cmd
	if err := s.history.add(redact(typed, s.hello.Models)); err != nil {
		failed = s.showHint(err.Error())
	}
	s.waiting = append(s.waiting, typed)
	return tea.Batch(failed, s.next())
}

// next runs the next waiting input if no job is in progress.
func (s *screen) next() tea.Cmd {
	if s.busy || len(s.waiting) == 0 {
		return nil
	}
	code := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.transcript.add(&entry{typed: code})
	s.busy, s.running, s.slow = true, true, false
	s.begun, s.progress = s.live.Now(), script.Progress{}
	s.runs++
	var ctx context.Context
	ctx, s.cancel = context.WithCancelCause(context.Background())
	s.jobs <- job{ctx: ctx, code: code} // does not block: no job is in progress
	return s.slowAfter(slowAfter)
}

// slowAfter schedules the note that the code still runs.
func (s *screen) slowAfter(after time.Duration) tea.Cmd {
	run := s.runs
	return tea.Tick(after, func(time.Time) tea.Msg { return slowMsg(run) })
}

// ended shows the result of code that has ended.
func (s *screen) ended(err error) tea.Cmd {
	s.stop()
	s.busy, s.running, s.slow = false, false, false
	var (
		fault *show.Crash
		known *show.Failure
	)
	switch {
	case errors.As(err, &fault):
		s.exit, s.err = 1, fault
		return tea.Quit
	case errors.As(err, &known):
		s.transcript.add(&entry{failure: known})
	case err != nil:
		s.transcript.add(&entry{failure: &show.Failure{Message: err.Error()}})
	}
	return s.next()
}

// stop interrupts the running code.
func (s *screen) stop() {
	if s.cancel != nil {
		s.cancel(script.ErrInterrupted)
	}
}

// showHint shows a hint for a short time.
func (s *screen) showHint(hint string) tea.Cmd {
	s.hint = hint
	s.hints++
	number := s.hints
	return tea.Tick(hintFor, func(time.Time) tea.Msg { return hintMsg(number) })
}

// interrupt stops the code or discards the input.
func (s *screen) interrupt() tea.Cmd {
	switch {
	case s.search != nil:
		s.editor.set(s.search.typed)
		s.search = nil
	case s.running:
		s.waiting = nil
		s.stop()
		if s.slow {
			return s.showHint("stopping…  ^D on an empty line to leave")
		}
	case !s.editor.empty():
		s.editor.set("")
		s.menu = nil
		s.history.at = len(s.history.entries)
	default:
		return s.showHint("^D or exit to leave")
	}
	return nil
}

// position returns the position of the application's last commit.
func (s *screen) position() string { return wire.Position(show.ShortID(s.hello.Epoch), s.live.Seq) }
