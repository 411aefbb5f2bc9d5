package wire

import (
	"encoding/json"
	"slices"
	"time"
)

// The requests of the control socket.
const (
	DoHello       = "hello"       // → ControlHello; the first request, By names the author
	DoFind        = "find"        // Model, Key → one record
	DoQuery       = "query"       // Model, or Name, In and As; Where, Order, Limit, Offset → []record
	DoCount       = "count"       // the same → number
	DoIncluded    = "included"    // Name, In, As, Where, Order, Limit; Model → []record of that model, which the cursor's records refer to
	DoValue       = "value"       // Name, In, As, Where → the value of a cursor that carries one
	DoCreate      = "create"      // Model, Set → Written
	DoCreateAll   = "createAll"   // Model, Sets, Offset → Written; problems name a record by its place in Sets, counted from Offset
	DoUpdate      = "update"      // Model, Key, Set → Written
	DoDelete      = "delete"      // Model, Key → Written
	DoUpdateAll   = "updateAll"   // Model, Where, Order, Limit, Offset, Set, Expect → Written
	DoDeleteAll   = "deleteAll"   // Model, Where, Order, Limit, Offset, Expect → Written
	DoCall        = "call"        // Name, In, As → Called
	DoWhy         = "why"         // Name, In, As; Model, Key → Why
	DoBegin       = "begin"       // → number of a transaction, for Tx; with Tx, of a nested transaction
	DoDiff        = "diff"        // Tx, or Key, a seq → []Diff
	DoImpact      = "impact"      // Tx → Impact
	DoCommit      = "commit"      // Tx → Written; after "conflict" or "invalid" the transaction stays open
	DoRollback    = "rollback"    // Tx → null
	DoUndo        = "undo"        // Key, a seq → Written
	DoReveal      = "reveal"      // Model, Key; Name, of a private field → its value; the log keeps who asked for which field
	DoLog         = "log"         // Limit; Model and Key, of a record → []LogEntry, the newest first
	DoSessions    = "sessions"    // As → []SessionInfo; nothing, for all users → those that have a connection
	DoEndSession  = "endSession"  // As; Key, its id, or nothing for all sessions of that user → null
	DoWatch       = "watch"       // → null, then events
	DoOpen        = "open"        // Stream, a number that the console chooses; Name, In and As, or Model, Where, Order, Limit, Offset; Since → null, then events with its frames
	DoClose       = "close"       // Stream → null
	DoConnections = "connections" // → []ConnectionInfo, of all nodes
	DoCursors     = "cursors"     // → []CursorInfo, of all nodes
	DoJobs        = "jobs"        // Name, of a queue, a state, a job or a reaction, or nothing; Limit → JobsInfo
	DoJob         = "job"         // Key → JobInfo
	DoWaiting     = "waiting"     // Key → WaitingInfo
	DoChangeJob   = "changeJob"   // Key, of a job or of an event that waits; Name: retry or drop, or of a job cancel → null
	DoRunJob      = "runJob"      // Name, of a job that has a schedule, which is enqueued now → its id
	DoNodes       = "nodes"       // → []NodeInfo; none if the application is alone
	DoRoutes      = "routes"      // → []Route
	DoAllowed     = "allowed"     // As → []Route that this user may use
	DoSchema      = "schema"      // → Schema
	DoSettings    = "settings"    // → []Setting
	DoCheck       = "check"       // → Checked; the process makes no commit meanwhile
	DoCopy        = "copy"        // Key, the path of a file that does not exist → Copied; the file is a copy of the store
	DoCompact     = "compact"     // → Compacted; events with Progress meanwhile
	DoImport      = "import"      // In, an Import → Imported; events with Progress meanwhile
	DoSeed        = "seed"        // → null, once the application's seed has run
	DoErase       = "erase"       // In, an Erase → Erasure; events with Progress meanwhile
	DoDigest      = "digest"      // Key, a seq → a hash of all records after that commit
	DoArchive     = "archive"     // → Archived, or null without an archive
	DoProfile     = "profile"     // Name, of a profile: cpu, heap, allocs or goroutine; Key, how long for cpu, "10s" → its bytes, in the format of pprof
	DoWait        = "wait"        // Key, a seq → null once every cursor has reached it
	DoCancel      = "cancel"      // ID of an earlier request, which is cancelled; only that request is answered
)

// MaxControlRequest is the most bytes of a request, without its line break.
const MaxControlRequest = 16 << 20

