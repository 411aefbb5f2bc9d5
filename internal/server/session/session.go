// Package session knows who is signed in, and on which device. Signing in starts a
// [Session]: a record, which the sealed cookie of its client names by a token. The record
// has the hash of the token, so that who reads the store can sign in as nobody. A session
// ends when its record is deleted, in whatever way, or when its time is over. The same holds for
// a token, which a program sends in place of a cookie, and which may do a part of what its user
// may: it has a record of its own, and is a session of its own.
//
// It also seals the lists that a page shows, and the tickets by which a client that signed in
// over a socket gets its cookie. What has been sealed can be opened on every node. Its methods are safe for concurrent use.
package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

const cookieName = edge.SessionCookie // also what its contents are sealed for

// A Session is one signed-in device, or a token. The zero value is a visitor's.
type Session struct {
	ID    record.ID
	User  record.ID
	Since time.Time
	Token string // the hash of its token

	ByToken bool
	Actions string // those that a token may use, separated by spaces: see Permits

	Actor record.ID // who sees the application as the user, in a sandbox; "": nobody
	Under record.ID // the actor's own session, which the sandbox ends with

	name Name // what its cookie says; the zero value if Of has not found it
}

// A Details value is the content of the record of a session or a token.
type Details struct {
	Session
	Method  string // how the user has shown who they are
	Label   string // of the device or the token, for people
	Address string // where it was last seen
	Agent   string
	Seen    time.Time
	Expires time.Time // if it is not seen before
	Ends    time.Time
}

// Options are those of [New].
type Options struct {
	Table   *typed.Table[Details] // whose fields userId and expiresAt are indexed
	Tokens  *typed.Table[Details] // as well
	Secrets []string              // cookies are sealed with the first, and opened with each
	Idle    time.Duration         // after which a session that is not used ends
	Age     time.Duration         // after which each ends
	Now     func() time.Time
}

// Sessions starts, finds and ends sessions.
type Sessions struct {
	Options
	store   *store.Store
	sealer  sealer
	uses    uses
	decoded decoded
}

// New returns the sessions of a store.
func New(st *store.Store, o Options) *Sessions {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sessions{Options: o, store: st, sealer: newSealer(o.Secrets, o.Age), uses: newUses(), decoded: decoded{all: map[record.ID]*decodedRecord{}}}
}

// maxAgent is how many bytes of a user agent are kept.
const maxAgent = 300

// A Start says who signs in, and where.
type Start struct {
	User    record.ID     `json:"user"`
	Method  string        `json:"method,omitempty"`
	Address string        `json:"-"`
	Agent   string        `json:"-"`
	Age     time.Duration `json:"age,omitempty"` // after which the session ends; 0: that of all
	Sandbox Sandbox       `json:"sandbox,omitempty"`
}

// A Name is what the cookie of a client says of its session. The zero value is a visitor's.
type Name struct {
	ID    record.ID `json:"session"`
	Token string    `json:"token"`
	Seq   uint64    `json:"seq"`            // the commit that started it
	Back  *Name     `json:"back,omitempty"` // of a sandbox: the actor's own session

	bearer bool // it is a token's
}

// Start starts a session, with a commit by an author. The client's own session, a visitor's if it has
// none, ends in the same commit, unless a sandbox starts in it. For a visitor there is only that. before
// is called with the transaction before it commits; nil is not.
func (s *Sessions) Start(ctx context.Context, by string, start Start, own Session, before func(*store.Tx)) (Name, error) {
	var n Name
	commit, err := s.store.Update(ctx, by, func(tx *store.Tx) (err error) {
		if n, err = s.become(tx, start, own); err != nil {
			return err
		}
		if before != nil {
			before(tx)
		}
		return nil
	})
	if err != nil {
		return Name{}, fmt.Errorf("start a session: %w", err)
	}
	if n.ID != "" {
		n.Seq = commit.Seq
	}
	return n, nil
}

// become starts the session of a client, and ends its own.
func (s *Sessions) become(tx *store.Tx, start Start, own Session) (n Name, err error) {
	switch start.Sandbox {
	case Enter:
		return s.enter(tx, start, own)
	case Leave:
		return s.leave(tx, own)
	}
	if over := cmp.Or(own.Under, own.ID); over != "" { // a sandbox ends with it
		if err := s.End(tx, over); err != nil && !errors.Is(err, store.ErrNotFound) {
			return Name{}, err
		}
	}
	if start.User != "" {
		n, err = s.create(tx, start, Session{})
	}
	return n, err
}

