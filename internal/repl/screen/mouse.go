package screen

import (
	"bytes"
	"os"

	tea "github.com/charmbracelet/bubbletea"
)

const wheelLines = 3

// wheel scrolls what the pointer is on. Everything else that a mouse does is left alone.
func (s *screen) wheel(msg tea.MouseMsg) {
	by := wheelLines
	switch msg.Button {
	case tea.MouseButtonWheelUp:
		by = -by
	case tea.MouseButtonWheelDown:
	default:
		return
	}
	l := s.live.List()
	switch {
	case s.pager != nil:
		s.pager.scroll(by)
	case !s.onPane(msg.X, msg.Y):
		s.transcript.back = max(s.transcript.back-by, 0)
	case l.Open != nil:
		l.Scroll = max(l.Scroll+by, 0)
	default:
		l.Move(by / wheelLines) // a row has several lines
	}
}

// onPane reports whether a cell belongs to the live pane.
func (s *screen) onPane(x, y int) bool {
	return s.pane > 0 && x >= s.paneLeft && y >= s.paneTop && y < s.paneTop+s.pane
}

// toggleMouse lets the console scroll by the wheel, or leaves the mouse to the terminal.
func (s *screen) toggleMouse() tea.Cmd {
	s.noMouse = !s.noMouse
	if s.noMouse {
		return tea.Batch(tea.DisableMouse, s.showHint("the mouse selects text; .mouse to scroll with the wheel again"))
	}
	return tea.Batch(tea.EnableMouseCellMotion, s.showHint("the wheel scrolls; hold shift to select text"))
}

// resumeMouse turns the mouse on again after another program had the terminal.
func (s *screen) resumeMouse() tea.Cmd {
	if s.noMouse {
		return nil
	}
	return tea.EnableMouseCellMotion
}

// A wheelInput is a terminal whose reads do not end within the report of a mouse: the rest
// of a report would be taken for typed text.
type wheelInput struct {
	*os.File
	held []byte
}

// Read reads from the terminal.
func (w *wheelInput) Read(p []byte) (int, error) {
	for {
		n := copy(p, w.held)
		w.held = w.held[n:]
		read, err := w.File.Read(p[n:])
		n += read
		whole := n - partial(p[:n], n == len(p))
		if err != nil || whole == 0 && n == len(p) {
			return n, err
		}
		w.held = append(w.held, p[whole:n]...)
		if whole > 0 {
			return whole, nil
		}
	}
}

// partial returns the length of the report of a mouse, ESC [ < 64 ; 5 ; 7 M, that data
// ends within. If more is sure to come, the beginning of any such sequence counts.
func partial(data []byte, more bool) int {
	at := bytes.LastIndexByte(data, '\x1b')
	if at < 0 {
		return 0
	}
	tail := data[at:]
	if len(tail) < len("\x1b[<") {
		if more && bytes.HasPrefix([]byte("\x1b[<"), tail) {
			return len(tail)
		}
		return 0
	}
	if bytes.HasPrefix(tail, []byte("\x1b[<")) && len(bytes.Trim(tail[3:], "0123456789;")) == 0 && len(tail) < 20 {
		return len(tail)
	}
	return 0
}
