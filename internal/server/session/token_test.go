package session

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// issue makes a token of a user for an hour.
func issue(t *testing.T, s *Sessions, user record.ID, actions string) (text string, id record.ID) {
	t.Helper()
	id = record.NewID()
	s.update(t, func(tx *store.Tx) error {
		row := &row{Record: record.Record{ID: id}, UserID: user, ExpiresAt: s.Now().Add(time.Hour)}
		row.Details = Details{Session: Session{Actions: actions}, Expires: row.ExpiresAt, Ends: row.ExpiresAt}
		text, row.Details.Token = NewToken(id)
		_, err := tx.Create(s.Tokens.Model, row)
		return err
	})
	return text, id
}

// ofToken returns the session of a request with a token, and why the token is not valid.
func ofToken(s *Sessions, authorization string) (Session, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", authorization)
	return s.Of(r, false), s.Check(r)
}

func TestATokenIsItsUsers(t *testing.T) {
	at := &clock{time.Now()}
	s := open(t, filepath.Join(t.TempDir(), "x.db"), at, firstSecret)
	text, id := issue(t, s, "ada", "posts.create users.*")
	r := request(t, s, start(t, s, "bob"))
	r.Header.Set("Authorization", "bearer "+text)
	got := s.Of(r, false)
	if err := s.Check(r); err != nil || got.User != "ada" || got.ID != id || !got.ByToken {
		t.Fatalf("beside bob's cookie, ada's token is %+v (%v)", got, err)
	}
	for name, want := range map[string]bool{"posts.create": true, "posts.delete": false, "users.delete": true, "users.": true, "posts.": false, "": false, "usersx.delete": false} {
		if got.Permits(name) != want {
			t.Errorf("it permits %q: %v", name, !want)
		}
	}
	if none := (Session{ByToken: true}); none.Permits("posts.create") {
		t.Error("a token without actions permits one")
	}
	if _, err := s.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if d, err := s.details(id); err != nil || d.Seen.IsZero() || d.Actions != "posts.create users.*" || !d.Expires.Equal(d.Ends) {
		t.Errorf("after its use it is %+v (%v)", d, err)
	}
	at.now = at.now.Add(time.Hour)
	if got, err := ofToken(s, "Bearer "+text); err == nil || got != (Session{}) {
		t.Errorf("after its time it is %+v", got)
	}
	if _, err := s.Sweep(t.Context(), []record.ID{id}); err != nil {
		t.Fatal(err)
	}
	if s.Has("ada", id) {
		t.Error("it is kept after its time")
	}
}

// TestWhoReadsTheStoreMakesNoToken makes tokens of what is stored, and of cookies.
func TestWhoReadsTheStoreMakesNoToken(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	text, id := issue(t, s, "ada", "*")
	other, _ := issue(t, s, "bob", "*")
	session := start(t, s, "ada")
	d, err := s.details(id)
	if err != nil {
		t.Fatal(err)
	}
	prefix := tokenPrefix + string(id)
	for _, forged := range []string{prefix, prefix + d.Token, prefix + other[len(prefix):], text + "x", text[:len(text)-1], tokenPrefix, tokenPrefix + "x",
		tokenPrefix + string(session.ID) + session.Token} {
		got, err := ofToken(s, "Bearer "+forged)
		if err == nil || fault.As(err).Code != fault.Unauthenticated || got != (Session{}) {
			t.Errorf("%q is %v's (%v)", forged, got.User, err)
		}
	}
	if got := s.Of(request(t, s, Name{ID: id, Token: text[len(prefix):]}), false); got != (Session{}) {
		t.Errorf("as a cookie, the token is %v's", got.User)
	}
	for _, others := range []string{"Basic " + text, text, "Bearer other", ""} { // not tower's
		if got, err := ofToken(s, others); err != nil || got != (Session{}) {
			t.Errorf("%q is %v's (%v)", others, got.User, err)
		}
	}
}

func TestACommitEndsTokens(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), nil, firstSecret)
	for what, change := range map[string]func(*row){
		"user": func(r *row) { r.UserID = "eve" }, "hash": func(r *row) { r.Details.Token = "x" }, "actions": func(r *row) { r.Details.Actions = "*" }} {
		_, id := issue(t, s, "ada", "posts.create")
		commit := s.update(t, func(tx *store.Tx) error {
			_, err := tx.Update(s.Tokens.Model, id, func(rec any) error {
				change(rec.(*row))
				return nil
			})
			return err
		})
		if ended := s.Ended(commit.Changes); len(ended) != 1 || ended[0].ID != id || ended[0].User != "ada" {
			t.Errorf("another %s has ended %v", what, ended)
		}
	}
	_, id := issue(t, s, "ada", "posts.create")
	if ended := s.Ended(s.update(t, func(tx *store.Tx) error { return s.touch(tx, id) }).Changes); len(ended) != 0 {
		t.Errorf("use has ended %v", ended)
	}
	if ended := s.Ended(s.update(t, func(tx *store.Tx) error { return s.End(tx, id) }).Changes); len(ended) != 1 || ended[0].ID != id {
		t.Errorf("its deletion has ended %v", ended)
	}
}
