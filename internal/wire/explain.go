package wire

import (
	"encoding/json"
	"time"
)

// Called is the result of an action, or of its failure.
type Called struct {
	Status   int             `json:"status"`
	Out      json.RawMessage `json:"out,omitempty"`
	Error    *Error          `json:"error,omitempty"`
	Location string          `json:"location,omitempty"` // where a form would redirect to
	Session  bool            `json:"session,omitempty"`  // the action would have signed the user in or out
	Seq      uint64          `json:"seq,omitempty"`      // of its last commit
}

// Why explains how a cursor decides about a record for a user.
type Why struct {
	Cursor  string `json:"cursor"`
	Model   string `json:"model"`
	ID      string `json:"id"`
	Label   string `json:"label,omitempty"`
	User    string `json:"user"`            // label
	Scope   string `json:"scope,omitempty"` // for display; "" if the user may not open it
	Sees    bool   `json:"sees"`
	Decided string `json:"decided"` // What of the test that decided, or "window"

	// Tests are the tests for the record and the user, in the order in which they
	// apply.
	Tests []Test `json:"tests"`

	// Rank is the record's position, from 1, among the records that pass all tests. It
	// is 0 if the record does not pass them, or if the cursor carries a value.
	Rank   int `json:"rank,omitempty"`
	Offset int `json:"offset,omitempty"`
	Limit  int `json:"limit,omitempty"` // 0 is none
}

// A Test is a condition or a rule, and its result.
type Test struct {
	Kind    string          `json:"kind"`            // "allow", "cursor", "where" or "match"
	What    string          `json:"what"`            // `likes >= 3`, "Posts.Match"
	Field   string          `json:"field,omitempty"` // that a condition tests
	Value   json.RawMessage `json:"value,omitempty"` // of that field, unless it is private
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
	Fields []string        `json:"fields,omitempty"` // changed by an update, including private ones
	Before json.RawMessage `json:"before,omitempty"` // the record, without private fields
	After  json.RawMessage `json:"after,omitempty"`
}

// Impact is what a transaction would do to open cursors if it were committed now.
type Impact struct {
	Seq         uint64      `json:"seq"` // the commit that it would follow
	Changes     int         `json:"changes"`
	Connections int         `json:"connections"` // open now
	Reached     []Reaction  `json:"reached"`     // at most 1000
	ReachedAll  int         `json:"reachedAll"`  // number of connections that would get a frame
	Moved       []StaleRead `json:"moved"`       // why the commit would be refused
}

// Reaction is what a holder of a cursor would receive or, without a cursor, what a
// connection would.
type Reaction struct {
	Connection uint64          `json:"connection"`
	User       string          `json:"user"` // label
	Cursor     string          `json:"cursor"`
	Deltas     []RecordDelta   `json:"deltas"`
	Value      json.RawMessage `json:"value,omitempty"`  // the new value of a cursor that carries one
	Closed     bool            `json:"closed,omitempty"` // its user would no longer be allowed to hold it
	Rights     bool            `json:"rights,omitempty"` // its user might use other actions and cursors
	Ends       bool            `json:"ends,omitempty"`   // the connection would end, because its user would be unknown
}

// RecordDelta is what would happen to one record.
type RecordDelta struct {
	Op    string `json:"op"` // enter, change, leave
	Model string `json:"model"`
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

// StaleRead is something that has changed since a transaction read it.
type StaleRead struct {
	Model  string    `json:"model"`
	ID     string    `json:"id,omitempty"`  // "" if records entered or left what was read
	Seq    uint64    `json:"seq,omitempty"` // of the commit; 0 if it is no longer in the log
	At     time.Time `json:"at,omitzero"`
	By     string    `json:"by,omitempty"`
	Op     string    `json:"op,omitempty"`
	Fields []string  `json:"fields,omitempty"`
}
