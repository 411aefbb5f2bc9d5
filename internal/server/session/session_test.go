package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

const (
	firstSecret  = "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF"
	secondSecret = "Q1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6"
)

type row struct {
	record.Record
	Details   Details   `json:"details"`
	UserID    record.ID `json:"userId" tower:"index"`
	ExpiresAt time.Time `json:"expiresAt" tower:"index"`
}

// table returns a model of sessions or tokens, as package tower has one of each.
func table(t *testing.T, name string) *typed.Table[Details] {
	t.Helper()
	m, err := record.NewModel(name, &row{})
	if err != nil {
		t.Fatal(err)
	}
	return &typed.Table[Details]{Model: m,
		Read: func(rec any) Details {
			r := rec.(*row)
			d := r.Details
			d.Session = Session{ID: r.ID, User: r.UserID, Since: r.CreatedAt, Token: d.Token, ByToken: name == "tokens", Actions: d.Actions}
			return d
		},
		Write: func(rec any, d *Details) {
			r := rec.(*row)
			r.Details, r.UserID, r.ExpiresAt = *d, d.User, d.Expires
		}}
}

// A clock is in the test's hand.
type clock struct{ now time.Time }

func open(t *testing.T, path string, at *clock, secrets ...string) *Sessions {
	t.Helper()
	if at == nil {
		at = &clock{time.Now()}
	}
	return openAt(t, path, func() time.Time { return at.now }, secrets...)
}

