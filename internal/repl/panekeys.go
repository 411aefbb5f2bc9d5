package repl

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// toPane gives the live pane the focus, or the prompt.
func (s *screen) toPane() tea.Cmd {
	s.inPane = !s.inPane
	if !s.inPane {
		s.zoomed = false
	}
	return s.poll()
}

func (s *screen) keyInPane(msg tea.KeyMsg) tea.Cmd {
	k, p := &s.keys, &s.live
	l := p.list()
	if l.typing {
		s.keyInFilter(msg)
		return nil
	}
	switch {
	case key.Matches(msg, k.pick):
		return s.showView(paneView(msg.Runes[0] - '1'))
	case key.Matches(msg, k.next):
		return s.showView((p.view + 1) % paneViews)
	case key.Matches(msg, k.previous):
		return s.showView((p.view + paneViews - 1) % paneViews)
	case key.Matches(msg, k.filter):
		l.typing, l.open = true, nil
	case key.Matches(msg, k.open):
		l.enter()
	case key.Matches(msg, k.zoom):
		s.zoomed = !s.zoomed
	case key.Matches(msg, k.freeze):
		if l.frozen == nil {
			l.freeze()
		} else {
			l.follow()
		}
	case key.Matches(msg, k.help):
		s.openKeyHelp()
	case key.Matches(msg, k.copy), msg.String() == "c":
		return s.copyRow(l)
	case key.Matches(msg, k.quit):
		return tea.Quit
	case key.Matches(msg, k.back):
		if !l.leave() {
			return s.toPane()
		}
	default:
		s.keyInRows(l, msg)
	}
	return nil
}

// showView shows another view.
func (s *screen) showView(view paneView) tea.Cmd {
	s.live.view = view
	return s.poll()
}

// keyInRows moves through a view, or through what is open in it.
func (s *screen) keyInRows(l *listing, msg tea.KeyMsg) {
	k, page := &s.keys, max(s.pane-2, 1)
	move := l.move
	if l.open != nil {
		move = func(by int) { l.scroll = max(l.scroll+by, 0) }
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
	k, l := &s.keys, s.live.list()
	switch {
	case key.Matches(msg, k.dismiss):
		l.leave()
	case key.Matches(msg, k.run):
		l.typing = false
	default:
		l.filter = typed(k, l.filter, msg)
	}
}
