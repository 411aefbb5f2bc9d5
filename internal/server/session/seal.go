package session

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/towerkit/tower/internal/record"
)

// A sealer seals with the first of its keys, and opens with each of them.
type sealer struct {
	cookies []securecookie.Codec
	lists   []securecookie.Codec
	commits []securecookie.Codec
	files   []securecookie.Codec
	links   []securecookie.Codec
	tickets []securecookie.Codec // encrypted: scripts see them, and not the cookies that they are for
	answers []securecookie.Codec // encrypted: the store has them
}

func newSealer(secrets []string, age time.Duration) (s sealer) {
	for _, secret := range secrets {
		key := sha256.Sum256([]byte(secret))
		codec := func(age time.Duration, longest int) securecookie.Codec {
			return securecookie.New(key[:], nil).SetSerializer(securecookie.JSONEncoder{}).MaxAge(int(age.Seconds())).MaxLength(longest)
		}
		s.cookies = append(s.cookies, codec(age, 4096))
		s.lists = append(s.lists, codec(0, 16<<10))
		s.files = append(s.files, codec(FileAge, 4096))
		s.links = append(s.links, codec(0, 1024))
		s.commits = append(s.commits, codec(commitAge, 512))
		encrypted := func(name string, age time.Duration) securecookie.Codec {
			inner := sha256.Sum256([]byte(name + "\x00" + secret))
			return securecookie.New(key[:], inner[:]).SetSerializer(securecookie.JSONEncoder{}).MaxAge(int(age.Seconds())).MaxLength(MaxTicket)
		}
		s.tickets = append(s.tickets, encrypted("ticket", ticketAge))
		s.answers = append(s.answers, encrypted("answer", 0))
	}
	return s
}

func (s *sealer) seal(name string, value any) (string, error) {
	return securecookie.EncodeMulti(name, value, s.cookies...)
}

func (s *sealer) open(name, text string, into any) error {
	return securecookie.DecodeMulti(name, text, into, s.cookies...)
}

func (s *sealer) sealTicket(t Ticket) (string, error) {
	return securecookie.EncodeMulti("ticket", t, s.tickets...)
}

func (s *sealer) openTicket(text string) (t Ticket, err error) {
	err = securecookie.DecodeMulti("ticket", text, &t, s.tickets...)
	return t, err
}

// SealCookies returns cookies of an answer as a text that says nothing of them without the secrets.
func (s *Sessions) SealCookies(cookies []string) (string, error) {
	return securecookie.EncodeMulti("answer", cookies, s.sealer.answers...)
}

// OpenCookies returns the cookies in a text made by SealCookies.
func (s *Sessions) OpenCookies(text string) (cookies []string, err error) {
	err = securecookie.DecodeMulti("answer", text, &cookies, s.sealer.answers...)
	return cookies, err
}

// A List is a list or a region of a page, which the client opens as a cursor.
type List struct {
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

// SealList returns a list as a text that only Sessions with the same secrets make.
func (s *Sessions) SealList(list List) (string, error) {
	return securecookie.EncodeMulti("list", list, s.sealer.lists...)
}

// OpenList returns the list in a text made by SealList.
func (s *Sessions) OpenList(text string) (list List, err error) {
	err = securecookie.DecodeMulti("list", text, &list, s.sealer.lists...)
	return list, err
}

// FileAge is how long a client has to use a file that it has uploaded.
const FileAge = 24 * time.Hour

// SealFile returns a text that stands for value, a file or an upload of a kind, in the hands of a user.
func (s *Sessions) SealFile(kind string, user record.ID, value any) (string, error) {
	return securecookie.EncodeMulti(kind+" "+string(user), value, s.sealer.files...)
}

// OpenFile decodes a text made by SealFile for the same kind and user into what into points to.
func (s *Sessions) OpenFile(kind string, user record.ID, text string, into any) error {
	return securecookie.DecodeMulti(kind+" "+string(user), text, into, s.sealer.files...)
}

// A Link lets whoever has it download a file.
type Link struct {
	Path  string    `json:"path"`
	Until time.Time `json:"until"`
}

// SealLink returns a link as a text that only Sessions with the same secrets make.
func (s *Sessions) SealLink(link Link) (string, error) {
	return securecookie.EncodeMulti("link", link, s.sealer.links...)
}

// OpenLink returns the link in a text made by SealLink. Whether it is still good is for the caller.
func (s *Sessions) OpenLink(text string) (link Link, err error) {
	err = securecookie.DecodeMulti("link", text, &link, s.sealer.links...)
	return link, err
}
