package session

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

const (
	firstSecret  = "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF"
	secondSecret = "Q1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6"
)

func open(t *testing.T, path string, secrets ...string) *Sessions {
	t.Helper()
	st, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return New(st, secrets)
}

func start(t *testing.T, s *Sessions, user record.ID) Session {
	t.Helper()
	session, err := s.Start(user)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// request returns a request with the cookie of a session.
func request(t *testing.T, s *Sessions, session Session) *http.Request {
	t.Helper()
	cookie, err := s.Cookie(session, false)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	return r
}

func TestASessionEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path, firstSecret)
	phone, laptop, other := start(t, s, "ada"), start(t, s, "ada"), start(t, s, "bob")
	expect := func(want map[Session]bool) {
		t.Helper()
		for session, live := range want {
			if got := s.Of(request(t, s, session), false); live && got != session || !live && got != (Session{}) {
				t.Errorf("the cookie of %v is %v's; live is %v", session, got, live)
			}
			if s.Named(request(t, s, session), false) != session {
				t.Errorf("the cookie of %v does not name it", session)
			}
		}
	}
	expect(map[Session]bool{phone: true, laptop: true, other: true})
	if err := s.End(phone); err != nil {
		t.Fatal(err)
	}
	expect(map[Session]bool{phone: false, laptop: true, other: true})

	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, firstSecret)
	expect(map[Session]bool{phone: false, laptop: true, other: true})

	ticket, err := s.Issue(Ticket{Session: &laptop})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndAll("ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), ticket); err == nil {
		t.Error("a ticket survives its session")
	}
	again := start(t, s, "ada")
	expect(map[Session]bool{phone: false, laptop: false, again: true, other: true})
}

func TestAClockThatGoesBack(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), firstSecret)
	s.lastNumber = 1 << 60 // the clock was far ahead
	early := start(t, s, "ada")
	if err := s.EndAll("ada"); err != nil {
		t.Fatal(err)
	}
	s.lastNumber = 0 // and a restart has put it right
	late := start(t, s, "ada")
	if s.Live(early) || !s.Live(late) {
		t.Errorf("live are the early session: %v, and the late one: %v", s.Live(early), s.Live(late))
	}
}

func TestEndedSessionsAreBounded(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), firstSecret)
	var all []Session
	for range 3 * maxEnded {
		session := start(t, s, "ada")
		all = append(all, session)
		if err := s.End(session); err != nil {
			t.Fatal(err)
		}
	}
	for _, session := range all {
		if s.Live(session) {
			t.Errorf("%v is live again", session)
		}
	}
	if ended, err := s.ended("ada"); err != nil || len(ended.single) > maxEnded {
		t.Errorf("%d ended sessions are kept (%v)", len(ended.single), err)
	}
	if !s.Live(start(t, s, "ada")) {
		t.Error("a new session has ended")
	}
}

func TestAKeyIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	old := open(t, path, firstSecret)
	ada := start(t, old, "ada")
	r := request(t, old, ada)
	list, err := old.SealList(List{Cursor: "posts.all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		secrets []string
		want    Session
	}{
		{"both", []string{secondSecret, firstSecret}, ada},
		{"the new one", []string{secondSecret}, Session{}},
		{"the old one", []string{firstSecret}, ada},
	} {
		s := New(old.store, c.secrets)
		if got := s.Of(r, false); got != c.want {
			t.Errorf("with %s, the old cookie is %v's", c.name, got)
		}
		if _, err := s.OpenList(list); (err == nil) != (c.want == ada) {
			t.Errorf("with %s, the list of a page: %v", c.name, err)
		}
		if sealed := request(t, s, ada); New(old.store, c.secrets[:1]).Of(sealed, false) != ada {
			t.Errorf("with %s, the first key does not open what was sealed", c.name)
		}
	}
}

func TestForgedCookies(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"), firstSecret)
	good, err := s.Cookie(start(t, s, "ada"), false)
	if err != nil {
		t.Fatal(err)
	}
	unnumbered, err := s.sealer.seal(cookieName, map[string]string{"user": "ada"})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "ada", good.Value[1:], strings.ToLower(good.Value), unnumbered, strings.Repeat("x", 5000)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
		if got := s.Of(r, false); got != (Session{}) {
			t.Errorf("the cookie %.40q is %v's", value, got)
		}
	}
	if s.Live(Session{User: "ada", Number: 1}) != true {
		t.Error("only what has ended is not live")
	}
	_ = s.store.Close()
	if s.Live(Session{User: "ada", Number: 1}) {
		t.Error("a session is live although the store cannot be read")
	}
}