// A ControlRequest is one line from a console.
type ControlRequest struct {
	ID     uint64            `json:"id"`
	Do     string            `json:"do"`
	By     string            `json:"by,omitempty"`
	Model  string            `json:"model,omitempty"`
	Key    string            `json:"key,omitempty"`
	Name   string            `json:"name,omitempty"` // of a cursor, "posts.published", or of an action, "POST /posts"
	In     json.RawMessage   `json:"in,omitempty"`   // its input
	As     string            `json:"as,omitempty"`   // id of the user who opens or calls it; "" is a visitor
	Set    json.RawMessage   `json:"set,omitempty"`
	Sets   []json.RawMessage `json:"sets,omitempty"` // of a createAll: the fields of each record
	Where  json.RawMessage   `json:"where,omitempty"`
	Order  []string          `json:"order,omitempty"`
	Limit  int               `json:"limit,omitempty"`
	Offset int               `json:"offset,omitempty"`
	Expect *int              `json:"expect,omitempty"` // number of records that must match; with another number nothing is done
	Tx     uint64            `json:"tx,omitempty"`     // 0 is a transaction of its own
	Look   bool              `json:"look,omitempty"`   // what is read within Tx may change before the commit
	At     *uint64           `json:"at,omitempty"`     // read the state after this commit
	Since  string            `json:"since,omitempty"`  // for an open: the position to resume from, epoch:seq
	Stream uint64            `json:"stream,omitempty"`
}

// A ControlReply is the one line that answers a request. A line with ID 0 and an Event
// is not an answer.
type ControlReply struct {
	ID     uint64          `json:"id,omitempty"`
	OK     json.RawMessage `json:"ok,omitempty"`
	Error  *Error          `json:"error,omitempty"`
	Event  *ControlEvent   `json:"event,omitempty"`
	Silent []string        `json:"silent,omitempty"` // what an answer lacks: "node 3 has not answered within 2s"
}

// ControlHello describes the application that a console is attached to.
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

// Written is the result of a write: the record as it is stored (null after a delete and
// for a transaction), or the records of a createAll, and the commit. Seq is 0 within a transaction and if nothing
// changed.
type Written struct {
	Seq     uint64            `json:"seq"`
	Changes int               `json:"changes"`
	Record  json.RawMessage   `json:"record,omitempty"`
	Records []json.RawMessage `json:"records,omitempty"`
}

// A ControlEvent is what a console receives without a request: what happens, if it is
// watching, and the frames of its streams. Exactly one of its fields is set, beside Node.
type ControlEvent struct {
	Node     int             `json:"node,omitempty"` // the number of the node where it happened; 0: the only one
	Commit   *CommitEvent    `json:"commit,omitempty"`
	Skipped  *Skipped        `json:"skipped,omitempty"`
	Applied  *AppliedEvent   `json:"applied,omitempty"`
	Joined   *ConnectionInfo `json:"joined,omitempty"`
	Left     uint64          `json:"left,omitempty"` // number of a connection
	Log      *LogEvent       `json:"log,omitempty"`
	Stream   *StreamEvent    `json:"stream,omitempty"`
	Progress *Progress       `json:"progress,omitempty"`
	Nodes    *NodesEvent     `json:"nodes,omitempty"`
	Missed   int             `json:"missed,omitempty"` // events other than commits that were dropped because the console did not keep up
}

// Progress tells how far a request of this console has come.
type Progress struct {
	ID    uint64 `json:"id"` // of the request
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Step  string `json:"step,omitempty"` // what is done now, if there are several steps
}

// Compacted has the sizes of the store's file in bytes.
type Compacted struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// A CommitEvent describes one commit and the connections that it reached.
type CommitEvent struct {
	Seq         uint64       `json:"seq"`
	At          time.Time    `json:"at"`
	By          string       `json:"by"`            // "console:ada", "POST /posts by ada", "app", or the name of a job
	Changes     []ChangeInfo `json:"changes"`       // at most 50
	ChangesAll  int          `json:"changesAll"`    // number of records that changed
	Connections int          `json:"connections"`   // open when the commit was delivered
	Reached     []Reach      `json:"reached"`       // at most 100, the first that it touched
	ReachedAll  int          `json:"reachedAll"`    // number of connections that got a frame
	Did         string       `json:"did,omitempty"` // what was done, if no record changed: "reveal email of users/01J…"
	Micros      int64        `json:"micros"`        // from the commit to the last frame handed over
	Asked       bool         `json:"asked"`         // the clients were asked to confirm it
}

// Skipped counts commits that a console does not receive one by one, because they are
// more than a person can follow, or because the console did not keep up.
type Skipped struct {
	Commits int     `json:"commits"`
	Changes []Count `json:"changes"`
	Seq     uint64  `json:"seq"` // of the last one
}

