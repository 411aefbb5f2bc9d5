package repl

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/wire"
)

const (
	slowAfter  = 200 * time.Millisecond // code that runs longer is said to run
	hintFor    = 4 * time.Second
	sampledFor = 5 * time.Second
)

// A screen is the full-screen console: what it shows, and what keys do to it.
// It belongs to bubbletea's loop, and never waits.
type screen struct {
	o      Options
	st     styles
	keys   keyMap
	jobs   chan<- job
	hello  wire.ControlHello
	seq    uint64
	lost   bool  // there is no application now
	reason error // why, if it is known

	width, height int
	page          int // lines of the transcript that are visible
	pane          int // lines of the live pane that are visible

	transcript transcript
	live       livePane
	calming    bool // events were missed lately
	inPane     bool // the live pane has the focus
	editor     editor
	history    *history
	menu       *menu     // of completions
	search     *search   // in the history
	question   *question // that waits for an answer

	held       []tea.KeyMsg // pressed while a completion is on its way
	busy       bool         // a job is under way
	running    bool         // and it runs code
	slow       bool         // and has for a while
	completing bool         // or it completes
	cancel     context.CancelCauseFunc
	waiting    []string // typed while busy
	runs       int

	hint  string
	hints int
	exit  int
	err   error // that ended the console
}

// The messages of timers; each says for which run or hint it was set.
type (
	slowTick   int
	hintTick   int
	sampleTick int // how many were missed then
)

func newScreen(o Options, hello wire.ControlHello, st styles, jobs chan<- job) *screen {
	s := &screen{o: o, st: st.inEnv(hello.Env), keys: newKeyMap(), jobs: jobs, hello: hello, seq: hello.Seq}
	path := o.History
	switch path {
	case "":
		path = historyPath(hello.App)
	case "-":
		path = ""
	}
	var err error
	s.history, err = openHistory(path)
	s.transcript.add(&entry{note: o.Greeting})
	if err != nil {
		s.transcript.add(&entry{note: err.Error()})
	}
	return s
}

func (s *screen) update(msg any) tea.Cmd {
	if s.o.onMsg != nil {
		s.o.onMsg(msg)
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return s.press(msg)
	case batch:
		var cmds []tea.Cmd
		for _, m := range msg {
			cmds = append(cmds, s.message(m))
		}
		return tea.Batch(cmds...)
	case slowTick:
		if int(msg) == s.runs {
			s.slow = s.running
		}
	case hintTick:
		if int(msg) == s.hints {
			s.hint = ""
		}
	case sampleTick:
		if int(msg) != s.live.missed {
			return s.calm()
		}
		s.calming = false
		s.live.calm()
	default:
		return s.message(msg)
	}
	return nil
}

// message handles what the goroutines beside the screen tell it.
func (s *screen) message(msg any) tea.Cmd {
	switch msg := msg.(type) {
	case shown:
		s.transcript.add(&entry{shown: &msg.v})
	case printed:
		s.transcript.add(&entry{printed: msg.vs})
	case noted:
		s.transcript.add(&entry{note: msg.text})
	case *question:
		s.question = msg
	case done:
		s.question = nil
		return s.ended(msg.err)
	case completed:
		s.busy, s.completing = false, false
		s.offer(msg)
		return tea.Batch(s.next(), s.release())
	case attached:
		s.hello, s.seq, s.lost, s.reason = msg.hello, msg.hello.Seq, false, nil
		s.live.connected(msg.connections)
	case away:
		s.lost, s.reason = true, msg.err
	case wire.ControlEvent:
		return s.event(msg)
	case leave:
		s.exit, s.err = msg.exit, msg.err
		return tea.Quit
	}
	return nil
}

func (s *screen) event(event wire.ControlEvent) tea.Cmd {
	s.live.event(event)
	if event.Commit != nil {
		s.seq = event.Commit.Seq
	}
	if event.Missed == 0 || s.calming {
		return nil
	}
	s.calming = true
	return s.calm()
}

// calm looks, after a while, whether more was missed since.
func (s *screen) calm() tea.Cmd {
	missed := s.live.missed
	return tea.Tick(sampledFor, func(time.Time) tea.Msg { return sampleTick(missed) })
}

// submit takes what was typed: it is run at once, or after what runs now.
func (s *screen) submit() tea.Cmd {
	typed := strings.TrimSpace(s.editor.text())
	if typed == "" {
		return nil
	}
	if strings.TrimRight(typed, "();") == "exit" {
		return tea.Quit
	}
	if _, err := compile(source{text: typed}); errors.Is(err, errIncomplete) {
		s.editor.insert("\n")
		return nil
	}
	s.editor.set("")
	var told tea.Cmd
	if err := s.history.add(redact(typed, s.hello.Models)); err != nil {
		told = s.tell(err.Error())
	}
	s.waiting = append(s.waiting, typed)
	return tea.Batch(told, s.next())
}

// next starts what was typed next, if nothing is under way.
func (s *screen) next() tea.Cmd {
	if s.busy || len(s.waiting) == 0 {
		return nil
	}
	code := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.transcript.add(&entry{typed: code})
	s.busy, s.running, s.slow = true, true, false
	s.runs++
	var ctx context.Context
	ctx, s.cancel = context.WithCancelCause(context.Background())
	s.jobs <- job{ctx: ctx, code: code} // there is room, for nothing is under way
	run := s.runs
	return tea.Tick(slowAfter, func(time.Time) tea.Msg { return slowTick(run) })
}

// ended shows how the code that ran ended.
func (s *screen) ended(err error) tea.Cmd {
	s.stop()
	s.busy, s.running, s.slow = false, false, false
	var (
		fault *crash
		known *failure
	)
	switch {
	case errors.As(err, &fault):
		s.exit, s.err = 1, fault
		return tea.Quit
	case errors.As(err, &known):
		s.transcript.add(&entry{failure: known})
	case err != nil:
		s.transcript.add(&entry{failure: &failure{message: err.Error()}})
	}
	return s.next()
}

// stop interrupts the code that runs.
func (s *screen) stop() {
	if s.cancel != nil {
		s.cancel(errInterrupted)
	}
}

// tell shows a hint for a while.
func (s *screen) tell(hint string) tea.Cmd {
	s.hint = hint
	s.hints++
	number := s.hints
	return tea.Tick(hintFor, func(time.Time) tea.Msg { return hintTick(number) })
}

// interrupt stops the code, or gives up what is being typed.
func (s *screen) interrupt() tea.Cmd {
	switch {
	case s.search != nil:
		s.editor.set(s.search.typed)
		s.search = nil
	case s.running:
		s.waiting = nil
		s.stop()
		if s.slow {
			return s.tell("stopping…  ^D on an empty line leaves")
		}
	case !s.editor.empty():
		s.editor.set("")
		s.menu = nil
		s.history.at = len(s.history.entries)
	default:
		return s.tell("^D or exit leaves")
	}
	return nil
}

// position is how far the application's history goes.
func (s *screen) position() string { return wire.Position(shortID(s.hello.Epoch), s.seq) }
