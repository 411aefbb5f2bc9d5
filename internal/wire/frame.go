package wire

import "encoding/json"

// Version is the version of the protocol that this package describes. It is raised when
// an older peer could misunderstand a newer one.
const Version = 1

// UnsupportedVersion is the prefix of the reason when the server closes a
// connection, with code 1002, whose hello names a version that it does not support.
const UnsupportedVersion = "unsupported version"

// A Request is a frame from a client. Exactly one of Hello, Ping, Open, Live, Close,
// Call, Applied and Audit is set, and determines its kind.
type Request struct {
	Hello   int    `json:"hello,omitempty"`
	ID      uint64 `json:"id,omitempty"`
	Ping    bool   `json:"ping,omitempty"`
	Open    string `json:"open,omitempty"`    // a declared cursor, "posts.published"
	Live    string `json:"live,omitempty"`    // the sealed list of a page
	Close   uint64 `json:"close,omitempty"`   // a cursor's number
	Call    string `json:"call,omitempty"`    // a route, "POST /posts"
	Applied uint64 `json:"applied,omitempty"` // a seq
	From    uint64 `json:"from,omitempty"`    // with Applied: of a merged commit
	Audit   uint64 `json:"audit,omitempty"`   // a cursor's number

	Seq  uint64   `json:"seq,omitempty"`  // with Audit: the last commit that the client has applied
	Sum  uint32   `json:"sum,omitempty"`  // with Audit: the checksum of what the cursor holds
	Rows []uint32 `json:"rows,omitempty"` // with Audit: the checksums of its first records

	In    json.RawMessage `json:"in,omitempty"`    // input of Open and Call
	Form  *string         `json:"form,omitempty"`  // input of Call as a URL-encoded form
	Key   string          `json:"key,omitempty"`   // makes a repeated Call take effect once
	Since string          `json:"since,omitempty"` // "epoch:seq" from which Open or Live resumes
	Where json.RawMessage `json:"where,omitempty"` // narrows Open
	Order []string        `json:"order,omitempty"` // narrows Open; "-field" descends
	Limit int             `json:"limit,omitempty"` // narrows Open
	Scope bool            `json:"scope,omitempty"` // the answer to Open must hold the scope

	Instead string `json:"instead,omitempty"` // with Hello: the link that this connection replaces
	Zone    string `json:"zone,omitempty"`    // with Hello: the IANA name of the client's time zone

	Err error `json:"-"` // why the frame cannot be decoded; see Requests
}

// Hello is the server's first frame.
type Hello struct {
	Hello int    `json:"hello"`
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Build string `json:"build"`
	User  string `json:"user,omitempty"` // id of the current user, "" for a visitor
	Allowed

	// Audit is how many seconds lie at least between two audits of the client; 0 if it
	// sends none.
	Audit float64 `json:"audit,omitempty"`
}

// Allowed is what a user may use.
type Allowed struct {
	Actions []string `json:"actions"` // routes it may call
	Cursors []string `json:"cursors"` // cursors it may open
}

// An Answer is the one frame that answers a request.
type Answer struct {
	ID       uint64          `json:"id,omitempty"`
	Status   int             `json:"status"`
	At       string          `json:"at,omitempty"`       // "epoch:seq" that the answer reflects
	Out      json.RawMessage `json:"out,omitempty"`      // of a call
	Repeated bool            `json:"repeated,omitempty"` // the call took effect when it was sent before
	Location string          `json:"location,omitempty"` // where a form or a redirect leads
	Session  string          `json:"session,omitempty"`  // one-time ticket to exchange for a cookie
	Error    *Error          `json:"error,omitempty"`

	Cursor uint64   `json:"cursor,omitempty"` // of an open
	Model  string   `json:"model,omitempty"`
	Scope  *Scope   `json:"scope,omitempty"`
	Since  string   `json:"since,omitempty"` // with Delta: where it starts
	Delta  *Delta   `json:"delta,omitempty"`
	Resync string   `json:"resync,omitempty"` // why everything was sent despite a since
	IDs    []string `json:"ids,omitempty"`
	Items  []Item   `json:"items,omitempty"`

	Value json.RawMessage `json:"value,omitempty"` // of a cursor that carries one; null is a value

	// Include is the ids, by model, of the records that the opened cursor includes.
	Include map[string][]string `json:"include,omitempty"`

	// Records of the opened cursor, and the records that it includes, by model.
	Records map[string][]json.RawMessage `json:"-"`

	// Body is the result of the function [Body]: a delta and records that are encoded
	// once for all answers that hold them.
	Body []byte `json:"-"`
}

