package wire

import (
	"encoding/json"
	"time"
)

// The requests of the control socket.
const (
	DoHello       = "hello"       // → ControlHello; the first request, By says who asks
	DoFind        = "find"        // Model, Key → one record
	DoQuery       = "query"       // Model, or Name, In and As; Where, Order, Limit, Offset → []record
	DoCount       = "count"       // the same → number
	DoValue       = "value"       // Name, In, As, Where → what a cursor carries that carries a value
	DoCreate      = "create"      // Model, Set → Written
	DoUpdate      = "update"      // Model, Key, Set → Written
	DoDelete      = "delete"      // Model, Key → Written
	DoUpdateAll   = "updateAll"   // Model, Where, Order, Limit, Offset, Set, Expect → Written
	DoDeleteAll   = "deleteAll"   // Model, Where, Order, Limit, Offset, Expect → Written
	DoCall        = "call"        // Name, In, As → Called
	DoWhy         = "why"         // Name, In, As; Model, Key → Why
	DoBegin       = "begin"       // → number of a transaction, for Tx; with Tx, of a part of that one
	DoDiff        = "diff"        // Tx, or Key, a seq → []Diff
	DoImpact      = "impact"      // Tx → Impact
	DoCommit      = "commit"      // Tx → Written; refused with "conflict" or "invalid", the transaction stays open
	DoRollback    = "rollback"    // Tx → null
	DoUndo        = "undo"        // Key, a seq → Written
	DoWatch       = "watch"       // → null, then events
	DoConnections = "connections" // → []ConnectionInfo
	DoCursors     = "cursors"     // → []CursorInfo
	DoRoutes      = "routes"      // Key: a user's id, or "" → []Route
	DoSchema      = "schema"      // → Schema
	DoWait        = "wait"        // Key is a seq → null once every cursor has been brought up to it
)

// A ControlRequest is one line from a console.
type ControlRequest struct {
	ID     uint64          `json:"id"`
	Do     string          `json:"do"`
	By     string          `json:"by,omitempty"`
	Model  string          `json:"model,omitempty"`
	Key    string          `json:"key,omitempty"`
	Name   string          `json:"name,omitempty"` // of a cursor, "posts.published", or of an action, "POST /posts"
	In     json.RawMessage `json:"in,omitempty"`   // its input
	As     string          `json:"as,omitempty"`   // the id of the user who opens or calls it; "" is a visitor
	Set    json.RawMessage `json:"set,omitempty"`
	Where  json.RawMessage `json:"where,omitempty"`
	Order  []string        `json:"order,omitempty"`
	Limit  int             `json:"limit,omitempty"`
	Offset int             `json:"offset,omitempty"`
	Expect *int            `json:"expect,omitempty"` // how many records are meant; with another number, nothing is done
	Tx     uint64          `json:"tx,omitempty"`     // 0: the request is a transaction of its own
	Look   bool            `json:"look,omitempty"`   // what is read within Tx may have changed when that is committed
	At     *uint64         `json:"at,omitempty"`     // read the state after this commit
}

// A ControlReply is the one line that answers a request. A line with ID 0 and
// an Event is not an answer.
type ControlReply struct {
	ID    uint64          `json:"id,omitempty"`
	OK    json.RawMessage `json:"ok,omitempty"`
	Error *Error          `json:"error,omitempty"`
	Event *ControlEvent   `json:"event,omitempty"`
}

// ControlHello tells a console what it is attached to.
type ControlHello struct {
	Version int         `json:"version"`
	App     string      `json:"app"`
	Env     string      `json:"env"` // "development", "test" or "production"
	PID     int         `json:"pid"`
	URL     string      `json:"url"`
	Build   string      `json:"build"`
	Epoch   string      `json:"epoch"`
	Seq     uint64      `json:"seq"`
	Models  []ModelInfo `json:"models"`
}

// ModelInfo describes a model: "posts", whose Go type is Post.
type ModelInfo struct {
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	Fields []FieldInfo `json:"fields"`
}

// FieldInfo describes a field by its JSON name.
type FieldInfo struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // string, int, uint, float, bool, time, ref, list, object
	Ref      string `json:"ref,omitempty"`
	Index    bool   `json:"index,omitempty"`
	Unique   bool   `json:"unique,omitempty"`
	Required bool   `json:"required,omitempty"`
	Private  bool   `json:"private,omitempty"`
}

