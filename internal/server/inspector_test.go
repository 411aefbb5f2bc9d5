package server

import (
	"testing"
	"time"
)

// A poll is the transport of one request of a client that asks again.
type poll struct{ silent }

func (poll) Returns() string { return "badges.peers" }

// A silent transport sends nothing.
type silent struct{}

func (silent) Name() string    { return "silent" }
func (silent) Send([]byte)     {}
func (silent) End(int, string) {}

// A client that polls has joined once, and leaves once, when it stays away. What consoles
// do not know of cannot leave.
func TestAReturningClientLeavesOnce(t *testing.T) {
	app, _ := openBadges(t)
	i := app.inspector
	i.absence = time.Hour
	watcher := i.subscribe()
	defer i.unsubscribe(watcher)
	number := uint64(0)
	connect := func() *Connection {
		c := &Connection{app: app}
		number++
		c.number, c.outbox.Transport = number, poll{}
		return c
	}
	expect := func(what string, joined, left uint64) {
		t.Helper()
		got := map[string]uint64{}
		for _, e := range watcher.Take() {
			if e.Joined != nil {
				got["joined"] = e.Joined.ID
			}
			if e.Left != 0 {
				got["left"] = e.Left
			}
		}
		if got["joined"] != joined || got["left"] != left {
			t.Errorf("%s: %v", what, got)
		}
	}
	first, second := connect(), connect()
	i.joined(first)
	expect("the first request", 1, 0)
	i.joined(second)
	i.left(first)
	i.left(second)
	i.joined(connect())
	expect("more requests", 0, 0)
	i.absence = time.Nanosecond
	last := connect()
	i.joined(last)
	i.left(last)
	expect("another request is open", 0, 0)
	for _, r := range i.returning {
		r.open--
		i.stayedAway(" "+" badges.peers", r)
	}
	expect("it stayed away", 0, 1)

	gone := connect()
	i.left(gone)
	i.joined(gone)
	expect("a client without a hello", 0, 0)
	plain := connect()
	plain.outbox.Transport = silent{}
	i.joined(plain)
	i.left(plain)
	expect("another client", plain.number, plain.number)
}
