package screen

import (
	"os"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

func (st *stage) roll(button tea.MouseButton, x, y, times int) {
	for range times {
		st.send(tea.MouseMsg{Button: button, Action: tea.MouseActionPress, X: x, Y: y})
	}
}

// The wheel scrolls what the pointer is on, and leaves the other alone.
func TestTheWheelScrolls(t *testing.T) {
	for _, size := range []struct {
		name                        string
		width, height, x, y, tx, ty int // cells of the pane and of the transcript
	}{
		{"beside", 160, 30, 140, 10, 10, 10},
		{"the separator", 160, 30, 95, 2, 94, 10},
		{"below", 70, 40, 10, 36, 10, 5},
		{"the first line of the pane", 70, 40, 10, 26, 10, 24},
	} {
		t.Run(size.name, func(t *testing.T) {
			st := newStage(t, size.width, size.height, Options{})
			for seq := uint64(813); seq < 840; seq++ {
				st.commit(seq)
			}
			st.enter(`for (let i = 0; i < 90; i++) print("line " + i)`)
			st.wants("line 89", "#839")
			st.roll(tea.MouseButtonWheelUp, size.tx, size.ty, 3)
			st.lacks("line 89")
			st.wants("line 70", "#839")
			st.lacks("frozen")
			st.roll(tea.MouseButtonWheelDown, size.tx, size.ty, 9)
			st.wants("line 89")
			st.roll(tea.MouseButtonWheelUp, size.x, size.y, 2)
			st.wants("frozen", "#838", "line 89")
			st.roll(tea.MouseButtonWheelDown, size.x, size.y, 3)
			st.lacks("frozen")
			st.wants("#839")
			before := st.text()
			for _, button := range []tea.MouseButton{tea.MouseButtonLeft, tea.MouseButtonMiddle, tea.MouseButtonNone, tea.MouseButtonWheelLeft} {
				st.roll(button, size.x, size.y, 1)
			}
			if st.text() != before {
				t.Error("another button does something")
			}
			st.type_("typed")
			st.roll(tea.MouseButtonWheelUp, size.tx, size.ty, 1)
			st.press(tea.KeyEnter)
			st.wants("typed is not defined")
		})
	}
}

func TestTheWheelInAPagerAndAnOpenRow(t *testing.T) {
	st := newStage(t, 160, 30, Options{})
	st.press(tea.KeyF1)
	before := st.text()
	st.roll(tea.MouseButtonWheelDown, 140, 10, 2)
	if st.text() == before {
		t.Error("the pager does not scroll")
	}
	st.roll(tea.MouseButtonWheelUp, 140, 10, 9)
	if st.text() != before {
		t.Error("the pager does not scroll back")
	}
	st.press(tea.KeyEscape)
	st.commit(813)
	st.press(tea.KeyF2, tea.KeyEnter)
	st.send(tea.WindowSizeMsg{Width: 160, Height: 9})
	before = st.text()
	st.roll(tea.MouseButtonWheelDown, 140, 3, 1)
	if st.text() == before {
		t.Errorf("the open row does not scroll:\n%s", st.text())
	}
	st.roll(tea.MouseButtonWheelUp, 140, 3, 1)
	if st.text() != before {
		t.Error("the open row does not scroll back")
	}
}

// However the reports of a mouse are cut into reads, none becomes text, and no key waits.
func TestReportsOfAMouseAreReadWhole(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	in := &wheelInput{File: r}
	read := func(size int) string {
		p := make([]byte, size)
		n, err := in.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(p[:n])
	}
	for _, step := range []struct {
		write string
		size  int
		want  string
	}{
		{"a\x1b", 16, "a\x1b"},   // the key itself
		{"\x1b[", 16, "\x1b["},   // alt+[
		{"\x1b[A", 16, "\x1b[A"}, // an arrow
		{"x\x1b[<64;1", 16, "x"}, // the rest comes later
		{"2;5My", 16, "\x1b[<64;12;5My"},
		{"12345678\x1b[<64;12;5M", 10, "12345678"},
		{"", 32, "\x1b[<64;12;5M"},
		{"1234567\x1b[<64;12;5M", 8, "1234567"},
		{"", 32, "\x1b[<64;12;5M"},
	} {
		if step.write != "" {
			if _, err := w.WriteString(step.write); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(step.size); got != step.want {
			t.Errorf("%q: read %q, want %q", step.write, got, step.want)
		}
	}
}

func TestTheMouseCanBeLeftToTheTerminal(t *testing.T) {
	st := newStage(t, 160, 30, Options{})
	st.enter(".mouse")
	st.wants("the mouse selects text")
	if st.screen.resumeMouse() != nil {
		t.Error("it is turned on again")
	}
	st.enter(".mouse")
	st.wants("hold shift to select text")
	if st.screen.resumeMouse() == nil {
		t.Error("it stays off after an editor")
	}
}
