//go:build unix

package towertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/front"
)

// The application that is killed: members have rows, see those that are public and
// their own, or all. Whatever a member does is one transaction, and counts as one
// in the member's tally. None of it can be done twice without a trace.

type Member struct {
	tower.Record
	All bool `json:"all"`
}

type Tally struct {
	tower.Record
	MemberID tower.ID `json:"memberId" tower:"ref=members,unique"`
	Done     int      `json:"done"`
}

type Row struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=members,index"`
	Place   int      `json:"place" tower:"index"`
	Public  bool     `json:"public" tower:"index"`
	Edits   int      `json:"edits"`
}

var (
	members = tower.NewModel[Member]("members")
	tallies = tower.NewModel[Tally]("tallies")
	rows    = tower.NewModel[Row]("rows")
)

// crashData names the file that a process is to serve.
const crashData = "TOWERTEST_CRASH_DATA"

// The points of the path of a write at which an application's own code runs.
var crashPoints = []string{"connect", "validate", "written", "committed", "match"}

// A sentence is how often a point is passed before the process ends there.
type sentence struct {
	point string
	left  atomic.Int64
}

var sentenced atomic.Pointer[sentence]

// pass ends the process, as kill -9 does, where it is to end at this point, now.
func pass(point string) {
	if s := sentenced.Load(); s != nil && s.point == point && s.left.Add(-1) < 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func TestMain(m *testing.M) {
	if data := os.Getenv(migrateData); data != "" {
		tower.Main(articlesConfig(data, true))
		os.Exit(0)
	}
	data := os.Getenv(crashData)
	if data == "" {
		os.Exit(m.Run())
	}
	go hear(os.Stdin)
	app, err := tower.New(crashing(data, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	if err == nil {
		err = server.AppOf(app).Run(context.Background(), server.Listen{Front: front.Options{Addr: "127.0.0.1:0"}, Serving: func(url string) { fmt.Println(strings.TrimPrefix(url, "http://")) }})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// hear takes sentences, a line each, and ends the process with its test.
func hear(in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		s := &sentence{}
		var left int64
		if _, err := fmt.Sscan(lines.Text(), &s.point, &left); err != nil {
			panic(err)
		}
		s.left.Store(left)
		sentenced.Store(s)
	}
	os.Exit(1)
}

func crashing(data string, log *slog.Logger) tower.Config {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*memberSession, error) {
		pass("connect")
		member, err := members.Follow(ctx, c, c.UserID())
		return &memberSession{c, member}, err
	})
	own := tower.Mount(r, "own", func(s *memberSession) *ownRows { return &ownRows{s} })
	tower.Cursor(own, "all", (*ownRows).Seen)
	tower.Cursor(own, "top", (*ownRows).Top)
	tower.Value(own, "count", (*ownRows).Count)
	tower.Action(own, "POST /session", (*ownRows).Enter)
	tower.Action(own, "POST /rows", (*ownRows).Create)
	tower.Action(own, "PATCH /rows/{id}", (*ownRows).Update)
	tower.Action(own, "DELETE /rows/{id}", (*ownRows).Delete)
	tower.Action(own, "POST /swap", (*ownRows).Swap)
	tower.Action(own, "POST /sight", (*ownRows).Sight)
	open := tower.Mount(r, "open", func(s *memberSession) *openRows { return &openRows{s} })
	tower.Cursor(open, "all", (*openRows).All)
	tower.Cursor(open, "top", (*openRows).Top)
	tower.Cursor(open, "tallies", (*openRows).Tallies)
	tower.Value(open, "count", (*openRows).Count)
	return tower.Config{Name: "crashing", Env: "test", Data: data, Log: log, Routes: r,
		Models: []tower.AnyModel{members, tallies, rows},
		Files:  fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}}}
}

type memberSession struct {
	*tower.Connection
	member *Member
}

// do makes a transaction that counts in the member's tally.
func (s *memberSession) do(ctx context.Context, fn func(*tower.Tx) error) error {
	err := s.Transaction(ctx, func(tx *tower.Tx) error {
		tally, err := tallies.Where(tower.Is(&tallies.Fields.MemberID, s.UserID())).First(ctx, tx)
		if err == nil {
			_, err = tallies.Update(ctx, tx, tally.ID, func(t *Tally) error {
				t.Done++
				return nil
			})
		}
		err = errors.Join(err, fn(tx))
		pass("written")
		return err
	})
	pass("committed")
	return err
}

