package wire

import (
	"encoding/json"
	"time"
)

// Called is what an action answered, or why it did not.
type Called struct {
	Status   int             `json:"status"`
	Out      json.RawMessage `json:"out,omitempty"`
	Error    *Error          `json:"error,omitempty"`
	Location string          `json:"location,omitempty"` // where a form's sender would go
	Session  bool            `json:"session,omitempty"`  // it would have signed its sender in or out
	Seq      uint64          `json:"seq,omitempty"`      // of its last commit
}

// Why is how a cursor decides about a record for a user.
type Why struct {
	Cursor  string `json:"cursor"`
	Model   string `json:"model"`
	ID      string `json:"id"`
	Label   string `json:"label,omitempty"`
	User    string `json:"user"`            // label
	Scope   string `json:"scope,omitempty"` // as a person reads it; "" where the user may not open it
	Sees    bool   `json:"sees"`
	Decided string `json:"decided"` // What of the test that decided, or "window"

	// Tests are what the record and the user have to meet, in the order in which
	// they count.
	Tests []Test `json:"tests"`

	// Rank is the record's place, from 1 on, among those that meet all tests; 0
	// where it does not, or where the cursor carries a value.
	Rank   int `json:"rank,omitempty"`
	Offset int `json:"offset,omitempty"`
	Limit  int `json:"limit,omitempty"` // 0: none
}

// A Test is a condition or a rule, and what became of it.
type Test struct {
	Kind    string          `json:"kind"`            // "allow", "cursor", "where" or "match"
	What    string          `json:"what"`            // `likes >= 3`, "Posts.Match"
	Field   string          `json:"field,omitempty"` // that a condition is about
	Value   json.RawMessage `json:"value,omitempty"` // of that field; not of a private one
	Holds   bool            `json:"holds"`
	Tests   []Test          `json:"tests,omitempty"`   // of and, or and not
	Message string          `json:"message,omitempty"` // of an error or a panic
}

// A Diff is what a commit did to a record, or would do.
type Diff struct {
	Op     string          `json:"op"` // create, update, delete
	Model  string          `json:"model"`
	ID     string          `json:"id"`
	Label  string          `json:"label,omitempty"`
	Fields []string        `json:"fields,omitempty"` // that an update changes, private ones too
	Before json.RawMessage `json:"before,omitempty"` // the record, without private fields
	After  json.RawMessage `json:"after,omitempty"`
}

// Impact is what a transaction would do to open cursors if it were committed now.
type Impact struct {
	Seq         uint64      `json:"seq"` // the commit that it would follow
	Changes     int         `json:"changes"`
	Connections int         `json:"connections"` // open now
	Reached     []Reaction  `json:"reached"`     // at most 1000
	ReachedAll  int         `json:"reachedAll"`  // how many connections would get a frame
	Moved       []StaleRead `json:"moved"`       // for which the commit would be refused
}

// Reaction is what a holder of a cursor would be told; without a cursor, what a
// connection would.
type Reaction struct {
	Connection uint64          `json:"connection"`
	User       string          `json:"user"` // label
	Cursor     string          `json:"cursor"`
	Deltas     []RecordDelta   `json:"deltas"`
	Value      json.RawMessage `json:"value,omitempty"`  // of a cursor that carries one: what it would be
	Closed     bool            `json:"closed,omitempty"` // its user would not be allowed to hold it any more
	Rights     bool            `json:"rights,omitempty"` // its user might use other actions and cursors
	Ends       bool            `json:"ends,omitempty"`   // the connection would end: who its user is would not be known
}

// A RecordDelta is what would become of one record.
type RecordDelta struct {
	Op    string `json:"op"` // enter, change, leave
	Model string `json:"model"`
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

// StaleRead is what has changed under a transaction since it was read.
type StaleRead struct {
	Model  string    `json:"model"`
	ID     string    `json:"id,omitempty"`  // "": records that came into what was read, or left it
	Seq    uint64    `json:"seq,omitempty"` // of the commit; 0: it is not in the log any more
	At     time.Time `json:"at,omitzero"`
	By     string    `json:"by,omitempty"`
	Op     string    `json:"op,omitempty"`
	Fields []string  `json:"fields,omitempty"`
}