// create creates the record of a session. within is the session of the actor whose sandbox it is, a
// visitor's if it is none.
func (s *Sessions) create(tx *store.Tx, start Start, within Session) (Name, error) {
	age, now, token := s.Age, tx.Now(), rand.Text()
	if start.Age > 0 {
		age = min(age, start.Age)
	}
	d := Details{Session: Session{User: start.User, Token: hash(token), Actor: within.User, Under: within.ID}, Method: start.Method, Label: edge.Device(start.Agent), Address: start.Address,
		Agent: strings.ToValidUTF8(start.Agent[:min(len(start.Agent), maxAgent)], ""), Seen: now, Ends: now.Add(age)}
	d.Expires = s.expiry(&d)
	image, err := s.Table.Create(tx, &d)
	if err != nil {
		return Name{}, err
	}
	return Name{ID: image.ID, Token: token}, nil
}

// expiry returns when a session ends that is not used any more. A token has its time, however it
// is used.
func (s *Sessions) expiry(d *Details) time.Time {
	if idle := d.Seen.Add(s.Idle); !d.ByToken && idle.Before(d.Ends) {
		return idle
	}
	return d.Ends
}

// hash returns how a token is stored. Tokens are random, so one round will do.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Of returns the session of a request, and counts that as a use of it: the one that its
// token or else its cookie names, or a visitor's if that has ended. Over HTTPS, secure, it is another cookie
// than over HTTP. If the session has started on another node, Of waits for that commit, for two seconds at most.
func (s *Sessions) Of(r *http.Request, secure bool) Session {
	n := s.Named(r, secure)
	if n.ID == "" {
		return Session{}
	}
	d, err := s.find(r.Context(), n)
	if err != nil {
		return Session{}
	}
	s.uses.note(&d)
	d.name = n
	return d.Session
}

const catchUp = 2 * time.Second

// Named returns what a request's token names, or else its cookie, even if that has ended. Only
// what a cookie names is known to have existed.
func (s *Sessions) Named(r *http.Request, secure bool) (n Name) {
	if text, has := bearer(r); has {
		return named(text)
	}
	cookie, err := r.Cookie(edge.CookieName(cookieName, secure))
	if err != nil || s.sealer.open(cookieName, cookie.Value, &n) != nil {
		return Name{}
	}
	return n
}

// errOver is why a session is not found.
var errOver = errors.New("the session has ended")

// find returns a session that has not ended.
func (s *Sessions) find(ctx context.Context, n Name) (Details, error) {
	if n.Seq > s.store.Seq() {
		ctx, cancel := context.WithTimeout(ctx, catchUp)
		defer cancel()
		if err := s.store.Reach(ctx, n.Seq); err != nil {
			return Details{}, err
		}
	}
	d, err := s.details(n.ID)
	if same := subtle.ConstantTimeCompare([]byte(d.Token), []byte(hash(n.Token))) == 1; err == nil && (!same || d.ByToken != n.bearer) {
		err = errOver
	}
	return d, err
}

// details returns those of a session that has not ended.
func (s *Sessions) details(id record.ID) (d Details, err error) {
	err = s.store.View(context.Background(), func(snap *store.Snapshot) (err error) {
		d, err = s.get(snap, id)
		return err
	})
	if err == nil && !d.Expires.After(s.Now()) {
		err = errOver
	}
	return d, err
}

func (s *Sessions) get(snap *store.Snapshot, id record.ID) (Details, error) {
	d, _, err := s.read(snap.Get, id)
	return d, err
}

