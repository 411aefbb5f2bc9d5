package audit

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire/replica"
)

type entry struct {
	record.Record
	Text string `json:"text"`
}

func newAuditor(t *testing.T, options store.Options) (*Auditor, *record.Model) {
	t.Helper()
	m, err := record.NewModel("entries", &entry{})
	if err != nil {
		t.Fatal(err)
	}
	options.Models = []*record.Model{m}
	folder := t.TempDir()
	s, err := store.Open(filepath.Join(folder, "audit.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return New(Options{Every: time.Minute, Folder: filepath.Join(folder, "divergences"), Store: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), m
}

func add(t *testing.T, a *Auditor, m *record.Model) uint64 {
	t.Helper()
	c, err := a.Store.Update(t.Context(), "test", func(tx *store.Tx) error {
		_, err := tx.Create(m, &entry{Text: "x"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Seq
}

func claim(m *record.Model, seq uint64, held replica.Sum) *Claim {
	return &Claim{Party: limit.Party{User: "ada"}, Seq: seq, Held: held, Opened: Opening{Cursor: "entries.all"},
		Spec:     func(context.Context) (cursor.Spec, error) { return cursor.Spec{Scope: query.Scope{Model: m}}, nil },
		Followed: func(context.Context) []query.Scope { return nil }}
}

// right returns what a client holds after a commit.
func right(t *testing.T, a *Auditor, m *record.Model, seq uint64) replica.Sum {
	t.Helper()
	held, err := a.read(t.Context(), claim(m, seq, replica.Sum{}))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := held.Sum(false)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestAClaimIsComparedAsOfItsCommit(t *testing.T) {
	a, m := newAuditor(t, store.Options{})
	_, err := a.Store.Update(t.Context(), "test", func(tx *store.Tx) (err error) {
		for range partSize + 10 { // more than one part
			if _, err = tx.Create(m, &entry{Text: "x"}); err != nil {
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seq := add(t, a, m)
	sum := right(t, a, m, seq)
	add(t, a, m)
	a.check(t.Context(), claim(m, seq, sum))
	a.check(t.Context(), claim(m, seq+1, sum))
	if got := a.Counts(); got != (Counts{Equal: 1, Divergences: 1}) {
		t.Errorf("the counts are %+v", got)
	}
	if got := len(sum.Rows); got != replica.MaxRows {
		t.Errorf("%d rows", got)
	}
}

func TestAClaimOfACommitThatIsGoneIsSkipped(t *testing.T) {
	now := time.Now()
	options := store.Options{LogAge: time.Minute, Now: func() time.Time { return now }}
	a, m := newAuditor(t, options)
	seq := add(t, a, m)
	for range 10 {
		now = now.Add(time.Hour)
		add(t, a, m)
	}
	path := filepath.Join(filepath.Dir(a.Folder), "audit.db")
	if err := a.Store.Close(); err != nil { // it keeps the newest commits in memory, too
		t.Fatal(err)
	}
	options.Models = []*record.Model{m}
	var err error
	if a.Store, err = store.Open(path, options); err != nil {
		t.Fatal(err)
	}
	defer a.Store.Close()
	a.check(t.Context(), claim(m, seq, replica.Sum{All: 1}))
	if got := a.Counts(); got != (Counts{Expired: 1}) {
		t.Errorf("the counts are %+v", got)
	}
}

func TestAClaimWhoseRightsMayHaveChangedIsSkipped(t *testing.T) {
	a, m := newAuditor(t, store.Options{})
	seq := add(t, a, m)
	for at := range 2 { // before the records are read, and after
		asked := 0
		c := claim(m, seq, replica.Sum{All: 1})
		spec := c.Spec
		c.Spec = func(ctx context.Context) (cursor.Spec, error) {
			if asked++; asked > at {
				return cursor.Spec{}, ErrMoved
			}
			return spec(ctx)
		}
		a.check(t.Context(), c)
	}
	if got := a.Counts(); got != (Counts{Moved: 2}) {
		t.Errorf("the counts are %+v", got)
	}
}

func TestARuleThatPanicsDeniesInANaiveReading(t *testing.T) {
	a, m := newAuditor(t, store.Options{})
	seq := add(t, a, m)
	c := claim(m, seq, replica.Sum{})
	spec := c.Spec
	c.Spec = func(ctx context.Context) (cursor.Spec, error) {
		s, err := spec(ctx)
		s.Allow = func(*record.Image) bool { panic("no") }
		return s, err
	}
	held, err := a.read(t.Context(), c)
	if err != nil || len(held.Images) != 0 {
		t.Errorf("read %v, %v", held, err)
	}
}

// TestTheAuditorBoundsWhoAsks submits more than it takes, without running it.
func TestTheAuditorBoundsWhoAsks(t *testing.T) {
	a, m := newAuditor(t, store.Options{})
	seq := add(t, a, m)
	for range 3 * perParty {
		a.Submit(claim(m, seq, replica.Sum{}))
	}
	for _, user := range []string{"bob", "carl", "dora", "eve", "fay", "gil", "hal"} {
		c := claim(m, seq, replica.Sum{})
		c.Party.User = user
		a.Submit(c)
	}
	if got := a.Counts(); got.Often != 2*perParty || got.Busy != perParty+7-maxWaiting {
		t.Errorf("the counts are %+v", got)
	}
}

func TestAModelWithTooManyRecordsIsSkipped(t *testing.T) {
	a, m := newAuditor(t, store.Options{})
	seq := add(t, a, m)
	p := &parts{ctx: t.Context(), store: a.Store, seq: seq, examined: MaxRecords}
	err := p.Each(m, func(*record.Image) error { return nil })
	if !errors.Is(err, errLarge) {
		t.Errorf("got %v", err)
	}
}
