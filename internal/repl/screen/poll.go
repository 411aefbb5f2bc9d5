package screen

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/wire"
)

// poll requests the content of the live pane's view now and repeatedly, unless events
// keep it up to date.
func (s *screen) poll() tea.Cmd {
	s.polls++
	return s.ask()
}

// pollTimeout is the time limit of a request.
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
		var answer control.Partial
		switch view {
		case live.ConnectionsView:
			answer.Out = &msg.Connections
		case live.CursorsView:
			answer.Out = &msg.Cursors
		case live.JobsView:
			answer.Out = &msg.Jobs
		default:
			answer.Out = &msg.Routes
		}
		msg.Err = remote.Do(ctx, req, &answer)
		msg.Silent = answer.Silent
		msg.Took = time.Since(begun)
		return msg
	}
}

// connectedMsg lists the open connections; it is nil if the request failed.
type connectedMsg []wire.ConnectionInfo

// count requests the open connections after a short delay.
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
			return connectedMsg(nil) // after a restart, control.Attached brings the connections
		}
		return msg
	})
}

// polled shows an answer and schedules the next request: the longer an answer takes,
// the longer the delay.
func (s *screen) polled(msg live.PolledMsg) tea.Cmd {
	if msg.Number != s.polls {
		return nil
	}
	s.live.Update(msg)
	number := s.polls
	return tea.Tick(max(pollEvery, pollShare*msg.Took), func(time.Time) tea.Msg { return pollMsg(number) })
}
