package screen

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/live"
)

// toPane moves the focus between the live pane and the prompt.
func (s *screen) toPane() tea.Cmd {
	s.inPane = !s.inPane
	if !s.inPane {
		s.zoomed = false
	}
	return s.poll()
}

func (s *screen) keyInPane(msg tea.KeyMsg) tea.Cmd {
	k, p := &s.keys, &s.live
	l := p.List()
	if l.Typing {
		s.keyInFilter(msg)
		return nil
	}
	switch {
	case key.Matches(msg, k.pick):
		return s.showView(live.View(msg.Runes[0] - '1'))
	case key.Matches(msg, k.next):
		return s.showView((p.View + 1) % live.Views)
	case key.Matches(msg, k.previous):
		return s.showView((p.View + live.Views - 1) % live.Views)
	case key.Matches(msg, k.filter):
		l.Typing, l.Open = true, nil
	case key.Matches(msg, k.open):
		l.Enter()
	case key.Matches(msg, k.zoom):
		s.zoomed = !s.zoomed
	case key.Matches(msg, k.freeze):
		if l.Frozen == nil {
			l.Freeze()
		} else {
			l.Follow()
		}
	case key.Matches(msg, k.help):
		s.openKeyHelp()
	case key.Matches(msg, k.copy), msg.String() == "c":
		return s.copyRow(l)
	case key.Matches(msg, k.quit):
		return tea.Quit
	case key.Matches(msg, k.back):
		if !l.Leave() {
			return s.toPane()
		}
	default:
		s.keyInRows(l, msg)
	}
	return nil
}

// showView shows another view.
func (s *screen) showView(view live.View) tea.Cmd {
	s.live.View = view
	return s.poll()
}

// keyInRows moves through a view, or through the open row.
func (s *screen) keyInRows(l *live.Listing, msg tea.KeyMsg) {
	k, page := &s.keys, max(s.pane-2, 1)
	move := l.Move
	if l.Open != nil {
		move = func(by int) { l.Scroll = max(l.Scroll+by, 0) }
	}
	switch {
	case key.Matches(msg, k.up) || msg.String() == "k":
		move(-1)
	case key.Matches(msg, k.down) || msg.String() == "j":
		move(1)
	case key.Matches(msg, k.pageUp):
		move(-page)
	case key.Matches(msg, k.pageDown):
		move(page)
	case key.Matches(msg, k.top):
		move(-1 << 30)
	case key.Matches(msg, k.bottom):
		move(1 << 30)
	}
}

func (s *screen) keyInFilter(msg tea.KeyMsg) {
	k, l := &s.keys, s.live.List()
	switch {
	case key.Matches(msg, k.dismiss):
		l.Leave()
	case key.Matches(msg, k.run):
		l.Typing = false
	default:
		l.Filter = typed(k, l.Filter, msg)
	}
}