// A Count is a number of changes of one kind.
type Count struct {
	Op    string `json:"op"`
	Model string `json:"model"`
	N     int    `json:"n"`
}

// ChangeInfo describes the change of one record in a commit.
type ChangeInfo struct {
	Op     string        `json:"op"` // create, update, delete
	Model  string        `json:"model"`
	ID     string        `json:"id"`
	Fields []string      `json:"fields,omitempty"` // changed by an update
	Values []FieldChange `json:"values,omitempty"` // the fields before and after, without private ones
	Label  string        `json:"label,omitempty"`  // the first string field's value, shortened
}

// A FieldChange is a field before and after a change, as JSON that may be truncated; ""
// if there was no record.
type FieldChange struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Reach is what a commit did to one cursor of one connection, or, in Outcome, why it
// did nothing.
type Reach struct {
	Node       int     `json:"node,omitempty"` // of the connection; 0: the only one
	Connection uint64  `json:"connection"`
	User       string  `json:"user"`   // label of the connection's user, "visitor" if there is none
	Cursor     string  `json:"cursor"` // "posts.published"
	Enter      int     `json:"enter,omitempty"`
	Change     int     `json:"change,omitempty"`
	Leave      int     `json:"leave,omitempty"`
	Included   int     `json:"included,omitempty"` // included records that entered, changed or left
	Outcome    Outcome `json:"outcome,omitempty"`
	By         string  `json:"by,omitempty"` // the rule that denied it: "Posts.Match"
}

// An Outcome is the reason why a commit did nothing to a cursor of a model that it
// changed, or ended the cursor.
type Outcome string

// The outcomes.
const (
	Unmatched Outcome = "unmatched" // no record satisfies its conditions, before or after
	Denied    Outcome = "denied"    // a rule keeps the records from this user
	Outside   Outcome = "outside"   // the records are beyond its limit or offset
	Same      Outcome = "same"      // it carries a value, which has not changed
	Closed    Outcome = "closed"    // its user may no longer hold it
	Lost      Outcome = "lost"      // it could not be kept current; its client must start again
)

// AppliedEvent reports that a connection's client has applied a commit.
type AppliedEvent struct {
	Seq        uint64 `json:"seq"`
	Connection uint64 `json:"connection"`
	Micros     int64  `json:"micros"` // from the commit to the acknowledgement
}

// A LogEntry is a commit in the log.
type LogEntry struct {
	Seq        uint64       `json:"seq"`
	At         time.Time    `json:"at"`
	By         string       `json:"by"`
	Changes    []ChangeInfo `json:"changes"`       // at most 50, without values
	ChangesAll int          `json:"changesAll"`    // number of records that changed
	Did        string       `json:"did,omitempty"` // what was done, if no record changed
}

// A LogEvent is a line of the application's log.
type LogEvent struct {
	At      time.Time `json:"at"`
	Level   string    `json:"level"` // DEBUG, INFO, WARN, ERROR
	Message string    `json:"message"`
	Attrs   string    `json:"attrs,omitempty"` // "key=value key=value"
}

// A StreamEvent holds one message that a browser would receive: a hello, the answer
// to the open, and then commits, as the package comment describes them.
type StreamEvent struct {
	Stream uint64          `json:"stream"`
	Frames json.RawMessage `json:"frames,omitempty"` // one frame, or an array of frames
	Closed *StreamClosed   `json:"closed,omitempty"` // the stream has ended
}

// StreamClosed is why a stream has ended, as in the close of a socket.
type StreamClosed struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// ConnectionInfo describes an open connection.
type ConnectionInfo struct {
	Node      int       `json:"node,omitempty"` // that it is connected to; 0: the only one
	ID        uint64    `json:"id"`
	User      string    `json:"user"`   // label
	UserID    string    `json:"userId"` // "" for a visitor
	Transport string    `json:"transport"`
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	Cursors   []string  `json:"cursors"`
	Device    string    `json:"device,omitempty"` // what the client says it is: "Firefox on Linux"

	// Session is nil for a visitor, and for a program that signs in without a cookie.
	Session *ConnectionSession `json:"session,omitempty"`

	Seq    uint64 `json:"seq"`    // the last commit of which nothing waits for the client
	Queued int    `json:"queued"` // bytes

	// Applied is the last commit that the client confirmed, and Lag how many
	// microseconds after the commit it did. Both are 0 until it was asked.
	Applied uint64 `json:"applied,omitempty"`
	Lag     int64  `json:"lag,omitempty"`
}

