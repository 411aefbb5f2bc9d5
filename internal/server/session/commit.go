package session

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/towerkit/tower/internal/edge"
)

// commitAge is how long a browser tells the nodes which commit it has made. Nodes that are
// later than that are not ready.
const commitAge = 10 * time.Second

// A position is a commit that a client has made.
type position struct {
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// SetCommit adds to a response the cookie by which the other nodes know for some seconds
// that its client has made a commit, for HTTPS only if secure. It is sealed, so that no
// client can have a node wait for a commit that nobody has made.
func (s *Sessions) SetCommit(w http.ResponseWriter, secure bool, seq uint64) error {
	cookie := newCookie(edge.CommitCookie, secure, commitAge)
	var err error
	if cookie.Value, err = securecookie.EncodeMulti(edge.CommitCookie, position{s.store.Epoch(), seq}, s.sealer.commits...); err != nil {
		return fmt.Errorf("seal the position: %w", err)
	}
	http.SetCookie(w, cookie)
	return nil
}

// Commit returns the commit in a request's cookie; 0 if there is none, or none of this
// history.
func (s *Sessions) Commit(r *http.Request, secure bool) uint64 {
	cookie, err := r.Cookie(edge.CookieName(edge.CommitCookie, secure))
	if err != nil {
		return 0
	}
	var at position
	if securecookie.DecodeMulti(edge.CommitCookie, cookie.Value, &at, s.sealer.commits...) != nil || at.Epoch != s.store.Epoch() {
		return 0
	}
	return at.Seq
}
