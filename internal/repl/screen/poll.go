package screen

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/wire"
)

// poll asks for what the live pane shows, at once and then again and again, if
// that is not told by events.
func (s *screen) poll() tea.Cmd {
	s.polls++
	return s.ask()
}

// pollTimeout is how long an answer is waited for.
const pollTimeout = 30 * time.Second

func (s *screen) ask() tea.Cmd {
	view, number, remote := s.live.View, s.polls, s.remote
	if view.Request() == "" || !s.paneVisible() || remote == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
		defer cancel()
		begun, msg := time.Now(), live.PolledMsg{View: view, Number: number}
		req := wire.ControlRequest{Do: view.Request()}
		switch view {
		case live.ConnectionsView:
			msg.Err = remote.Do(ctx, req, &msg.Connections)
		case live.CursorsView:
			msg.Err = remote.Do(ctx, req, &msg.Cursors)
		default:
			msg.Err = remote.Do(ctx, req, &msg.Routes)
		}
		msg.Took = time.Since(begun)
		return msg
	}
}

// connectedMsg is who is connected, nil if that could not be asked.
type connectedMsg []wire.ConnectionInfo

// count asks, a little later, who is connected.
func (s *screen) count() tea.Cmd {
	if s.counting || s.remote == nil {
		return nil
	}
	s.counting = true
	remote := s.remote
	return tea.Tick(pollEvery, func(time.Time) tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
		defer cancel()
		var msg connectedMsg
		if err := remote.Do(ctx, wire.ControlRequest{Do: wire.DoConnections}, &msg); err != nil {
			return connectedMsg(nil) // an application that comes back says so by itself
		}
		return msg
	})
}

// polled takes an answer, and asks again when it is time: the more an answer
// takes, the later.
func (s *screen) polled(msg live.PolledMsg) tea.Cmd {
	if msg.Number != s.polls {
		return nil
	}
	s.live.Update(msg)
	number := s.polls
	return tea.Tick(max(pollEvery, pollShare*msg.Took), func(time.Time) tea.Msg { return pollMsg(number) })
}
