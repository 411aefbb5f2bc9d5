package systemtest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A post is an action that waits until it is told not to, and one that writes
// through an application that it knows from elsewhere.
type outpost struct {
	*tower.Connection
	*station
}

type station struct {
	app          *towertest.App
	began, ended chan struct{}
}

func (o *outpost) Wait(ctx context.Context, in struct{}) (struct{}, error) {
	o.began <- struct{}{}
	<-ctx.Done()
	o.ended <- struct{}{}
	return struct{}{}, ctx.Err()
}

func (o *outpost) Sign(ctx context.Context, in struct{}) (*User, error) {
	user := &User{Name: "signed"}
	return user, Users.Create(ctx, o.app, user)
}

func openOutpost(t *testing.T) (*station, *line) {
	t.Helper()
	s := &station{began: make(chan struct{}), ended: make(chan struct{})}
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*outpost, error) { return &outpost{c, s}, nil })
	posts := tower.Mount(r, "outpost", func(o *outpost) *outpost { return o })
	tower.Action(posts, "POST /wait", (*outpost).Wait)
	tower.Action(posts, "POST /sign", (*outpost).Sign)
	var path string
	s.app, path = controlled(t, func() *towertest.App {
		return towertest.Open(t, tower.Config{Name: "outpost", Models: []tower.AnyModel{Users}, Routes: r})
	})
	return s, attach(t, path)
}

func (l *line) send(req wire.ControlRequest) {
	l.t.Helper()
	data, err := json.Marshal(req)
	if err == nil {
		_, err = l.conn.Write(append(data, '\n'))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func await(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	select {
	case <-happens:
	case <-time.After(time.Minute):
		t.Fatal("waited for ", what)
	}
}

// What a console does not wait for any more is given up, and so is what waits
// behind it, before the application has begun with it.
func TestAConsoleGivesUpWhatItAsked(t *testing.T) {
	s, l := openOutpost(t)
	before := s.app.Seq()
	l.send(wire.ControlRequest{ID: 100, Do: wire.DoCall, Name: "POST /wait"})
	await(t, "the action", s.began)
	l.send(wire.ControlRequest{ID: 101, Do: wire.DoCreate, Model: "users", Set: raws(`{"name":"late"}`)})
	l.send(wire.ControlRequest{ID: 101, Do: wire.DoCancel})
	l.send(wire.ControlRequest{ID: 100, Do: wire.DoCancel})
	l.send(wire.ControlRequest{ID: 99, Do: wire.DoCancel}) // which nobody has asked
	await(t, "its end", s.ended)
	if first := l.read(); first.ID != 100 {
		t.Errorf("first it answers %+v", first)
	}
	if second := l.read(); second.ID != 101 || second.Error == nil {
		t.Errorf("then it answers %+v", second)
	}
	if got := l.ask(wire.ControlRequest{Do: wire.DoCount, Model: "users"}); got != "0" || s.app.Seq() != before {
		t.Errorf("there are %s users after commit %d", got, s.app.Seq())
	}

	l.send(wire.ControlRequest{ID: 102, Do: wire.DoCall, Name: "POST /wait"})
	await(t, "the action", s.began)
	l.conn.Close()
	await(t, "its end", s.ended)
}

// An action's context leads whatever it writes with to the transaction in which
// it is called.
func TestAnActionOfATransactionWritesIntoIt(t *testing.T) {
	s, l := openOutpost(t)
	before := s.app.Seq()
	tx := l.begin()
	l.ask(wire.ControlRequest{Do: wire.DoCall, Name: "POST /sign", Tx: tx})
	if got := l.ask(wire.ControlRequest{Do: wire.DoCount, Model: "users", Tx: tx}); got != "1" || s.app.Seq() != before {
		t.Errorf("the transaction holds %s users after commit %d", got, s.app.Seq())
	}
}
