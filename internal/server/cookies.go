package server

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// cookies signs what clients keep for the server: their user, and the lists that a page
// shows. Clients can read what is signed, but cannot forge it. It is safe for concurrent
// use.
type cookies struct {
	session *securecookie.SecureCookie
	lists   *securecookie.SecureCookie

	mu      sync.Mutex
	tickets map[string]ticket
}

// A ticket lets a client that signed in over a socket fetch its cookie, once.
type ticket struct {
	user    record.ID
	expires time.Time
}

const (
	cookieName  = "tower"
	cookieAge   = 30 * 24 * time.Hour
	ticketAge   = time.Minute
	ticketBytes = 24
)

// A sealedUser is the content of the cookie.
type sealedUser struct {
	User record.ID `json:"user"`
}

// A sealedList is a list or a region of a page, which the client opens as a cursor.
type sealedList struct {
	Cursor  string          `json:"cursor"`
	In      json.RawMessage `json:"in"`
	Partial string          `json:"partial"`
	// A region has no cursor, and may have a record.
	Model      string    `json:"model,omitempty"`
	Record     record.ID `json:"record,omitempty"`
	Controller string    `json:"controller,omitempty"`
	User       record.ID `json:"user"`
	Build      string    `json:"build"`
}

func newCookies(st *store.Store, secret string) (*cookies, error) {
	key := []byte(secret)
	if secret == "" {
		var err error
		if key, err = st.Secret("cookies", 32); err != nil {
			return nil, fmt.Errorf("make the key of cookies: %w", err)
		}
	}
	sum := sha256.Sum256(key)
	seal := func(age time.Duration, longest int) *securecookie.SecureCookie {
		return securecookie.New(sum[:], nil).SetSerializer(securecookie.JSONEncoder{}).MaxAge(int(age.Seconds())).MaxLength(longest)
	}
	return &cookies{session: seal(cookieAge, 4096), lists: seal(0, 16<<10), tickets: map[string]ticket{}}, nil
}

// user returns the user in a request's cookie, "" for a visitor.
func (c *cookies) user(r *http.Request) record.ID {
	var user sealedUser
	cookie, err := r.Cookie(cookieName)
	if err != nil || c.session.Decode(cookieName, cookie.Value, &user) != nil {
		return ""
	}
	return user.User
}

// set adds the cookie of a user to a response, for HTTPS only if secure; "" deletes the
// cookie.
func (c *cookies) set(w http.ResponseWriter, secure bool, user record.ID) error {
	cookie, err := c.cookie(user)
	if err != nil {
		return err
	}
	cookie.Secure = secure
	http.SetCookie(w, cookie)
	return nil
}

// cookie returns the cookie of a user; "" returns one that deletes it.
func (c *cookies) cookie(user record.ID) (*http.Cookie, error) {
	cookie := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(cookieAge.Seconds())}
	if user == "" {
		cookie.MaxAge = -1
		return cookie, nil
	}
	var err error
	if cookie.Value, err = c.session.Encode(cookieName, sealedUser{user}); err != nil {
		return nil, fmt.Errorf("seal the session: %w", err)
	}
	return cookie, nil
}

// seal signs a list for a page.
func (c *cookies) seal(list sealedList) (string, error) { return c.lists.Encode("list", list) }

// unseal returns the list in a text made by seal.
func (c *cookies) unseal(text string) (list sealedList, err error) {
	return list, c.lists.Decode("list", text, &list)
}

// ticket returns a ticket for a user, which is valid for ticketAge.
func (c *cookies) ticket(user record.ID) string {
	name := fmt.Sprintf("%x", securecookie.GenerateRandomKey(ticketBytes))
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for old, t := range c.tickets {
		if now.After(t.expires) {
			delete(c.tickets, old)
		}
	}
	c.tickets[name] = ticket{user, now.Add(ticketAge)}
	return name
}

// redeem invalidates a ticket and returns its user.
func (c *cookies) redeem(name string) (record.ID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.tickets[name]
	delete(c.tickets, name)
	if !ok || time.Now().After(t.expires) {
		return "", fault.Errorf(fault.Forbidden, "this ticket was used or has expired; sign in again")
	}
	return t.user, nil
}