// read returns the content of a record that get finds, and its table.
func (s *Sessions) read(get func(*record.Model, record.ID) (*record.Image, error), id record.ID) (d Details, t *typed.Table[Details], err error) {
	for _, t = range s.tables() {
		var image *record.Image
		if image, err = get(t.Model, id); err == nil {
			d, err = s.decoded.of(t, image)
		}
		if !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	return d, t, err
}

// Live reports whether a session has not ended. A visitor's never does. A session is not
// live if that is unknown, because the store cannot be read.
func (s *Sessions) Live(session Session) bool {
	if session.ID == "" {
		return true
	}
	d, err := s.details(session.ID)
	return err == nil && s.is(&d, session)
}

// LiveIn returns [store.ErrNotFound] if a session has ended, as a transaction sees it, which then
// conflicts with one that ends it.
func (s *Sessions) LiveIn(tx *store.Tx, session Session) error {
	d, _, err := s.in(tx, session.ID)
	if err == nil && !s.is(&d, session) {
		err = store.ErrNotFound
	}
	return err
}

// is reports whether a record is still that of the session which was found.
func (s *Sessions) is(d *Details, found Session) bool {
	return d.Expires.After(s.Now()) && d.User == found.User && d.Token == found.Token && d.Actions == found.Actions && d.Actor == found.Actor && d.Under == found.Under
}

// Has reports whether a user has the session or the token with an id.
func (s *Sessions) Has(user, id record.ID) bool {
	d, err := s.details(id)
	return err == nil && d.User == user
}

// End ends a session as part of a transaction, or returns [store.ErrNotFound].
func (s *Sessions) End(tx *store.Tx, id record.ID) error {
	_, t, err := s.in(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return err
	}
	return tx.Delete(t.Model, id)
}

// Changes reports whether a transaction has changed or ended a session.
func (s *Sessions) Changes(tx *store.Tx, id record.ID) bool {
	return slices.ContainsFunc(s.tables(), func(t *typed.Table[Details]) bool { return tx.Wrote(t.Model, id) })
}

// IsOf reports whether a change is one of a session or a token.
func (s *Sessions) IsOf(c *store.Change) bool { return s.table(c.Model) != nil }

// EndAll ends all sessions of a user as part of a transaction, and no token.
func (s *Sessions) EndAll(ctx context.Context, tx *store.Tx, user record.ID) error {
	var all []Details
	err := tx.View(ctx, func(snap *store.Snapshot) (err error) {
		all, err = s.List(snap, user)
		return err
	})
	for _, d := range all {
		err = errors.Join(err, s.End(tx, d.ID))
	}
	return err
}

// rangeOf returns the range of a user's records in a table.
func rangeOf(t *typed.Table[Details], user record.ID) store.Range {
	at := &store.Bound{Value: record.StringValue(string(user))}
	return store.Range{Index: t.Model.Field("userId"), Min: at, Max: at}
}

// List returns the sessions of a user, or of all users for "".
func (s *Sessions) List(snap *store.Snapshot, user record.ID) (all []Details, err error) {
	in := store.Range{}
	if user != "" {
		in = rangeOf(s.Table, user)
	}
	err = s.Table.Scan(snap, in, func(d Details) bool {
		all = append(all, d)
		return true
	})
	return all, err
}

// KeysOf returns the records of the sessions and tokens of a user.
func (s *Sessions) KeysOf(ctx context.Context, tx *store.Tx, user record.ID) (keys []record.Key, err error) {
	err = tx.View(ctx, func(snap *store.Snapshot) error {
		for _, t := range s.tables() {
			if err := snap.Scan(t.Model, rangeOf(t, user), func(image *record.Image) bool {
				keys = append(keys, record.Key{Model: t.Model, ID: image.ID})
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return keys, err
}

// Ended returns the sessions that a commit has ended. One of which the user, the token or the
// actions are others now, or the time is over, has ended, too.
func (s *Sessions) Ended(changes []store.Change) (ended []Session) {
	for i := range changes {
		c := &changes[i]
		t := s.table(c.Model)
		if t == nil {
			continue
		}
		before, known := contentOf(t, c.Before)
		after, lives := contentOf(t, c.After)
		if lives && (!known || after.Expires.Before(before.Expires)) {
			s.uses.poke() // it may end before the next sweep
		}
		if known && !(lives && s.is(&after, before.Session)) {
			ended = append(ended, before.Session)
		}
	}
	return ended
}

// contentOf returns the content of an image, false if there is none, or none that anybody could use.
func contentOf(t *typed.Table[Details], image *record.Image) (d Details, known bool) {
	if image == nil {
		return d, false
	}
	d, err := t.Of(image)
	return d, err == nil
}

// newCookie returns an empty cookie, for HTTPS only if secure.
func newCookie(name string, secure bool, age time.Duration) *http.Cookie {
	return &http.Cookie{Name: edge.CookieName(name, secure), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: int(age.Seconds())}
}

// Cookie returns the cookie that names a session, for HTTPS only if secure. A visitor's deletes
// the cookie.
func (s *Sessions) Cookie(n Name, secure bool) (*http.Cookie, error) {
	cookie := newCookie(cookieName, secure, s.Age)
	if n.ID == "" {
		cookie.MaxAge = -1
		return cookie, nil
	}
	var err error
	if cookie.Value, err = s.sealer.seal(cookieName, n); err != nil {
		return nil, fmt.Errorf("seal the session: %w", err)
	}
	return cookie, nil
}

// Set adds the cookie that names a session to a response, for HTTPS only if secure.
func (s *Sessions) Set(w http.ResponseWriter, secure bool, n Name) error {
	cookie, err := s.Cookie(n, secure)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie)
	return nil
}
