package session

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// tokenPrefix begins each token, so that people and scanners of secrets recognize it.
const tokenPrefix = "twr_"

// NewToken returns a token that names the record with an id, and the hash that the record has of
// it.
func NewToken(id record.ID) (text, hashed string) {
	secret := rand.Text()
	return tokenPrefix + string(id) + secret, hash(secret)
}

// HasToken reports whether a request carries a token of tower's.
func HasToken(r *http.Request) bool {
	_, has := bearer(r)
	return has
}

// bearer returns the token in the header Authorization of a request. A bearer without the prefix
// is the application's own.
func bearer(r *http.Request) (text string, has bool) {
	for _, value := range r.Header["Authorization"] {
		scheme, text, _ := strings.Cut(value, " ")
		if text = strings.TrimSpace(text); strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(text, tokenPrefix) {
			return text[len(tokenPrefix):], true
		}
	}
	return "", false
}

// idLength is how many characters an id has.
var idLength = len(record.NewID())

// named returns what a token says of its record; the zero value if it is none.
func named(token string) Name {
	if len(token) <= idLength {
		return Name{}
	}
	id, err := record.ParseID(token[:idLength])
	if err != nil {
		return Name{}
	}
	return Name{ID: id, Token: token[idLength:], bearer: true}
}

// Check returns an error if a request carries a token that is not valid.
func (s *Sessions) Check(r *http.Request) error {
	text, has := bearer(r)
	if !has {
		return nil
	}
	if _, err := s.find(r.Context(), named(text)); err != nil {
		return &fault.Error{Code: fault.Unauthenticated, Message: "this token is not valid: it has expired, or was revoked or never made", Err: err}
	}
	return nil
}

// Permits reports whether the session may use what has a name, such as "posts.create". That of a
// cookie may use all that its user may.
func (s Session) Permits(name string) bool {
	if !s.ByToken {
		return true
	}
	controller, _, _ := strings.Cut(name, ".")
	for action := range strings.FieldsSeq(s.Actions) {
		if action == "*" || action == name || action == controller+".*" {
			return true
		}
	}
	return false
}

// tables are those of sessions and of tokens, whose ids differ.
func (s *Sessions) tables() []*typed.Table[Details] {
	return []*typed.Table[Details]{s.Table, s.Tokens}
}

// table returns that of the model, nil if it is neither of the two.
func (s *Sessions) table(m *record.Model) *typed.Table[Details] {
	if i := slices.IndexFunc(s.tables(), func(t *typed.Table[Details]) bool { return t.Model == m }); i >= 0 {
		return s.tables()[i]
	}
	return nil
}

// in returns the content of a record in a transaction, and its table.
func (s *Sessions) in(tx *store.Tx, id record.ID) (d Details, t *typed.Table[Details], err error) {
	return s.read(tx.Get, id)
}
