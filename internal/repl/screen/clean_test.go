package screen

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// hostile is text that would move, hide or reverse what is around it.
const hostile = "h\x1b[95m\x07\u009b2J\u202eo\u115f\u3164s\U000e0041\u200bt\u2066\ue000i\u0378\u034fl\u2800e\ufe0f"

// poison sets every text in v to the hostile one.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		poison(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.String:
		v.SetString(hostile)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(3)
	}
}

func poisoned[T any]() (v T) {
	poison(reflect.ValueOf(&v).Elem())
	return v
}

// ours are the escape sequences that the screen itself writes.
var ours = regexp.MustCompile(`\x1b\[(K|[0-9]+G|7m|27m)`)

func (st *stage) isClean(where string) {
	st.t.Helper()
	for line := range strings.SplitSeq(ours.ReplaceAllString(st.screen.view(), ""), "\n") {
		if clean := term.Clean(line); clean != line {
			st.t.Fatalf("%s: %+q", where, line)
		}
	}
}

func TestHostileTextIsShownEscaped(t *testing.T) {
	st := newStage(t, 150, 40, Options{})
	hello := poisoned[wire.ControlHello]()
	hello.Version, hello.Models = wire.Version, append(hello.Models, st.app.Hello().Models...)
	st.send(control.Attached{Hello: hello, Connections: []wire.ConnectionInfo{poisoned[wire.ConnectionInfo]()}})
	st.isClean("attached")
	for _, event := range []wire.ControlEvent{
		{Commit: poisoned[*wire.CommitEvent]()}, {Joined: poisoned[*wire.ConnectionInfo]()}, {Left: 3}, {Log: poisoned[*wire.LogEvent]()},
		{Skipped: poisoned[*wire.Skipped]()},
	} {
		st.send(event)
		st.isClean("an event")
	}
	for view := range live.Views {
		st.screen.live.View = view
		if view.Request() != "" {
			msg := live.PolledMsg{View: view, Number: st.screen.polls}
			switch view {
			case live.ConnectionsView:
				msg.Connections = poisoned[[]wire.ConnectionInfo]()
			case live.CursorsView:
				msg.Cursors = poisoned[[]wire.CursorInfo]()
			default:
				msg.Routes = poisoned[[]wire.Route]()
			}
			st.send(msg)
		}
		st.isClean("the view " + view.String())
		st.screen.inPane = true
		st.press(tea.KeyUp, tea.KeyEnter)
		st.isClean("details in the view " + view.String())
		st.press(tea.KeyEsc, tea.KeyEsc, tea.KeyEsc)
		st.screen.inPane = false
	}
	st.send(live.PolledMsg{View: live.RoutesView, Number: st.screen.polls, Err: errors.New(hostile)})
	st.isClean("a failed request of the pane")

	for _, code := range []string{
		"`H`", "[`H`]", "({[`H`]: `H`})", "[{[`H`]: `H`}]", "({a: {[`H`]: [`H`]}})", "throw new Error(`H`)", "throw {[`H`]: 1}", "print(`H`, [`H`])",
		"Post.create({title: `H`, body: `H`})", "Post.all()", "Post.where({[`H`]: 1})", "Post.find(`H`)", "class A {}; Object.defineProperty(A, 'name', {value: `H`}); new A()",
		"Symbol(`H`)", "Post[`H`]", "help(`H`)", "as(`H`)", "Object.defineProperty(() => 1, 'name', {value: `H`})", "new Map([[`H`, `H`]])", "Post.where({title: `H`})",
	} {
		st.enter(strings.ReplaceAll(code, "H", hostileInCode))
		st.isClean(code)
	}
	st.press(tea.KeyCtrlO)
	st.isClean("the pager")
	st.press(tea.KeyEsc)
	st.send(noteMsg{hostile})
	st.send(doneMsg{errors.New(hostile)})
	st.send(doneMsg{&show.Failure{Title: hostile, Message: hostile, Hint: hostile, Problems: []show.Problem{{Field: hostile, Text: hostile}}, At: show.Position{Name: hostile}}})
	st.isClean("notes and failures")
	st.screen.showHint(hostile)
	st.isClean("a hint")
	st.send(&question{what: hostile, answer: make(chan bool, 1)})
	st.isClean("a question")
	st.type_("n")
	st.isClean("its answer")
	st.send(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune(hostile)})
	st.isClean("the input")
	st.press(tea.KeyCtrlU)
	st.type_("x")
	st.send(completedMsg{"x", script.Completion{Items: []string{"x" + hostile, "xy"}, Notes: map[string]string{"xy": hostile}}})
	st.isClean("completions")
	st.press(tea.KeyCtrlU, tea.KeyCtrlR)
	st.send(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune(hostile)})
	st.isClean("the search")
	st.send(control.Away{Err: errors.New(hostile)})
	st.isClean("the application is away")
}

// hostileInCode is the hostile text in a literal of JavaScript.
var hostileInCode = func() string {
	text := ""
	for _, r := range hostile {
		if r > 0x7e || r < ' ' {
			text += fmt.Sprintf(`\u{%x}`, r)
		} else {
			text += string(r)
		}
	}
	return text
}()
