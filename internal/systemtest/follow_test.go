package systemtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A lobby is a small application whose rights depend on memberships, and that
// counts what it is asked.
type lobby struct {
	*towertest.App
	connects, controllers, asked atomic.Int64
	refuse                       func() error // of connect; nil: it does not
	kept                         context.Context
}

type lobbyTasks struct {
	*clubSession
	lobby *lobby
}

func (l *lobby) connect(ctx context.Context, c *tower.Connection) (*clubSession, error) {
	l.connects.Add(1)
	person, err := People.Follow(ctx, c, c.UserID())
	if err == nil && l.refuse != nil {
		err = l.refuse()
	}
	l.kept = ctx
	return &clubSession{Connection: c, person: person}, err
}

// Mine are the tasks of the teams that one is in; to the chief, all.
func (c *lobbyTasks) Mine(ctx context.Context, in struct{}) (tower.Scope[Task], error) {
	c.lobby.asked.Add(1)
	if c.person != nil && c.person.Chief {
		return Tasks.All(), nil
	}
	mine, err := Memberships.Where(tower.Is(&Memberships.Fields.PersonID, c.UserID())).Follow(ctx, c.Connection)
	teams := []tower.ID{}
	for _, m := range mine {
		teams = append(teams, m.TeamID)
	}
	return Tasks.Where(tower.In(&Tasks.Fields.TeamID, teams...)), err
}

// Lead are all tasks, for the chief, who is followed as one record.
func (c *lobbyTasks) Lead(ctx context.Context, in struct{}) (tower.Scope[Task], error) {
	person, err := People.Follow(ctx, c.Connection, c.UserID())
	if err == nil && (person == nil || !person.Chief) {
		err = tower.Forbidden("only the chief leads")
	}
	return Tasks.All(), err
}

// Peek follows where nothing can be followed.
func (c *lobbyTasks) Peek(ctx context.Context, in struct{}) ([]string, error) {
	_, here := c.Mine(ctx, in)
	_, late := People.Follow(c.lobby.kept, c.Connection, c.UserID())
	_, visitor := People.Follow(ctx, c.Connection, "")
	return []string{fmt.Sprint(here), fmt.Sprint(late), fmt.Sprint(visitor)}, nil
}

// A farewell leaves all teams as it is printed.
type farewell struct{ leave func() error }

func (f *farewell) Now() (string, error) { return "bye", f.leave() }

// Abdicate takes a right away that the session has.
func (c *lobbyTasks) Abdicate(ctx context.Context, in struct{}) (*Person, error) {
	return People.Update(ctx, c, c.person.ID, func(p *Person) error { p.Chief = false; return nil })
}

// Index has a right taken away while the page is rendered.
func (c *lobbyTasks) Index(ctx context.Context, in struct{}) (*farewell, error) {
	leave := func() error {
		mine, err := Memberships.Where(tower.Is(&Memberships.Fields.PersonID, c.UserID())).Records(ctx, c)
		for _, m := range mine {
			err = errors.Join(err, Memberships.Delete(ctx, c, m.ID))
		}
		return err
	}
	return &farewell{leave}, nil
}

func openLobby(t *testing.T) *lobby {
	l := &lobby{}
	r := tower.NewRouter(l.connect)
	m := tower.Mount(r, "tasks", func(s *clubSession) *lobbyTasks {
		l.controllers.Add(1)
		return &lobbyTasks{s, l}
	})
	tower.Cursor(m, "mine", (*lobbyTasks).Mine)
	tower.Cursor(m, "lead", (*lobbyTasks).Lead)
	tower.Action(m, "GET /peek", (*lobbyTasks).Peek)
	tower.Page(m, "GET /farewell", (*lobbyTasks).Index)
	tower.Page(m, "GET /abdicate", (*lobbyTasks).Abdicate)
	l.App = towertest.Open(t, tower.Config{Name: "lobby", Models: []tower.AnyModel{People, Teams, Memberships, Tasks}, Routes: r, Files: fstest.MapFS{
		"views/layout.html": {Data: []byte(`{{template "main" .}}`)},
		"views/tasks/index.html": {Data: []byte(`{{define "main"}}{{$before := .Cursor "mine" "tasks/_task.html"}}{{.Data.Now}}{{$after := .Cursor "mine" "tasks/_task.html"}}
<ul {{$before.Attrs}}>{{$before.Items}}</ul><ul {{$after.Attrs}}>{{$after.Items}}</ul>{{end}}`)},
		"views/tasks/abdicate.html": {Data: []byte(`{{define "main"}}{{$mine := .Cursor "mine" "tasks/_task.html"}}<ul {{$mine.Attrs}}>{{$mine.Items}}</ul>{{end}}`)},
		"views/tasks/_task.html":    {Data: []byte(`<li>{{.Title}}</li>`)},
	}})
	return l
}

