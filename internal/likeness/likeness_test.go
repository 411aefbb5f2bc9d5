package likeness

import (
	"reflect"
	"sync"
	"testing"
	"time"
)

type connection struct{ sync.Mutex }

type user struct {
	ID    string
	Roles []string
	Since time.Time
	Team  *team
	extra map[string]int
}

type team struct{ Name string }

type service struct{ sync.Mutex }

type session struct {
	*connection
	User    *user
	Service *service
	Any     any
}

var conn = reflect.TypeFor[*connection]()

func TestLikeness(t *testing.T) {
	at := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	shared := &service{}
	made := func() *session {
		return &session{&connection{}, &user{"1", []string{"a", "b"}, at, &team{"x"}, map[string]int{"a": 1, "b": 2}}, shared, 3}
	}
	same := Of(made(), conn)
	if same == "" || Of(made(), conn) != same {
		t.Fatalf("equal sessions differ: %q", same)
	}
	for name, change := range map[string]func(*session){
		"id":       func(s *session) { s.User.ID = "2" },
		"role":     func(s *session) { s.User.Roles[1] = "c" },
		"roles":    func(s *session) { s.User.Roles = s.User.Roles[:1] },
		"time":     func(s *session) { s.User.Since = at.Add(1) },
		"team":     func(s *session) { s.User.Team.Name = "y" },
		"no team":  func(s *session) { s.User.Team = nil },
		"map":      func(s *session) { s.User.extra["b"] = 3 },
		"no user":  func(s *session) { s.User = nil },
		"service":  func(s *session) { s.Service = &service{} },
		"any":      func(s *session) { s.Any = "3" },
		"any type": func(s *session) { s.Any = int64(3) },
	} {
		other := made()
		if change(other); Of(other, conn) == same {
			t.Errorf("%s: a session that differs is alike", name)
		}
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	type node struct{ Next *node }
	loop := &node{}
	loop.Next = loop
	for name, value := range map[string]any{"func": func() {}, "chan": make(chan int), "in a struct": struct{ F func() }{func() {}}, "a loop": loop} {
		if got := Of(value); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