// A NodesEvent lists the nodes of the application, after they have changed.
type NodesEvent struct {
	Nodes []NodeInfo `json:"nodes"`
}

// NodeInfo describes a node that lives, or one that does not answer.
type NodeInfo struct {
	Number  int       `json:"number"`
	Address string    `json:"address"` // where other nodes reach it; "": it has no consoles
	Build   string    `json:"build"`
	Started time.Time `json:"started"`
	Commit  uint64    `json:"commit"`           // the newest that its connections have received, some seconds ago
	Here    bool      `json:"here,omitempty"`   // the console is attached to it
	Silent  string    `json:"silent,omitempty"` // why it is not seen: "node 3 has not answered within 2s"
}

// A ConnectionSession is the session that a connection belongs to: its id, and when its user
// signed in.
type ConnectionSession struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
}

// SessionInfo describes a session: one signed-in device.
type SessionInfo struct {
	ID          string    `json:"id"`
	User        string    `json:"user"` // label, as far as it is known
	UserID      string    `json:"userId"`
	Device      string    `json:"device,omitempty"`
	Remote      string    `json:"remote"`
	Method      string    `json:"method,omitempty"` // how they signed in
	Since       time.Time `json:"since"`            // its user signed in
	Seen        time.Time `json:"seen"`             // used, to the hour
	Connections []uint64  `json:"connections"`      // in the order that they joined
}

// JobsInfo describes the jobs and the reactions of the application.
type JobsInfo struct {
	Workers   int            `json:"workers"` // jobs that run at once in this process; 0: none, and no reactions
	Queues    []QueueInfo    `json:"queues"`
	Schedules []ScheduleInfo `json:"schedules"`
	Reactions []ReactionInfo `json:"reactions"`
	Jobs      []JobInfo      `json:"jobs"`    // those that run, wait, are dead, and have ended, in this order
	Waiting   []WaitingInfo  `json:"waiting"` // events for reactions: those that have failed, are due, and are behind others, in this order
}

// NamesOfReactions returns what a request for events that wait can name: their states, and the reactions.
func (info *JobsInfo) NamesOfReactions() []string {
	names := []string{"failed", "waiting", "behind"}
	for _, r := range info.Reactions {
		names = append(names, r.Name)
	}
	return names
}

// Names returns what a request for jobs can name: states, queues, and names of jobs and reactions.
func (info *JobsInfo) Names() []string {
	names := []string{"waiting", "running", "dead", "failed", "behind", "done", "cancelled"}
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, q := range info.Queues {
		add(q.Name)
	}
	for _, s := range info.Schedules {
		add(s.Job)
	}
	for _, r := range info.Reactions {
		add(r.Name)
	}
	for i := range info.Jobs {
		add(info.Jobs[i].Job)
	}
	return names
}

// ReactionInfo describes a reaction. Of the events that wait for it, at most a thousand of each state are counted.
type ReactionInfo struct {
	Name    string     `json:"name"`
	Scope   string     `json:"scope"`
	On      string     `json:"on"` // "enter, leave"
	Waiting int        `json:"waiting"`
	Behind  int        `json:"behind"` // earlier events of their records
	Failed  int        `json:"failed"` // for the last time
	Last    *time.Time `json:"last"`   // when it has dealt with an event
	Note    string     `json:"note,omitempty"`
	Unknown bool       `json:"unknown,omitempty"` // this build does not declare it
}

// WaitingInfo describes an event that waits for its reaction. Fields and Why are for one that is asked for by itself.
type WaitingInfo struct {
	ID          string          `json:"id"`
	Reaction    string          `json:"reaction"`
	Event       string          `json:"event"` // enter, change or leave
	Model       string          `json:"model"`
	Of          string          `json:"of"` // the record
	Label       string          `json:"label,omitempty"`
	Seq         uint64          `json:"seq"`   // the commit
	State       string          `json:"state"` // failed, waiting or behind
	Attempt     int             `json:"attempt"`
	MaxAttempts int             `json:"maxAttempts"`
	Due         time.Time       `json:"due"`
	Error       string          `json:"error,omitempty"`  // of the last try
	Fields      json.RawMessage `json:"fields,omitempty"` // of the record, but the private ones
	Why         string          `json:"why,omitempty"`
}

// QueueInfo describes a queue of jobs.
type QueueInfo struct {
	Name    string `json:"name"`
	Most    int    `json:"most,omitempty"` // that run at once in a process; 0: as many as there are workers
	Waiting int    `json:"waiting"`
	Running int    `json:"running"`
	Dead    int    `json:"dead"`
	Ended   int    `json:"ended"`  // done or cancelled, and kept for a while
	LateMs  int64  `json:"lateMs"` // for how long the job has been due that waits longest
}

