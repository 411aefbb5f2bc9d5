package systemtest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A Member is a user whose role decides what it sees, and who is seen now and then.
type Member struct {
	tower.Record
	Role   string    `json:"role"`
	Team   string    `json:"team" tower:"index"`
	SeenAt time.Time `json:"seenAt"`
}

var Members = tower.NewModel[Member]("members")

// A pulse is an application that counts how often it is asked.
type pulse struct {
	*towertest.App
	connects, scopes atomic.Int64
	connect          func(ctx context.Context, c *tower.Connection) (*pulseSession, error)
}

type pulseSession struct {
	*tower.Connection
	Member *Member
	Role   string
}

type pulseNotes struct {
	*pulseSession
	pulse *pulse
}

func (c *pulseNotes) Mine(context.Context, struct{}) (tower.Scope[Note], error) {
	c.pulse.scopes.Add(1)
	return Notes.Where(tower.Is(&Notes.Fields.Topic, c.Role)), nil
}

// Team follows the roles of a team.
func (c *pulseNotes) Team(ctx context.Context, in struct{}) (tower.Scope[Note], error) {
	c.pulse.scopes.Add(1)
	member := Members.Fields
	team, err := Members.Where(tower.Is(&member.Team, "red")).Follow(ctx, c.Connection, &member.Role)
	var roles []string
	for _, m := range team {
		roles = append(roles, m.Role)
	}
	return Notes.Where(tower.In(&Notes.Fields.Topic, roles...)), err
}

// Foreign follows a field of another model.
func (c *pulseNotes) Foreign(ctx context.Context, in struct{}) (tower.Scope[Note], error) {
	_, err := Members.All().Follow(ctx, c.Connection, &Notes.Fields.Text)
	return Notes.All(), err
}

func openPulse(t testing.TB) *pulse {
	p := &pulse{}
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*pulseSession, error) {
		p.connects.Add(1)
		return p.connect(ctx, c)
	})
	m := tower.Mount(r, "notes", func(s *pulseSession) *pulseNotes { return &pulseNotes{s, p} })
	tower.Cursor(m, "mine", (*pulseNotes).Mine)
	tower.Cursor(m, "team", (*pulseNotes).Team)
	tower.Cursor(m, "foreign", (*pulseNotes).Foreign)
	p.App = towertest.Open(t, tower.Config{Name: "pulse", Models: []tower.AnyModel{Members, Notes}, Routes: r})
	return p
}

// onlyRole follows the role of the connection's member, and holds the whole member.
func onlyRole(ctx context.Context, c *tower.Connection) (*pulseSession, error) {
	member, err := Members.Follow(ctx, c, c.UserID(), &Members.Fields.Role)
	if member == nil {
		return &pulseSession{Connection: c}, err
	}
	return &pulseSession{c, member, member.Role}, err
}

// wholeMember follows the whole member, and holds its role.
func wholeMember(ctx context.Context, c *tower.Connection) (*pulseSession, error) {
	member, err := Members.Follow(ctx, c, c.UserID())
	if member == nil {
		return &pulseSession{Connection: c}, err
	}
	return &pulseSession{Connection: c, Role: member.Role}, err
}