// A Scope is what a client knows of a cursor that it holds: enough to predict the
// effect of its own writes, as far as the client may know.
type Scope struct {
	Fields map[string]string `json:"fields"`           // the model's, with their shapes: "string", "int?", "[]string", …
	Where  json.RawMessage   `json:"where,omitempty"`  // in the form that a client narrows with
	Order  []string          `json:"order,omitempty"`  // none is by id
	Limit  int               `json:"limit,omitempty"`  // 0 is all
	Offset int               `json:"offset,omitempty"` // number of records before the window
	Rule   bool              `json:"rule,omitempty"`   // there are further restrictions, which only the server evaluates
	Ranked bool              `json:"ranked,omitempty"` // only the server knows the order
}

// An Item is one record of a page's list, as HTML.
type Item struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// An Entry is one record that enters a cursor, or changes in it.
type Entry struct {
	ID    string  `json:"id"`
	After *string `json:"after,omitempty"` // nil if there is no order, or the record does not move
	HTML  string  `json:"html,omitempty"`
}

// A Delta is what one commit, several merged commits or a resume does to one cursor.
type Delta struct {
	To     uint64   `json:"to,omitempty"`    // the number of the cursor from now on
	Scope  *Scope   `json:"scope,omitempty"` // with To: its scope from now on, for a client that asked for the scope
	Enter  []Entry  `json:"enter,omitempty"`
	Change []Entry  `json:"change,omitempty"`
	Leave  []string `json:"leave,omitempty"`
	Then   []Delta  `json:"then,omitempty"` // applied after this delta, in order
	Closed *Error   `json:"closed,omitempty"`

	Value json.RawMessage `json:"value,omitempty"` // the new value of a cursor that carries one

	// Include holds the changes of the records that the cursor includes, by model. They
	// have no order.
	Include map[string]*Delta `json:"include,omitempty"`
}

// A Commit is one transaction as one connection sees it, or several that were merged.
type Commit struct {
	From    uint64 // the first of several; 0 if there is only one
	Seq     uint64
	Ack     bool
	Allowed *Allowed                     // what the user may use from now on; nil if unchanged
	Records map[string][]json.RawMessage // by model
	Cursors map[uint64]*Delta
}

// A Push is what an action that ran for many connections produced for one of them.
type Push struct {
	Push   string          `json:"push"` // the route
	Status int             `json:"status"`
	Out    json.RawMessage `json:"out,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// An Error describes what went wrong, for programs (Code) and for people (Message).
type Error struct {
	Code     string              `json:"code"`
	Message  string              `json:"message"`
	Problems map[string][]string `json:"problems,omitempty"` // by field; "" holds those of the whole record

	// RetryAfter is the number of seconds after which the request may be sent again; 0 if
	// that is not known.
	RetryAfter int `json:"retryAfter,omitempty"`

	// Request is the id by which the server's log names the request; "": the error says
	// everything.
	Request string `json:"request,omitempty"`
}

// Reserved holds the keys of a commit that cannot be names of models.
var Reserved = map[string]bool{
	"seq": true, "from": true, "to": true, "epoch": true, "ack": true, "cursors": true, "id": true, "status": true, "at": true,
	"out": true, "location": true, "session": true, "error": true, "cursor": true, "model": true, "since": true,
	"delta": true, "resync": true, "ids": true, "items": true, "hello": true, "push": true, "value": true, "include": true,
	"scope": true, "allowed": true,
}