// member makes somebody who is in a team of its own with one task.
func (l *lobby) member(t *testing.T, name string) (*Person, *Membership, *Task) {
	t.Helper()
	person, team := &Person{Name: name}, &Team{Name: "of " + name}
	membership, task := &Membership{}, &Task{Title: "task of " + name}
	err := l.Transaction(t.Context(), func(tx *tower.Tx) error {
		err := errors.Join(People.Create(t.Context(), tx, person), Teams.Create(t.Context(), tx, team))
		membership.PersonID, membership.TeamID, task.TeamID = person.ID, team.ID, team.ID
		return errors.Join(err, Memberships.Create(t.Context(), tx, membership), Tasks.Create(t.Context(), tx, task))
	})
	if err != nil {
		t.Fatal(err)
	}
	return person, membership, task
}

func (l *lobby) settle(t *testing.T) {
	t.Helper()
	if err := l.Wait(t.Context(), l.Seq()); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhoIsConcernedIsAskedAgain(t *testing.T) {
	l := openLobby(t)
	ada, hers, _ := l.member(t, "ada")
	bob, _, his := l.member(t, "bob")
	a, b := l.Connect(t, ada.ID), l.Connect(t, bob.ID)
	mine := a.Open("tasks.mine", nil)
	b.Open("tasks.mine", nil)
	connects, controllers, asked := l.connects.Load(), l.controllers.Load(), l.asked.Load()
	expect := func(what string, c, m, s int64) {
		t.Helper()
		l.settle(t)
		if c, m, s := l.connects.Load()-connects-c, l.controllers.Load()-controllers-m, l.asked.Load()-asked-s; c != 0 || m != 0 || s != 0 {
			t.Errorf("%s: %d connects, %d controllers and %d scopes too many", what, c, m, s)
		}
		connects, controllers, asked = l.connects.Load(), l.controllers.Load(), l.asked.Load()
	}

	// The cursor moves to another team, and the one message of that commit holds
	// what that does.
	before := len(a.Frames())
	if _, err := Memberships.Update(t.Context(), l, hers.ID, func(m *Membership) error { m.TeamID = his.TeamID; return nil }); err != nil {
		t.Fatal(err)
	}
	expect("a membership changes", 0, 0, 1)
	mine.Await(func(ids []string) bool { return len(ids) == 1 && ids[0] == string(his.ID) })
	if frames := a.Frames()[before:]; len(frames) != 1 {
		t.Errorf("one commit arrived as %d messages: %s", len(frames), frames)
	}

	// What is new and meets the conditions is noticed too.
	if err := Memberships.Create(t.Context(), l, &Membership{PersonID: ada.ID, TeamID: hers.TeamID}); err != nil {
		t.Fatal(err)
	}
	expect("a membership begins", 0, 0, 1)
	mine.AwaitLen(2)

	if _, err := People.Update(t.Context(), l, ada.ID, func(p *Person) error { p.Name = "Ada"; return nil }); err != nil {
		t.Fatal(err)
	}
	expect("a person changes", 1, 1, 1)

	carol, _, _ := l.member(t, "carol")
	if err := People.Delete(t.Context(), l, carol.ID); err != nil {
		t.Fatal(err)
	}
	expect("others come and go", 0, 0, 0)
}

func TestACursorThatIsNotAllowedAnyMoreIsClosed(t *testing.T) {
	l := openLobby(t)
	ada, _, _ := l.member(t, "ada")
	a := l.Connect(t, ada.ID)
	if _, answer := a.TryOpen("tasks.lead", nil); answer.Code != "forbidden" || answer.Message != "only the chief leads" {
		t.Errorf("one who is no chief: %+v", answer)
	}
	chief := func(is bool) {
		t.Helper()
		if _, err := People.Update(t.Context(), l, ada.ID, func(p *Person) error { p.Chief = is; return nil }); err != nil {
			t.Fatal(err)
		}
		l.settle(t)
	}
	chief(true)
	lead := a.Open("tasks.lead", nil)
	chief(false)
	a.Call("GET /peek", nil) // its answer comes after all frames so far
	if !lead.Closed() {
		t.Errorf("it is open and holds %v", lead.IDs())
	}
}

func TestFollowingIsForWhatIsAskedAgain(t *testing.T) {
	l := openLobby(t)
	ada, _, _ := l.member(t, "ada")
	out := string(l.Connect(t, ada.ID).Call("GET /peek", nil).Out)
	for _, want := range []string{
		`follow memberships where personId is \"` + string(ada.ID) + `\": only the connect function and the methods of cursors can follow, with the context that they receive`,
		`follow people where id is \"` + string(ada.ID) + `\": the function that followed it has already returned`,
		`"\u003cnil\u003e"]`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\ndoes not say %s", out, want)
		}
	}
}