// ScheduleInfo describes a schedule.
type ScheduleInfo struct {
	Job  string     `json:"job"`
	Cron string     `json:"cron"`
	Zone string     `json:"zone"`
	Next time.Time  `json:"next"`
	Last *time.Time `json:"last"`
}

// JobInfo describes a job. Args and Why are for one that is asked for by itself.
type JobInfo struct {
	ID          string          `json:"id"`
	Job         string          `json:"job"`
	Queue       string          `json:"queue"`
	State       string          `json:"state"` // waiting, running, done, dead or cancelled
	Priority    int             `json:"priority"`
	Attempt     int             `json:"attempt"`
	MaxAttempts int             `json:"maxAttempts"`
	Due         time.Time       `json:"due"`
	Started     *time.Time      `json:"started"`
	Finished    *time.Time      `json:"finished"`
	Done        int64           `json:"done"`
	Total       int64           `json:"total"`
	Note        string          `json:"note,omitempty"`
	Error       string          `json:"error,omitempty"` // of the last try that failed
	Steps       []string        `json:"steps,omitempty"`
	Result      json.RawMessage `json:"result,omitempty"`
	Args        json.RawMessage `json:"args,omitempty"`
	Why         string          `json:"why,omitempty"` // it does not run, or has ended so
}

// CursorInfo describes a query that one or more connections hold open.
type CursorInfo struct {
	Node    int      `json:"node,omitempty"` // that keeps it; 0: the only one
	Number  uint64   `json:"number"`
	Names   []string `json:"names"`
	Model   string   `json:"model"`
	Scope   string   `json:"scope"` // for display
	Holders int      `json:"holders"`
	Records int      `json:"records"` // -1 if the query keeps none

	// Residual is the reason why every change of the model is tested against the
	// query's conditions, or "" if an index finds the changes that may touch it.
	Residual string `json:"residual,omitempty"`

	Connections []uint64 `json:"connections,omitempty"` // that hold it, at most 100
	Evaluations uint64   `json:"evaluations,omitempty"` // commits that touched it
	Micros      int64    `json:"micros,omitempty"`      // time spent on these while a console was watching
	Refills     uint64   `json:"refills,omitempty"`     // how often its records were read again, because some had left the window
}

// A Route is an action, a page or a cursor.
type Route struct {
	Kind       string  `json:"kind"`             // action, page, cursor, handler, mount
	Method     string  `json:"method,omitempty"` // "" for a cursor, and for a handler of all methods
	Path       string  `json:"path,omitempty"`
	Name       string  `json:"name"`       // "posts.create", "posts.published"
	Controller string  `json:"controller"` // "" for a mount
	Action     string  `json:"action"`     // the Go method
	Inputs     []Input `json:"inputs"`
	Output     string  `json:"output,omitempty"`
	Model      string  `json:"model,omitempty"` // the model of a cursor's records, or of the record that an action returns
	Value      bool    `json:"value,omitempty"` // a cursor that carries a value
	Holders    int     `json:"holders"`         // current holders of a cursor
}

// An Input is one field of an action's input.
type Input struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
}

// Checked is what a check of the data has found.
type Checked struct {
	Found    []string    `json:"found"`              // what is wrong
	Compared *Comparison `json:"compared,omitempty"` // what the database that nodes share and the node's file have
}

// Copied describes a copy of the store.
type Copied struct {
	App   string    `json:"app"`
	Epoch string    `json:"epoch"`
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`   // when it was made
	Size  int64     `json:"size"` // in bytes
}

// Archived describes how far the archive of the store has come.
type Archived struct {
	Place  string    `json:"place"`
	Seq    uint64    `json:"seq"`    // the newest commit in the archive
	Newest uint64    `json:"newest"` // the newest commit of the store
	At     time.Time `json:"at"`     // when every commit was in the archive last
	Backup time.Time `json:"backup"` // when the newest backup was made
	Error  string    `json:"error,omitempty"`
}

// A Setting is a variable that configures the application: one of tower's own that is set,
// or one of the application's settings.
type Setting struct {
	Name     string `json:"name"`
	Value    string `json:"value,omitempty"` // "" if it is not set, or secret
	From     string `json:"from,omitempty"`  // "the environment", ".env", "default"; "" if it is not set
	Secret   bool   `json:"secret,omitempty"`
	Required bool   `json:"required,omitempty"`
}