func openAt(t *testing.T, path string, now func() time.Time, secrets ...string) *Sessions {
	t.Helper()
	sessions, tokens := table(t, "sessions"), table(t, "tokens")
	st, err := store.Open(path, store.Options{Models: []*record.Model{sessions.Model, tokens.Model}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return New(st, Options{Table: sessions, Tokens: tokens, Secrets: secrets, Idle: 24 * time.Hour, Age: 240 * time.Hour, Now: now})
}

func start(t *testing.T, s *Sessions, user record.ID) Name {
	t.Helper()
	name, err := s.Start(t.Context(), "test", Start{User: user}, Session{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// request returns a request with the cookie of a session.
func request(t *testing.T, s *Sessions, name Name) *http.Request {
	t.Helper()
	cookie, err := s.Cookie(name, false)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	return r
}

func (s *Sessions) update(t *testing.T, fn func(*store.Tx) error) store.Commit {
	t.Helper()
	commit, err := s.store.Update(t.Context(), "test", fn)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

// A life is what the model knows of a session.
type life struct {
	user       record.ID
	seen, ends time.Time
	ended      bool
}

// TestSessionsAgainstAModel signs in, uses, ends and lets pass time at random.
func TestSessionsAgainstAModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	at := &clock{time.Now().UTC().Truncate(time.Microsecond)}
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path, at, firstSecret)
	all := map[Name]*life{}
	live := func(l *life) bool {
		return !l.ended && at.now.Before(l.ends) && at.now.Before(l.seen.Add(s.Idle))
	}
	pick := func() (Name, *life) {
		for name, l := range all {
			return name, l
		}
		return Name{}, nil
	}
	for range 600 {
		switch name, l := pick(); rng.IntN(8) {
		case 0, 1:
			begin := Start{User: record.ID(fmt.Sprintf("user%d", rng.IntN(3))), Age: time.Duration(rng.IntN(300)) * time.Hour, Agent: strings.Repeat("ä", rng.IntN(400))}
			age := s.Age
			if begin.Age > 0 {
				age = min(age, begin.Age)
			}
			name, err := s.Start(t.Context(), "test", begin, Session{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = &life{user: begin.User, seen: at.now, ends: at.now.Add(age)}
		case 2:
			at.now = at.now.Add(time.Duration(rng.IntN(20)) * time.Hour)
		case 3:
			var used []record.ID
			for name, l := range all {
				if rng.IntN(2) == 0 && live(l) {
					used = append(used, name.ID)
					l.seen = at.now
				}
			}
			if _, err := s.Sweep(t.Context(), used); err != nil {
				t.Fatal(err)
			}
		case 4:
			if l != nil && !l.ended {
				s.update(t, func(tx *store.Tx) error { return errOrGone(s.End(tx, name.ID)) })
				l.ended = true
			}
		case 5:
			if l != nil && rng.IntN(4) == 0 {
				s.update(t, func(tx *store.Tx) error { return s.EndAll(context.Background(), tx, l.user) })
				for _, other := range all {
					other.ended = other.ended || other.user == l.user
				}
			}
		case 6:
			if l != nil && live(l) {
				fresh, err := s.Start(t.Context(), "test", Start{User: l.user}, Session{ID: name.ID}, nil)
				if err != nil {
					t.Fatal(err)
				}
				l.ended = true
				all[fresh] = &life{user: l.user, seen: at.now, ends: at.now.Add(s.Age)}
			}
		case 7:
			if err := s.store.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path, at, firstSecret)
		}
		for name, l := range all {
			d, err := s.find(t.Context(), name)
			if (err == nil) != live(l) || err == nil && d.User != l.user || s.Live(Session{ID: name.ID, User: l.user, Token: hash(name.Token)}) != live(l) {
				t.Fatalf("a session is live: %v, want %v (%v)", err == nil, live(l), err)
			}
			if r := request(t, s, name); s.Named(r, false) != name {
				t.Fatal("a cookie does not name its session")
			}
		}
	}
}

func errOrGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// TestUseIsNotedNowAndThen uses a session all the time: few commits note that, and it goes on
// until its age is over.
func TestUseIsNotedNowAndThen(t *testing.T) {
	at := &clock{time.Now()}
	s := open(t, filepath.Join(t.TempDir(), "x.db"), at, firstSecret)
	name := start(t, s, "ada")
	began, before := at.now, s.store.Seq()
	for at.now.Sub(began) < s.Age-time.Minute {
		if s.Of(request(t, s, name), false).User != "ada" {
			t.Fatalf("the session has ended after %v", at.now.Sub(began))
		}
		if _, err := s.Sweep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		at.now = at.now.Add(11 * time.Minute)
	}
	if commits := s.store.Seq() - before; commits < 100 || commits > 240 {
		t.Errorf("%d commits in ten days", commits)
	}
	at.now = began.Add(s.Age)
	if s.Of(request(t, s, name), false) != (Session{}) {
		t.Error("the session goes on after its age")
	}
	if _, err := s.Sweep(t.Context(), []record.ID{name.ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.View(t.Context(), func(snap *store.Snapshot) error {
		if all, err := s.List(snap, ""); err != nil || len(all) != 0 {
			t.Errorf("%d sessions are kept (%v)", len(all), err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestACommitEndsSessions(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	ada, bob := start(t, s, "ada"), start(t, s, "bob")
	touched := s.update(t, func(tx *store.Tx) error { return s.touch(tx, ada.ID) })
	if ended := s.Ended(touched.Changes); len(ended) != 0 {
		t.Errorf("use has ended %v", ended)
	}
	ended := s.Ended(s.update(t, func(tx *store.Tx) error { return s.End(tx, ada.ID) }).Changes)
	if len(ended) != 1 || ended[0].ID != ada.ID || ended[0].User != "ada" {
		t.Errorf("the commit has ended %v", ended)
	}
	for what, change := range map[string]func(*row){"user": func(r *row) { r.UserID = "eve" }, "token": func(r *row) { r.Details.Token = hash("x") }} {
		commit := s.update(t, func(tx *store.Tx) error {
			_, err := tx.Update(s.Table.Model, bob.ID, func(rec any) error {
				change(rec.(*row))
				return nil
			})
			return err
		})
		if ended := s.Ended(commit.Changes); len(ended) != 1 {
			t.Errorf("another %s has ended %v", what, ended)
		}
	}
}

func TestATicketDoesNotOutliveItsSession(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	ada := start(t, s, "ada")
	ticket, err := s.Issue(Ticket{Session: &ada})
	if err != nil {
		t.Fatal(err)
	}
	s.update(t, func(tx *store.Tx) error { return s.End(tx, ada.ID) })
	if _, err := s.Redeem(t.Context(), ticket); err == nil {
		t.Error("a ticket survives its session")
	}
}

// TestWhoReadsTheStoreSignsInAsNobody makes cookies of what is stored.
func TestWhoReadsTheStoreSignsInAsNobody(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	ada, bob := start(t, s, "ada"), start(t, s, "bob")
	d, err := s.details(ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []Name{{ID: ada.ID}, {ID: ada.ID, Token: d.Token}, {ID: ada.ID, Token: bob.Token}, {ID: "x", Token: ada.Token}, {Token: ada.Token}} {
		if got := s.Of(request(t, s, forged), false); got != (Session{}) {
			t.Errorf("%+v is %v", forged, got)
		}
	}
	other := open(t, filepath.Join(t.TempDir(), "y.db"), nil, secondSecret)
	if got := s.Of(request(t, other, ada), false); got != (Session{}) {
		t.Errorf("a cookie with the seal of another application is %v's", got)
	}
}

func TestAKeyIsReplaced(t *testing.T) {
	old := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	ada := start(t, old, "ada")
	r := request(t, old, ada)
	list, err := old.SealList(List{Cursor: "posts.all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		secrets []string
		want    record.ID
	}{
		{"both", []string{secondSecret, firstSecret}, "ada"},
		{"the new one", []string{secondSecret}, ""},
		{"the old one", []string{firstSecret}, "ada"},
	} {
		o := old.Options
		o.Secrets = c.secrets
		s := New(old.store, o)
		if got := s.Of(r, false); got.User != c.want {
			t.Errorf("with %s, the old cookie is %v's", c.name, got)
		}
		if _, err := s.OpenList(list); (err == nil) != (c.want == "ada") {
			t.Errorf("with %s, the list of a page: %v", c.name, err)
		}
		o.Secrets = c.secrets[:1]
		if sealed := request(t, s, ada); New(old.store, o).Of(sealed, false).User != "ada" {
			t.Errorf("with %s, the first key does not open what was sealed", c.name)
		}
	}
}

func TestForgedCookies(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	ada := start(t, s, "ada")
	good, err := s.Cookie(ada, false)
	if err != nil {
		t.Fatal(err)
	}
	unnamed, err := s.sealer.seal(cookieName, map[string]string{"user": "ada"})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "ada", good.Value[1:], strings.ToLower(good.Value), unnamed, strings.Repeat("x", 5000)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
		if got := s.Of(r, false); got != (Session{}) {
			t.Errorf("the cookie %.40q is %v's", value, got)
		}
	}
	one := Session{ID: ada.ID, User: "ada", Token: hash(ada.Token)}
	if !s.Live(one) || s.Live(Session{ID: ada.ID, User: "bob", Token: one.Token}) || s.Live(Session{ID: ada.ID, User: "ada", Token: hash("x")}) {
		t.Error("a session is live for its user and its token alone")
	}
	_ = s.store.Close()
	if s.Live(one) {
		t.Error("a session is live although the store cannot be read")
	}
}

// A changed record is decoded again, also within the transaction that changes it. The cache has a bound.
func TestAChangedSessionIsReadAnew(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "sessions.db"), time.Now, firstSecret)
	name := start(t, s, "01J00000000000000000000000")
	if _, err := s.find(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Update(t.Context(), "test", func(tx *store.Tx) error {
		before, table, err := s.in(tx, name.ID)
		if err != nil {
			return err
		}
		before.Label = "renamed"
		if err := table.Put(tx, name.ID, &before); err != nil {
			return err
		}
		if now, _, err := s.in(tx, name.ID); err != nil || now.Label != "renamed" {
			t.Errorf("the transaction sees the label %q: %v", now.Label, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if now, err := s.find(t.Context(), name); err != nil || now.Label != "renamed" {
		t.Errorf("the label is %q: %v", now.Label, err)
	}
	for i := range mostDecoded + 10 {
		s.decoded.all[record.ID(fmt.Sprint(i))] = &decodedRecord{}
	}
	s.decoded.all[name.ID] = nil
	if _, err := s.find(t.Context(), name); err != nil || len(s.decoded.all) > mostDecoded {
		t.Errorf("%d sessions are remembered: %v", len(s.decoded.all), err)
	}
}