func (p *pulse) set(t testing.TB, id tower.ID, change func(m *Member)) {
	t.Helper()
	if _, err := Members.Update(t.Context(), p, id, func(m *Member) error { change(m); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context(), p.Seq()); err != nil {
		t.Fatal(err)
	}
}

func TestAHeartbeatAsksNothingAgain(t *testing.T) {
	for name, c := range map[string]struct {
		connect func(context.Context, *tower.Connection) (*pulseSession, error)
		again   int64 // calls of connect for a heartbeat
	}{"fields that matter": {onlyRole, 0}, "sessions that come out equal": {wholeMember, 1}} {
		t.Run(name, func(t *testing.T) {
			p := openPulse(t)
			p.connect = c.connect
			ada, bob := &Member{Role: "x", Team: "red"}, &Member{Role: "y", Team: "blue"}
			for _, m := range []*Member{ada, bob} {
				if err := Members.Create(t.Context(), p, m); err != nil {
					t.Fatal(err)
				}
			}
			for _, topic := range []string{"x", "y", "z"} {
				if err := Notes.Create(t.Context(), p, &Note{Topic: topic, Text: "hi"}); err != nil {
					t.Fatal(err)
				}
			}
			client := p.Connect(t, ada.ID)
			mine, team := client.Open("notes.mine", nil), client.Open("notes.team", nil)
			mine.AwaitLen(1)
			connects, scopes := p.connects.Load(), p.scopes.Load()
			expect := func(what string, c, s int64) {
				t.Helper()
				if c, s := p.connects.Load()-connects-c, p.scopes.Load()-scopes-s; c != 0 || s != 0 {
					t.Errorf("%s: %d connects and %d scopes too many", what, c, s)
				}
				connects, scopes = p.connects.Load(), p.scopes.Load()
			}
			for i := range 3 {
				p.set(t, ada.ID, func(m *Member) { m.SeenAt = time.Unix(int64(1000+i), 0).UTC() })
				expect("a heartbeat", c.again, 0)
			}
			p.set(t, bob.ID, func(m *Member) { m.Team = "red" })
			expect("somebody enters what a cursor follows", 0, 1)
			team.AwaitLen(2)
			p.set(t, bob.ID, func(m *Member) { m.Role = "z" })
			expect("a role that a cursor follows", 0, 1)
			p.set(t, bob.ID, func(m *Member) { m.Team = "blue" })
			expect("somebody leaves it", 0, 1)
			team.AwaitLen(1)
			p.set(t, ada.ID, func(m *Member) { m.Role = "z" })
			expect("the own role", 1, 2)
			mine.Await(func(ids []string) bool { return len(ids) == 1 })
			p.set(t, ada.ID, func(m *Member) { m.SeenAt = time.Unix(2000, 0).UTC() })
			expect("a heartbeat after that", c.again, 0)
			if err := Members.Delete(t.Context(), p, ada.ID); err != nil {
				t.Fatal(err)
			}
			mine.AwaitLen(0)
			if _, answer := client.TryOpen("notes.foreign", nil); answer.Status < 400 || strings.Contains(fmt.Sprint(answer), "panic") {
				t.Errorf("a field of another model: %+v", answer)
			}
		})
	}
}

// BenchmarkHeartbeat commits the heartbeat of one of a thousand connected users, whose
// role each connection follows, and the same field of a record that nobody follows.
func BenchmarkHeartbeat(b *testing.B) {
	for name, connect := range map[string]func(context.Context, *tower.Connection) (*pulseSession, error){"fields": onlyRole, "equal": wholeMember} {
		n := number(b, "TOWER_BENCH_USERS", 1000, 20)
		b.Run(fmt.Sprintf("users=%d/%s", n, name), func(b *testing.B) {
			p := openPulse(b)
			p.connect = connect
			var members []*Member
			if err := p.Transaction(b.Context(), func(tx *tower.Tx) error {
				members = nil
				for range 2 * n {
					m := &Member{Role: "x", Team: "red"}
					members = append(members, m)
					if err := Members.Create(b.Context(), tx, m); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			for _, m := range members[:n] {
				p.Connect(b, m.ID).Open("notes.mine", nil)
			}
			var followed, free []time.Duration
			beat := func(m *Member) time.Duration {
				start := time.Now()
				p.set(b, m.ID, func(m *Member) { m.SeenAt = start.UTC() })
				return time.Since(start)
			}
			i := 0
			for b.Loop() {
				followed, free = append(followed, beat(members[i%n])), append(free, beat(members[n+i%n]))
				i++
			}
			b.ReportMetric(ms(median(followed)), "ms/followed")
			b.ReportMetric(ms(median(free)), "ms/free")
			b.ReportMetric(float64(median(followed))/float64(median(free)), "offree")
			b.ReportMetric(0, "ns/op")
		})
	}
}