// Written is what a write made: the record as it is stored (null after a
// delete and for a transaction), and the commit. Seq is 0 inside a transaction
// and where nothing changed.
type Written struct {
	Seq     uint64          `json:"seq"`
	Changes int             `json:"changes"`
	Record  json.RawMessage `json:"record,omitempty"`
}

// A ControlEvent is what a watching console is told. Exactly one of its fields
// is set.
type ControlEvent struct {
	Commit  *CommitEvent    `json:"commit,omitempty"`
	Applied *AppliedEvent   `json:"applied,omitempty"`
	Joined  *ConnectionInfo `json:"joined,omitempty"`
	Left    uint64          `json:"left,omitempty"`   // a connection's number
	Missed  int             `json:"missed,omitempty"` // events dropped because the console did not keep up
}

// A CommitEvent is one commit, and whom it reached.
type CommitEvent struct {
	Seq         uint64       `json:"seq"`
	At          time.Time    `json:"at"`
	By          string       `json:"by"` // "console:ada", "POST /posts by 01J…", "seed"
	Changes     []ChangeInfo `json:"changes"`
	Connections int          `json:"connections"` // open when it was routed
	Reached     []Reach      `json:"reached"`     // at most 100
	ReachedAll  int          `json:"reachedAll"`  // how many connections got a frame
	Micros      int64        `json:"micros"`      // from commit to the last frame handed over
}

// ChangeInfo is one record of a commit.
type ChangeInfo struct {
	Op     string   `json:"op"` // create, update, delete
	Model  string   `json:"model"`
	ID     string   `json:"id"`
	Fields []string `json:"fields,omitempty"` // that an update changed
	Label  string   `json:"label,omitempty"`  // the first string field's value, shortened
}

// Reach is what a commit did to one cursor of one connection.
type Reach struct {
	Connection uint64 `json:"connection"`
	User       string `json:"user"`   // label of the connection's user, "visitor" without one
	Cursor     string `json:"cursor"` // "posts.published"
	Enter      int    `json:"enter,omitempty"`
	Change     int    `json:"change,omitempty"`
	Leave      int    `json:"leave,omitempty"`
}

// AppliedEvent says that a connection's client has applied a commit.
type AppliedEvent struct {
	Seq        uint64 `json:"seq"`
	Connection uint64 `json:"connection"`
	Micros     int64  `json:"micros"` // from commit to the acknowledgement
}

// ConnectionInfo describes an open connection.
type ConnectionInfo struct {
	ID        uint64    `json:"id"`
	User      string    `json:"user"`   // label
	UserID    string    `json:"userId"` // "" for a visitor
	Transport string    `json:"transport"`
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	Cursors   []string  `json:"cursors"`
	Seq       uint64    `json:"seq"`    // last handed over
	Queued    int       `json:"queued"` // bytes
}

// CursorInfo describes a query that one or more connections hold open.
type CursorInfo struct {
	Number  uint64   `json:"number"`
	Names   []string `json:"names"`
	Model   string   `json:"model"`
	Scope   string   `json:"scope"` // as a person reads it
	Holders int      `json:"holders"`
	Records int      `json:"records"` // -1: not kept

	// Residual says why every change of the model is tested against the query's
	// conditions; "" where an index finds those that may touch it.
	Residual string `json:"residual,omitempty"`
}

// A Route is something that can be called or opened.
type Route struct {
	Kind       string  `json:"kind"` // action, page, cursor
	Method     string  `json:"method,omitempty"`
	Path       string  `json:"path,omitempty"`
	Name       string  `json:"name"` // "posts.create", "posts.published"
	Controller string  `json:"controller"`
	Action     string  `json:"action"` // the Go method
	Inputs     []Input `json:"inputs"`
	Output     string  `json:"output,omitempty"`
	Model      string  `json:"model,omitempty"` // whose records a cursor holds, or an action answers with one
	Value      bool    `json:"value,omitempty"` // it is a cursor that carries a value
	Holders    int     `json:"holders"`         // of a cursor, now
}

// An Input is one field of an action's input.
type Input struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
}