// TestWhoCannotBeKnownAnyMoreIsDeniedAndAsksAgain has connect fail, by an error
// and by a panic, when it is asked again.
func TestWhoCannotBeKnownAnyMoreIsDeniedAndAsksAgain(t *testing.T) {
	for name, refuse := range map[string]func() error{
		"an error": func() error { return tower.Forbidden("suspended") },
		"a panic":  func() error { panic("no way") },
	} {
		t.Run(name, func(t *testing.T) {
			l := openLobby(t)
			ada, _, task := l.member(t, "ada")
			socket := dialAs(t, l.App, ada.ID)
			socket.ask(`{"hello":1}`)
			socket.ask(`{"id":1,"open":"tasks.mine"}`)
			l.settle(t)
			l.refuse = refuse
			err := l.Transaction(t.Context(), func(tx *tower.Tx) error {
				_, err := People.Update(t.Context(), tx, ada.ID, func(p *Person) error { p.Name = "Eve"; return nil })
				if err == nil {
					_, err = Tasks.Update(t.Context(), tx, task.ID, func(task *Task) error { task.Title = "secret"; return nil })
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if frame := socket.hear(); !strings.Contains(frame, `"leave":["`+string(task.ID)+`"],"closed":{"code":"forbidden"`) || strings.Contains(frame, "secret") {
				t.Errorf("it was sent %s", frame)
			}
			if end := socket.hear(); !strings.Contains(end, "this user's rights could not be evaluated; connect again") {
				t.Errorf("it ended with %s", end)
			}

			again := dialAs(t, l.App, ada.ID)
			if answer := again.ask(`{"hello":1}`); !strings.Contains(answer, `"error":{`) {
				t.Errorf("while it fails: %s", answer)
			}
			if end := again.hear(); !strings.Contains(end, "close 44") && !strings.Contains(end, "close 45") {
				t.Errorf("while it fails, it ends with %s", end)
			}
			l.refuse = nil
			if answer := dialAs(t, l.App, ada.ID).ask(`{"hello":1}`); !strings.Contains(answer, `"tasks.mine"`) {
				t.Errorf("when it does not: %s", answer)
			}
		})
	}
}

// TestAPageIsOfOneCommit has a user lose its rights while its page is made: what
// the page shows is all of one commit, and the client goes on from there.
func TestAPageIsOfOneCommit(t *testing.T) {
	l := openLobby(t)
	ada, membership, task := l.member(t, "ada")
	a := l.Connect(t, ada.ID)
	_, page := l.GetAs(t, ada.ID, "/farewell")
	if shown := strings.Count(page, string(task.ID)); shown != 2 || !strings.Contains(page, "bye") {
		t.Errorf("the page shows %d tasks: %s", shown, page)
	}
	if _, err := Memberships.Find(t.Context(), l, membership.ID); err == nil {
		t.Error("the page took nothing away")
	}
	if err := Memberships.Create(t.Context(), l, &Membership{PersonID: ada.ID, TeamID: task.TeamID}); err != nil {
		t.Fatal(err)
	}
	l.settle(t)
	for _, list := range a.Page("/farewell") {
		list.AwaitLen(0)
	}
}

// TestAPageIsByTheRightsThatItLeaves has a page take away a right of its user's
// session: its lists are made without it.
func TestAPageIsByTheRightsThatItLeaves(t *testing.T) {
	l := openLobby(t)
	ada, _, hers := l.member(t, "ada")
	_, _, his := l.member(t, "bob")
	if _, err := People.Update(t.Context(), l, ada.ID, func(p *Person) error { p.Chief = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, page := l.GetAs(t, ada.ID, "/abdicate"); !strings.Contains(page, hers.Title) || strings.Contains(page, his.Title) {
		t.Errorf("the page is %s", page)
	}
}