// ownRows are those that a rule lets the member see.
type ownRows struct{ *memberSession }

func (c *ownRows) Match(r *Row) bool {
	pass("match")
	return r.Public || c.member != nil && (c.member.All || r.OwnerID == c.member.ID)
}

func (c *ownRows) Seen(context.Context, struct{}) (tower.Scope[Row], error) { return rows.All(), nil }

func (c *ownRows) Top(context.Context, struct{}) (tower.Scope[Row], error) {
	return rows.All().Desc(&rows.Fields.Place).Limit(5), nil
}

func (c *ownRows) Count(context.Context, struct{}) (tower.ValueScope[Row], error) {
	return rows.All().AsCount(), nil
}

// openRows are the same for everybody.
type openRows struct{ *memberSession }

func openToAll() tower.Scope[Row] { return rows.Where(tower.Is(&rows.Fields.Public, true)) }

func (c *openRows) All(context.Context, struct{}) (tower.Scope[Row], error) { return openToAll(), nil }

func (c *openRows) Top(context.Context, struct{}) (tower.Scope[Row], error) {
	return openToAll().Asc(&rows.Fields.Place).Limit(5).Offset(2), nil
}

func (c *openRows) Count(context.Context, struct{}) (tower.ValueScope[Row], error) {
	return openToAll().AsCount(), nil
}

// Tallies change with whatever anybody does.
func (c *openRows) Tallies(context.Context, struct{}) (tower.Scope[Tally], error) {
	return tallies.All(), nil
}

func (r *Row) Validate(*tower.Problems) { pass("validate") }

func (c *ownRows) Enter(ctx context.Context, in act) (struct{}, error) {
	c.SignIn(ctx, in.ID)
	return struct{}{}, nil
}

func (c *ownRows) Create(ctx context.Context, in act) (*Row, error) {
	row := &Row{Record: tower.Record{ID: in.ID}, OwnerID: c.UserID(), Place: in.Place, Public: in.Public}
	return row, c.do(ctx, func(tx *tower.Tx) error { return rows.Create(ctx, tx, row) })
}

func (c *ownRows) Update(ctx context.Context, in act) (row *Row, err error) {
	err = c.do(ctx, func(tx *tower.Tx) (err error) {
		row, err = rows.Update(ctx, tx, in.ID, func(r *Row) error {
			r.Place, r.Public = in.Place, in.Public
			r.Edits++
			return nil
		})
		return err
	})
	return row, err
}

func (c *ownRows) Delete(ctx context.Context, in act) (string, error) {
	return "gone", c.do(ctx, func(tx *tower.Tx) error { return rows.Delete(ctx, tx, in.ID) })
}

// Swap lets two rows change places.
func (c *ownRows) Swap(ctx context.Context, in act) (string, error) {
	return "swapped", c.do(ctx, func(tx *tower.Tx) error {
		a, err := rows.Find(ctx, tx, in.ID)
		b, err2 := rows.Find(ctx, tx, in.With)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		_, err = rows.Update(ctx, tx, a.ID, func(r *Row) error { r.Place = b.Place; return nil })
		_, err2 = rows.Update(ctx, tx, b.ID, func(r *Row) error { r.Place = a.Place; return nil })
		return errors.Join(err, err2)
	})
}

// Sight changes whether the member sees all rows.
func (c *ownRows) Sight(ctx context.Context, in act) (string, error) {
	return "changed", c.do(ctx, func(tx *tower.Tx) error {
		_, err := members.Update(ctx, tx, c.UserID(), func(m *Member) error { m.All = in.Public; return nil })
		return err
	})
}

// An act is the input of all that a member does.
type act struct {
	ID     tower.ID `json:"id,omitempty"`
	With   tower.ID `json:"with,omitempty"`
	Place  int      `json:"place"`
	Public bool     `json:"public"`
}

func (a act) text() []byte {
	data, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return data
}

var discarded = slog.New(slog.NewTextHandler(io.Discard, nil))
