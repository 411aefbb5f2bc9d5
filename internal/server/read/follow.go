package read

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A follower is a client inside the server: it holds one cursor open and turns the frames
// that it receives into events. It is the transport of its connection.
type follower struct {
	conn     transport.Connection
	cursor   string
	epoch    string
	model    string
	returns  bool   // its client asks again, with another request
	number   uint64 // of the cursor
	opened   bool
	events   []*event    // that have not been returned
	messages chan []byte // at most one: the next comes after Sent
	once     sync.Once
	ended    chan struct{} // closed when the connection ends
	end      wire.End
}

// An event is something that happened to the cursor: its state, a change or its end.
type event struct {
	name string // "state", "change" or "end"
	at   string
	data any
}

// Name returns "read".
func (f *follower) Name() string { return "read" }

// Returns names what a client asks for again and again, "" if this is no such request.
func (f *follower) Returns() (as string) {
	if f.returns {
		return f.cursor
	}
	return ""
}

// Send keeps a message until it is read.
func (f *follower) Send(message []byte) { f.messages <- message }

// End notes why the connection ends.
func (f *follower) End(code int, reason string) {
	f.once.Do(func() {
		f.end = wire.End{Code: code, Reason: reason}
		close(f.ended)
	})
}

// follow connects a client for a request and opens the cursor. The first event is the state of
// the newest commit, so that it is never older than what [Host.ReadCursor] has answered before,
// or, if the client resumes, the change since then, if there is one. Call leave afterwards,
// unless follow fails. returns is set if the client asks again, with another request.
func (s *Server) follow(r *http.Request, q *wire.Request, returns bool) (*follower, error) {
	if err := s.host.Wait(r.Context(), s.host.Seq()); err != nil {
		return nil, err
	}
	f := &follower{conn: s.host.Accept(r), cursor: q.Open, returns: returns, messages: make(chan []byte, 1), ended: make(chan struct{})}
	s.add(f)
	if err := f.conn.Join(f); err != nil {
		s.remove(f)
		return nil, err
	}
	open := *q
	open.ID = 1
	go f.conn.Handle([]wire.Request{{Hello: wire.Version}, open})
	for !f.opened {
		select {
		case message := <-f.messages:
			err := f.read(message)
			f.conn.Outbox().Sent()
			if err != nil {
				s.leave(f)
				return nil, err
			}
		case <-f.ended:
			if f.end.Code == outbox.CloseRestart {
				return f, nil // the end is its first event
			}
			s.leave(f)
			return nil, fault.Errorf(fault.Unavailable, "%s", f.end.Reason)
		case <-r.Context().Done():
			s.leave(f)
			return nil, r.Context().Err()
		}
	}
	return f, nil
}

// next returns the next event of the cursor, or nil if beat comes first.
func (f *follower) next(ctx context.Context, beat <-chan time.Time) (*event, error) {
	for len(f.events) == 0 {
		select {
		case message := <-f.messages:
			err := f.read(message)
			f.conn.Outbox().Sent()
			if err != nil {
				return nil, err
			}
		case <-f.ended:
			return &event{name: "end", data: f.end}, nil
		case <-beat:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	next := f.events[0]
	f.events = f.events[1:]
	return next, nil
}

// read reads the frames of a message and adds what they do to the cursor to the events.
func (f *follower) read(message []byte) error {
	frames, err := wire.Frames(message)
	if err != nil {
		return fmt.Errorf("read a message: %w", err)
	}
	for _, frame := range frames {
		var head struct {
			Hello   int             `json:"hello"`
			Epoch   string          `json:"epoch"`
			ID      uint64          `json:"id"`
			Error   *wire.Error     `json:"error"`
			Cursors json.RawMessage `json:"cursors"`
		}
		if err := json.Unmarshal(frame, &head); err != nil {
			return fmt.Errorf("read a frame: %w", err)
		}
		var next *event
		switch {
		case head.Error != nil && !f.opened:
			return fault.FromWire(head.Error)
		case head.Hello != 0:
			f.epoch = head.Epoch
		case head.ID == 1:
			next, err = f.answer(frame)
			f.opened = true
		case head.Cursors != nil && f.opened:
			next, err = f.commit(frame)
		}
		if err != nil {
			return err
		}
		if next != nil {
			f.events = append(f.events, next)
		}
	}
	return nil
}

func (f *follower) answer(frame []byte) (*event, error) {
	var a wire.Answer
	if err := json.Unmarshal(frame, &a); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	f.number, f.model = a.Cursor, a.Model
	if a.Delta != nil {
		return f.change(a.Delta, a.Records, a.At)
	}
	state, err := StateOf(f.cursor, &a)
	if err != nil {
		return nil, err
	}
	return &event{"state", a.At, state}, nil
}

func (f *follower) commit(frame []byte) (*event, error) {
	var c wire.Commit
	if err := json.Unmarshal(frame, &c); err != nil {
		return nil, fmt.Errorf("read a commit: %w", err)
	}
	d := c.Cursors[f.number]
	if d == nil {
		return nil, nil
	}
	if d.Closed != nil {
		return &event{"end", "", map[string]*wire.Error{"error": d.Closed}}, nil
	}
	if d.To != 0 {
		f.number = d.To
	}
	return f.change(d, c.Records, wire.Position(f.epoch, c.Seq))
}

func (f *follower) change(d *wire.Delta, all map[string][]json.RawMessage, at string) (*event, error) {
	records, err := replica.ByID(all)
	if err != nil {
		return nil, err
	}
	c := changeOf(d, f.model, records)
	if c == nil {
		return nil, nil
	}
	c.At = at
	return &event{"change", at, c}, nil
}

// leave ends a follower.
func (s *Server) leave(f *follower) {
	f.End(outbox.CloseDone, "the client has left")
	f.conn.Leave()
	s.remove(f)
}
