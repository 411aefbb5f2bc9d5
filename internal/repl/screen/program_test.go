package screen

import (
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/show"
)

func TestPanicsEndInGoodOrder(t *testing.T) {
	for name, provoke := range map[string]func(g *recoverer){
		"update": func(g *recoverer) {
			if _, cmd := g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("x")}); cmd == nil {
				t.Error("a panic in Update does not quit")
			}
		},
		"view": func(g *recoverer) {
			g.screen.history = nil
			g.screen.transcript.entries = []*entry{nil}
			if got := g.View(); got != "" {
				t.Errorf("a panic in View shows %q", got)
			}
		},
	} {
		st := newStage(t, 80, 24, Options{})
		st.screen.o.OnMsg = func(any) { panic("asked to") }
		quits := 0
		g := &recoverer{screen: st.screen, quit: func() { quits++ }}
		provoke(g)
		if g.screen.err == nil || name == "view" && quits != 1 {
			t.Errorf("%s: error %v, %d quits", name, g.screen.err, quits)
		}
	}
}

func TestCrashOfTheEvaluatorEndsTheConsole(t *testing.T) {
	st := newStage(t, 80, 24, Options{})
	st.e.Print = func([]show.Value) { panic("asked to") }
	st.enter("print(1)")
	if !st.quit || st.screen.exit != 1 || st.screen.err == nil || st.screen.err.Error() != "internal error: asked to" {
		t.Errorf("quit %v, exit %d, %v", st.quit, st.screen.exit, st.screen.err)
	}
}

func TestTypingAhead(t *testing.T) {
	st := newStage(t, 80, 24, Options{})
	jobs := make(chan job, 1)
	st.screen.jobs = jobs // no goroutine runs them
	st.enter("1", "2", "3")
	st.wants("› 1")
	st.lacks("› 2")
	st.send(slowMsg(st.screen.runs))
	st.send(slowMsg(st.screen.runs - 1)) // late
	st.wants("running…")
	first := <-jobs
	st.send(shownMsg{show.Scalar(show.Number, "1")})
	st.send(doneMsg{})
	st.wants("› 2")
	if next := <-jobs; first.code != "1" || next.code != "2" {
		t.Errorf("ran %q, then %q", first.code, next.code)
	} else {
		st.press(tea.KeyCtrlC) // discards the input typed ahead
		<-next.ctx.Done()
	}
	st.send(doneMsg{&show.Failure{Message: "stopped"}})
	st.lacks("› 3")
	st.lacks("running…")
}

func TestForwardBatchesFastMessages(t *testing.T) {
	got := make(chan batchMsg, 100)
	p := &program{tea: tea.NewProgram(recorder{got}, tea.WithInput(nil), tea.WithoutRenderer(), tea.WithoutSignalHandler())}
	in := make(chan any, batchSize)
	for i := range 300 {
		in <- noteMsg{text: string(rune('a' + i%26))}
	}
	p.start(t.Context(), func() { p.forward(t.Context(), in, frame) })
	ran := make(chan error, 1)
	go func() { _, err := p.tea.Run(); ran <- err }()
	select {
	case first := <-got:
		if len(first) != 300 {
			t.Errorf("%d messages at once", len(first))
		}
	case <-time.After(time.Minute):
		t.Fatal("no message arrived")
	}
	p.tea.Quit()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

type recorder struct{ got chan<- batchMsg }

func (r recorder) Init() tea.Cmd { return nil }
func (r recorder) View() string  { return "" }
func (r recorder) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if b, ok := msg.(batchMsg); ok {
		r.got <- b
	}
	return r, nil
}
