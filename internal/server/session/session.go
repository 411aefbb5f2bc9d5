// Package session knows who is signed in, and on which device. Signing in starts a
// [Session], which its client keeps in a sealed cookie: clients can read a cookie and
// cannot forge one. A cookie is valid for 30 days, until its session is ended, alone or
// with all sessions of its user. What has been ended is kept in the store, as marks, for
// as long as its cookie would be valid otherwise.
//
// It also seals the lists that a page shows, and the tickets by which a client that signed in
// over a socket gets its cookie. What has been sealed can be opened on every node. Its methods are safe for concurrent use.
package session

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

const (
	cookieName = edge.SessionCookie // also what its contents are sealed for
	cookieAge  = 30 * 24 * time.Hour

	// maxEnded is how many ended sessions of a user are known one by one. Beyond, the
	// older half is forgotten, and so all sessions that are older than them end.
	maxEnded = 64

	// maxSkew is how far the clocks of nodes may differ: the numbers of sessions that have
	// started on another node may be ahead of this one's.
	maxSkew = 10 * time.Second
)

// A Session is one signed-in device. The zero value is a visitor's.
type Session struct {
	User   record.ID `json:"user"`
	Number int64     `json:"session"` // the time of its start in microseconds; no two of a user's have the same
}

// Since returns when the session started.
func (s Session) Since() time.Time { return time.UnixMicro(s.Number).UTC() }

// Sessions starts, finds and ends sessions.
type Sessions struct {
	store  *store.Store
	sealer sealer

	mu         sync.Mutex
	lastNumber int64
}

// New returns the sessions of a store. Cookies are sealed with the first secret, and
// opened with each of them.
func New(st *store.Store, secrets []string) *Sessions {
	return &Sessions{store: st, sealer: newSealer(secrets)}
}

// Start returns a new session of a user, and a visitor's for "".
func (s *Sessions) Start(user record.ID) (Session, error) {
	if user == "" {
		return Session{}, nil
	}
	ended, err := s.ended(user)
	if err != nil {
		return Session{}, fmt.Errorf("start a session: %w", err)
	}
	return Session{User: user, Number: s.number(ended.before)}, nil
}

// number returns the time, or a later one that is newer than all numbers before.
func (s *Sessions) number(after int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastNumber = max(time.Now().UnixMicro(), s.lastNumber+1, after+1)
	return s.lastNumber
}

// Of returns the session of a request: the one in its cookie, or a visitor's if that has
// ended. Over HTTPS, secure, it is another cookie than over HTTP.
func (s *Sessions) Of(r *http.Request, secure bool) Session {
	if session := s.Named(r, secure); s.Live(session) {
		return session
	}
	return Session{}
}

// Named returns the session that a request's cookie names, even if it has ended.
func (s *Sessions) Named(r *http.Request, secure bool) Session {
	cookie, err := r.Cookie(edge.CookieName(cookieName, secure))
	if err != nil {
		return Session{}
	}
	var session Session
	if s.sealer.open(cookieName, cookie.Value, &session) != nil || session.Number == 0 {
		return Session{}
	}
	return session
}

// Live reports whether a session has not ended. A visitor's never does. A session is not
// live if that is unknown, because the store cannot be read.
func (s *Sessions) Live(session Session) bool {
	if session.User == "" {
		return true
	}
	ended, err := s.ended(session.User)
	return err == nil && !ended.has(session.Number)
}

// End ends a session for good, and returns when the disk knows. Ending a visitor's
// session does nothing.
func (s *Sessions) End(session Session) error {
	if session.User == "" {
		return nil
	}
	return s.mark(session.User, func(e *ended) { e.add(session.Number) })
}

// EndAll ends all sessions of a user that have started. Sessions that start later are not
// affected.
func (s *Sessions) EndAll(user record.ID) error {
	return s.mark(user, func(e *ended) {
		*e = ended{before: s.number(e.before)}
		if s.store.SharesLog() {
			e.before += maxSkew.Microseconds()
		}
	})
}

func (s *Sessions) mark(user record.ID, change func(*ended)) error {
	err := s.store.SetMark(markName(user), time.Now().Add(cookieAge), func(text []byte) []byte {
		e := decodeEnded(text)
		change(&e)
		return e.encode()
	})
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

func (s *Sessions) ended(user record.ID) (ended, error) {
	text, err := s.store.Mark(markName(user))
	return decodeEnded(text), err
}

const markPrefix = "ended/"

func markName(user record.ID) string { return markPrefix + string(user) }

// Ended returns the users of whom a commit has ended sessions. Only nodes that share a log
// learn it in this way.
func Ended(commit store.Commit) (users []record.ID) {
	for i := range commit.Changes {
		name, _ := store.ChangedMark(&commit.Changes[i])
		if user, is := strings.CutPrefix(name, markPrefix); is {
			users = append(users, record.ID(user))
		}
	}
	return users
}

// An ended value lists the sessions of a user that have ended: those up to the number
// before, and single ones. Its stored form is these numbers, 8 bytes each.
type ended struct {
	before int64
	single []int64 // in the order of their end
}

func (e *ended) has(number int64) bool {
	return number <= e.before || slices.Contains(e.single, number)
}

func (e *ended) add(number int64) {
	if e.has(number) {
		return
	}
	e.single = append(e.single, number)
	if len(e.single) <= maxEnded {
		return
	}
	slices.Sort(e.single)
	e.before = e.single[maxEnded/2]
	e.single = e.single[maxEnded/2+1:]
}

func (e *ended) encode() []byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(e.before))
	for _, number := range e.single {
		text = binary.BigEndian.AppendUint64(text, uint64(number))
	}
	return text
}

func decodeEnded(text []byte) (e ended) {
	for i := 0; i+8 <= len(text); i += 8 {
		number := int64(binary.BigEndian.Uint64(text[i:]))
		if i == 0 {
			e.before = number
		} else {
			e.single = append(e.single, number)
		}
	}
	return e
}

// newCookie returns an empty cookie, for HTTPS only if secure.
func newCookie(name string, secure bool, age time.Duration) *http.Cookie {
	return &http.Cookie{Name: edge.CookieName(name, secure), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: int(age.Seconds())}
}

// Cookie returns the cookie of a session, for HTTPS only if secure. A visitor's deletes the
// cookie.
func (s *Sessions) Cookie(session Session, secure bool) (*http.Cookie, error) {
	cookie := newCookie(cookieName, secure, cookieAge)
	if session.User == "" {
		cookie.MaxAge = -1
		return cookie, nil
	}
	var err error
	if cookie.Value, err = s.sealer.seal(cookieName, session); err != nil {
		return nil, fmt.Errorf("seal the session: %w", err)
	}
	return cookie, nil
}

// Set adds the cookie of a session to a response, for HTTPS only if secure.
func (s *Sessions) Set(w http.ResponseWriter, secure bool, session Session) error {
	cookie, err := s.Cookie(session, secure)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie)
	return nil
}
