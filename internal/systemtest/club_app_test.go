package systemtest

import (
	"context"
	"slices"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// The club is people in teams, with tasks. A task is seen by its team's members,
// by guests of the team if it is shared, and then by everybody if the team is
// open; chiefs see all. A team is seen as part of its tasks, by those whom the rule
// for teams lets see it. So what one may see depends on records of four models.

type Person struct {
	tower.Record
	Name  string `json:"name" validate:"required"`
	Chief bool   `json:"chief"`
}

type Team struct {
	tower.Record
	Name string `json:"name"`
	Open bool   `json:"open"`
}

type Membership struct {
	tower.Record
	PersonID tower.ID `json:"personId" tower:"ref=people,index"`
	TeamID   tower.ID `json:"teamId" tower:"ref=teams"`
	Guest    bool     `json:"guest"`
}

type Task struct {
	tower.Record
	TeamID tower.ID `json:"teamId" tower:"ref=teams,index"`
	Title  string   `json:"title"`
	Points int      `json:"points"`
	Shared bool     `json:"shared"`
}

var (
	People      = tower.NewModel[Person]("people")
	Teams       = tower.NewModel[Team]("teams")
	Memberships = tower.NewModel[Membership]("memberships")
	Tasks       = tower.NewModel[Task]("tasks")
)

// A clubSession is one's standing: which teams' tasks one sees, and of which only
// those that are shared.
type clubSession struct {
	*tower.Connection
	person *Person
	standing
}

type standing struct {
	chief        bool
	full, shared []tower.ID
}

func (s *standing) sees(task *Task) bool {
	return s.chief || slices.Contains(s.full, task.TeamID) || task.Shared && slices.Contains(s.shared, task.TeamID)
}

// scope says the same as sees.
func (s *standing) scope() tower.Scope[Task] {
	task := Tasks.Fields
	if s.chief {
		return Tasks.All()
	}
	return Tasks.Where(tower.Or(tower.In(&task.TeamID, s.full...), tower.And(tower.In(&task.TeamID, s.shared...), tower.Is(&task.Shared, true))))
}

// stand follows all that a person's standing depends on.
func stand(ctx context.Context, c *tower.Connection, person *Person) (s standing, err error) {
	open, err := Teams.Where(tower.Is(&Teams.Fields.Open, true)).Follow(ctx, c)
	if err != nil {
		return s, err
	}
	for _, team := range open {
		s.shared = append(s.shared, team.ID)
	}
	if person == nil {
		return s, nil
	}
	s.chief = person.Chief
	mine, err := Memberships.Where(tower.Is(&Memberships.Fields.PersonID, person.ID)).Follow(ctx, c)
	for _, m := range mine {
		if m.Guest {
			s.shared = append(s.shared, m.TeamID)
		} else {
			s.full = append(s.full, m.TeamID)
		}
	}
	return s, err
}

// clubByRule has the standing in the session, and a rule that goes by it.
type clubByRule struct{ *clubSession }

func connectStanding(ctx context.Context, c *tower.Connection) (*clubSession, error) {
	person, err := People.Follow(ctx, c, c.UserID())
	if err != nil {
		return nil, err
	}
	s, err := stand(ctx, c, person)
	return &clubSession{c, person, s}, err
}

func (c *clubByRule) Match(task *Task) bool { return c.sees(task) }

func (c *clubByRule) Allow(action string) bool {
	return action != "Assign" || c.chief || len(c.full) > 0
}

func (c *clubByRule) visible(context.Context) (tower.Scope[Task], error) { return Tasks.All(), nil }

// clubByScope has only the person in the session; each cursor follows what its
// scope depends on.
type clubByScope struct{ *clubSession }

func connectPerson(ctx context.Context, c *tower.Connection) (*clubSession, error) {
	person, err := People.Follow(ctx, c, c.UserID())
	return &clubSession{Connection: c, person: person}, err
}

func (c *clubByScope) Allow(action string) bool {
	return action != "Assign" || c.person != nil && c.person.Chief
}

func (c *clubByScope) visible(ctx context.Context) (tower.Scope[Task], error) {
	s, err := stand(ctx, c.Connection, c.person)
	return s.scope(), err
}

// clubByBoth has a rule besides, on top of what its cursors follow.
type clubByBoth struct{ *clubByScope }

func (c *clubByBoth) Match(task *Task) bool {
	return task.Shared || c.person != nil && c.person.Chief
}

// A clubController has cursors of what is visible to its person.
type clubController interface {
	comparable
	visible(context.Context) (tower.Scope[Task], error)
}

type ofTeam struct {
	Team tower.ID `json:"team"`
}

// mountClub mounts a controller of either kind with every sort of cursor.
func mountClub[C clubController](r *tower.Router[*clubSession], name string, create func(*clubSession) C) *tower.Mounted[C] {
	m := tower.Mount(r, name, create)
	task := Tasks.Fields
	list := func(cursor string, of func(tower.Scope[Task]) tower.Scope[Task]) {
		tower.Cursor(m, cursor, func(c C, ctx context.Context, in struct{}) (tower.Scope[Task], error) {
			scope, err := c.visible(ctx)
			return of(scope), err
		})
	}
	value := func(cursor string, of func(tower.Scope[Task]) tower.Live[Task]) {
		tower.Value(m, cursor, func(c C, ctx context.Context, in struct{}) (tower.Live[Task], error) {
			scope, err := c.visible(ctx)
			return of(scope), err
		})
	}
	list("all", func(s tower.Scope[Task]) tower.Scope[Task] { return s })
	list("newest", func(s tower.Scope[Task]) tower.Scope[Task] { return s.Desc(&task.CreatedAt).Limit(3) })
	list("titles", func(s tower.Scope[Task]) tower.Scope[Task] { return s.Asc(&task.Title).Offset(1).Limit(3) })
	list("ranked", func(s tower.Scope[Task]) tower.Scope[Task] { return s.Desc(&task.Points).Include(&task.TeamID) })
	value("howMany", func(s tower.Scope[Task]) tower.Live[Task] { return s.LiveCount() })
	value("points", func(s tower.Scope[Task]) tower.Live[Task] { return s.LiveSum(&task.Points) })
	value("most", func(s tower.Scope[Task]) tower.Live[Task] { return s.LiveMax(&task.Points) })
	tower.Cursor(m, "ofTeam", func(c C, ctx context.Context, in ofTeam) (tower.Scope[Task], error) {
		scope, err := c.visible(ctx)
		return scope.Where(tower.Is(&task.TeamID, in.Team)), err
	})
	return m
}

// A roster is who else is in a team, for its members only: a cursor that is
// refused to others, and closed when one ceases to be one.
func (s *clubSession) Roster(ctx context.Context, in ofTeam) (tower.Scope[Membership], error) {
	of := Memberships.Where(tower.Is(&Memberships.Fields.TeamID, in.Team))
	mine, err := of.Where(tower.Is(&Memberships.Fields.PersonID, s.UserID())).Follow(ctx, s.Connection)
	if err == nil && (len(mine) == 0 || s.person == nil) {
		err = tower.Forbidden("only members may see who is in a team")
	}
	return of, err
}

func (s *clubSession) Index(ctx context.Context, in struct{}) (struct{}, error) { return in, nil }

func (s *clubSession) Assign(ctx context.Context, in struct{}) (struct{}, error) { return in, nil }

// teamsByRule shows a team to whom it is open, and to its members and guests.
type teamsByRule struct{ *clubSession }

func (c *teamsByRule) Match(team *Team) bool {
	return c.chief || slices.Contains(c.full, team.ID) || slices.Contains(c.shared, team.ID)
}

// teamsByPerson shows open teams, and to chiefs all.
type teamsByPerson struct{ *clubSession }

func (c *teamsByPerson) Match(team *Team) bool {
	return team.Open || c.person != nil && c.person.Chief
}

func clubConfig(routes func() *tower.Router[*clubSession]) tower.Config {
	return tower.Config{Name: "club", Models: []tower.AnyModel{People, Teams, Memberships, Tasks}, Routes: routes(), Files: clubViews}
}

func rulesOfTheClub() *tower.Router[*clubSession] {
	r := tower.NewRouter(connectStanding)
	m := mountClub(r, "tasks", func(s *clubSession) *clubByRule { return &clubByRule{s} })
	tower.Page(m, "GET /tasks", (*clubByRule).Index)
	tower.Action(m, "POST /assign", (*clubByRule).Assign)
	tower.Mount(r, "teams", func(s *clubSession) *teamsByRule { return &teamsByRule{s} })
	return r
}

func scopesOfTheClub() *tower.Router[*clubSession] {
	r := tower.NewRouter(connectPerson)
	m := mountClub(r, "tasks", func(s *clubSession) *clubByScope { return &clubByScope{s} })
	tower.Page(m, "GET /tasks", (*clubByScope).Index)
	tower.Action(m, "POST /assign", (*clubByScope).Assign)
	tower.Cursor(m, "roster", (*clubByScope).Roster)
	tower.Mount(r, "teams", func(s *clubSession) *teamsByPerson { return &teamsByPerson{s} })
	mountClub(r, "both", func(s *clubSession) *clubByBoth { return &clubByBoth{&clubByScope{s}} })
	return r
}

var clubViews = fstest.MapFS{
	"views/layout.html": {Data: []byte(`{{template "main" .}}`)},
	"views/tasks/index.html": {Data: []byte(`{{define "main"}}{{$new := .Cursor "newest" "tasks/_task.html"}}{{$all := .Cursor "all" "tasks/_task.html"}}
<ul {{$new.Attrs}}>{{$new.Items}}</ul>{{$n := .LiveValue "howMany"}}<b {{$n.Attrs}}>{{$n.Text}}</b><ul {{$all.Attrs}}>{{$all.Items}}</ul>{{end}}`)},
	"views/tasks/_task.html": {Data: []byte(`<li>{{.Title}}</li>`)},
}
