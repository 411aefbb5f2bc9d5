// Package fakeapp is an in-memory application with a control socket, for tests of the
// console.
package fakeapp

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// An App is a fake application behind a control socket: posts and users in memory,
// three connections, and events. It is safe for concurrent use; set its fields while it
// is stopped.
type App struct {
	Path    string // path of the socket
	version int
	Build   string                    // the build it reports
	Before  func(wire.ControlRequest) // if set, called before each request is handled; may block

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]*sync.Mutex // with the lock for writes to each
	watchers map[net.Conn]bool
	handlers sync.WaitGroup
	seq      uint64
	ids      int
	records  map[string][]row // by model, in order of id
	overlays map[uint64]map[string][]row
	staged   map[uint64][]wire.ChangeInfo
	within   map[uint64]uint64 // from a transaction inside another to the outer one
	lastTx   uint64
}

type row map[string]any

// Models are the models of an [App].
var Models = []wire.ModelInfo{
	{Name: "posts", Type: "Post", Fields: []wire.FieldInfo{
		{Name: "id", Type: "string"},
		{Name: "title", Type: "string", Required: true},
		{Name: "body", Type: "string"},
		{Name: "authorId", Type: "ref", Ref: "users", Index: true},
		{Name: "published", Type: "bool", Index: true},
		{Name: "likes", Type: "int"},
		{Name: "tags", Type: "list"},
		{Name: "createdAt", Type: "time", Index: true},
		{Name: "updatedAt", Type: "time"},
	}},
	{Name: "users", Type: "User", Fields: []wire.FieldInfo{
		{Name: "id", Type: "string"},
		{Name: "name", Type: "string", Required: true, Unique: true},
		{Name: "passwordHash", Type: "string", Private: true},
		{Name: "createdAt", Type: "time"},
		{Name: "updatedAt", Type: "time"},
	}},
}

// Connections are the open connections of an [App].
var Connections = []wire.ConnectionInfo{
	{ID: 1, User: "ada", UserID: "01JB0000000000000000000ADA", Transport: "websocket", Remote: "127.0.0.1:50001", Since: Time(0), Cursors: []string{"posts.all"}, Seq: 812, Applied: 812, Lag: 4100},
	{ID: 2, User: "bob", UserID: "01JB0000000000000000000B0B", Transport: "websocket", Remote: "127.0.0.1:50002", Since: Time(1), Cursors: []string{"posts.mine"}, Seq: 812},
	{ID: 3, User: "visitor", Transport: "events", Remote: "127.0.0.1:50003", Since: Time(2), Cursors: []string{"posts.published", "posts.one"}, Seq: 811, Queued: 120},
}

// Routes are the routes of an [App].
var Routes = []wire.Route{
	{Kind: "page", Method: "GET", Path: "/posts", Name: "posts.index", Controller: "posts", Action: "Index", Inputs: []wire.Input{}},
	{Kind: "action", Method: "POST", Path: "/posts", Name: "posts.create", Controller: "posts", Action: "Create", Output: "Post", Model: "posts",
		Inputs: []wire.Input{{Name: "title", Type: "string", Required: true}, {Name: "body", Type: "string"}}},
	{Kind: "cursor", Name: "posts.all", Controller: "posts", Action: "All", Model: "posts", Inputs: []wire.Input{}, Holders: 2},
}

// Cursors are the open queries of an [App].
var Cursors = []wire.CursorInfo{
	{Number: 17, Names: []string{"posts.all"}, Model: "posts", Scope: "posts by -createdAt limit 20", Holders: 2, Records: 23, Connections: []uint64{1, 3}, Evaluations: 41_234, Micros: 51_300, Refills: 3},
	{Number: 18, Names: []string{"posts.mine"}, Model: "posts", Scope: "posts where authorId is …0B0B", Holders: 1, Records: -1, Connections: []uint64{2}, Evaluations: 12, Micros: 24},
	{Number: 21, Names: []string{"posts.published", "posts.search"}, Model: "posts", Scope: "posts where title contains 日本", Holders: 1, Records: -1, Connections: []uint64{3},
		Residual: "contains on title cannot be looked up"},
}

// Time returns a time on the day all fake events happen.
func Time(seconds int) time.Time {
	return time.Date(2026, 11, 22, 10, 0, seconds, 0, time.UTC)
}

func newApp(path string) *App {
	return &App{
		Path: path, version: wire.Version, Build: "b1", Before: func(wire.ControlRequest) {}, seq: 812,
		conns: map[net.Conn]*sync.Mutex{}, watchers: map[net.Conn]bool{}, records: map[string][]row{},
		overlays: map[uint64]map[string][]row{}, staged: map[uint64][]wire.ChangeInfo{}, within: map[uint64]uint64{},
	}
}

// Start starts an App that runs until the test ends.
func Start(t testing.TB) *App {
	t.Helper()
	folder, err := os.MkdirTemp("", "tower") // t.TempDir may return a path too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	app := newApp(filepath.Join(folder, "s"))
	app.Listen()
	t.Cleanup(func() { app.Stop(); os.RemoveAll(folder) })
	return app
}

// Listen starts the application, for the first time or after [App.Stop].
func (app *App) Listen() {
	listener, err := net.Listen("unix", app.Path)
	if err == nil {
		err = os.Chmod(app.Path, 0o600)
	}
	if err != nil {
		panic(err)
	}
	app.mu.Lock()
	app.listener = listener
	app.mu.Unlock()
	app.handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			app.mu.Lock()
			app.conns[conn] = &sync.Mutex{}
			app.mu.Unlock()
			app.handlers.Go(func() { app.serve(conn) })
		}
	})
}

// Stop stops the application and waits for its handlers.
func (app *App) Stop() {
	app.Drop()
	app.handlers.Wait()
}

// Count returns the number of stored records of a model.
func (app *App) Count(model string) int {
	app.mu.Lock()
	defer app.mu.Unlock()
	return len(app.records[model])
}

// Abandon leaves the socket file in place without a listener.
func (app *App) Abandon() {
	app.listener.(*net.UnixListener).SetUnlinkOnClose(false)
	app.listener.Close()
}

// Drop closes all connections and accepts no more. It does not wait for requests in
// progress.
func (app *App) Drop() {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.listener.Close()
	for conn := range app.conns {
		conn.Close()
	}
}

// Transactions returns the number of open transactions.
func (app *App) Transactions() int {
	app.mu.Lock()
	defer app.mu.Unlock()
	return len(app.overlays)
}

// ForgetTransactions drops the open transactions.
func (app *App) ForgetTransactions() {
	app.mu.Lock()
	defer app.mu.Unlock()
	clear(app.overlays)
}

// SetVersion makes the application report another version of the protocol.
func (app *App) SetVersion(version int) {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.version = version
}

// Renumber restarts the numbering of transactions, as a new process does, so that
// transaction 1 is a different one.
func (app *App) Renumber() {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.lastTx, app.overlays = 0, map[uint64]map[string][]row{1: {}}
}

func (app *App) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		app.mu.Lock()
		delete(app.conns, conn)
		delete(app.watchers, conn)
		app.mu.Unlock()
	}()
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var req wire.ControlRequest
		if err := json.Unmarshal(line, &req); err != nil {
			panic(err)
		}
		if req.Do == wire.DoCancel {
			continue // requests are answered at once, so there is nothing to cancel
		}
		app.Before(req)
		app.mu.Lock()
		out, refused, changes := app.handle(conn, req)
		seq := app.seq
		app.mu.Unlock()
		reply := wire.ControlReply{ID: req.ID, Error: refused}
		if refused == nil {
			reply.OK, _ = json.Marshal(out)
		}
		app.reply(conn, reply)
		if len(changes) > 0 {
			app.publish(seq, req.By, changes)
		}
	}
}

func (app *App) reply(conn net.Conn, reply wire.ControlReply) {
	app.mu.Lock()
	writing := app.conns[conn]
	app.mu.Unlock()
	if writing == nil {
		return
	}
	line, _ := json.Marshal(reply)
	writing.Lock()
	defer writing.Unlock()
	_, _ = conn.Write(append(line, '\n')) // the console may have gone
}

// Send sends events to every console that watches.
func (app *App) Send(events ...wire.ControlEvent) {
	app.mu.Lock()
	var watchers []net.Conn
	for conn := range app.watchers {
		watchers = append(watchers, conn)
	}
	app.mu.Unlock()
	for _, conn := range watchers {
		for _, event := range events {
			app.reply(conn, wire.ControlReply{Event: &event})
		}
	}
}

func (app *App) publish(seq uint64, by string, changes []wire.ChangeInfo) {
	commit := Commit(seq, by, changes)
	events := []wire.ControlEvent{{Commit: &commit}}
	for i, reach := range commit.Reached {
		if reach.Enter+reach.Change+reach.Leave > 0 {
			events = append(events, wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: seq, Connection: reach.Connection, Micros: int64(4100 + 900*i)}})
		}
	}
	app.Send(events...)
}

// Commit returns the event of a commit that reaches two of the connections.
func Commit(seq uint64, by string, changes []wire.ChangeInfo) wire.CommitEvent {
	commit := wire.CommitEvent{Seq: seq, At: Time(int(seq % 60)), By: by, Changes: changes, ChangesAll: len(changes), Connections: 3, Micros: 1300, ReachedAll: 2, Asked: true}
	ada := wire.Reach{Connection: 1, User: "ada", Cursor: "posts.all"}
	visitor := wire.Reach{Connection: 3, User: "visitor", Cursor: "posts.published"}
	for _, change := range changes {
		for _, reach := range []*wire.Reach{&ada, &visitor} {
			switch change.Op {
			case "create":
				reach.Enter++
			case "update":
				reach.Change++
			case "delete":
				reach.Leave++
			}
		}
	}
	commit.Reached = []wire.Reach{ada, visitor, {Connection: 2, User: "bob", Cursor: "posts.mine", Outcome: wire.Denied, By: "Posts.Match"}}
	return commit
}

// Hello returns the application's description of itself.
func (app *App) Hello() wire.ControlHello {
	return wire.ControlHello{Version: app.version, App: "blog", Env: "development", PID: 1, URL: "http://localhost:3000",
		Build: app.Build, Epoch: "01JA7XK2M4Q8R9S0T1V2W3X4Y5", Seq: app.seq, Models: Models}
}

func (app *App) handle(conn net.Conn, req wire.ControlRequest) (out any, refused *wire.Error, changes []wire.ChangeInfo) {
	switch req.Do {
	case wire.DoHello:
		return app.Hello(), nil, nil
	case wire.DoWatch:
		app.watchers[conn] = true
		return nil, nil, nil
	case wire.DoConnections:
		return Connections, nil, nil
	case wire.DoCursors:
		return Cursors, nil, nil
	case wire.DoJobs:
		return Jobs(Time(0)), nil, nil
	case wire.DoRoutes:
		return Routes, nil, nil
	case wire.DoBegin:
		app.lastTx++
		overlay, from := map[string][]row{}, app.records
		if req.Tx != 0 {
			from = app.overlays[req.Tx]
			app.within[app.lastTx] = req.Tx
		}
		for model, records := range from {
			overlay[model] = slices.Clone(records)
		}
		app.overlays[app.lastTx] = overlay
		return app.lastTx, nil, nil
	case wire.DoRollback:
		delete(app.overlays, req.Tx)
		delete(app.staged, req.Tx)
		return nil, nil, nil
	case wire.DoCommit:
		return app.commit(req.Tx)
	}
	return app.onRecords(req)
}

func (app *App) commit(tx uint64) (any, *wire.Error, []wire.ChangeInfo) {
	overlay, ok := app.overlays[tx]
	if !ok {
		return nil, &wire.Error{Code: "bad_request", Message: "there is no such transaction"}, nil
	}
	changes := app.staged[tx]
	delete(app.overlays, tx)
	delete(app.staged, tx)
	if within := app.within[tx]; within != 0 {
		app.overlays[within] = overlay
		app.staged[within] = append(app.staged[within], changes...)
		return wire.Written{}, nil, nil
	}
	app.records = overlay
	if len(changes) == 0 {
		return wire.Written{}, nil, nil
	}
	app.seq++
	return wire.Written{Seq: app.seq, Changes: len(changes)}, nil, changes
}

func (app *App) onRecords(req wire.ControlRequest) (any, *wire.Error, []wire.ChangeInfo) {
	if !slices.ContainsFunc(Models, func(m wire.ModelInfo) bool { return m.Name == req.Model }) {
		return nil, &wire.Error{Code: "bad_request", Message: "this is no real application"}, nil
	}
	space := app.records
	if req.Tx != 0 {
		if space = app.overlays[req.Tx]; space == nil {
			return nil, &wire.Error{Code: "bad_request", Message: "there is no such transaction"}, nil
		}
	}
	at := slices.IndexFunc(space[req.Model], func(r row) bool { return r["id"] == req.Key })
	if req.Key != "" && at < 0 {
		return nil, &wire.Error{Code: "not_found", Message: "there is no record " + req.Key + " in " + req.Model}, nil
	}
	switch req.Do {
	case wire.DoFind:
		return encode(req.Model, space[req.Model][at]), nil, nil
	case wire.DoQuery:
		records := []json.RawMessage{}
		for _, r := range window(filter(space[req.Model], req.Where), req) {
			records = append(records, encode(req.Model, r))
		}
		return records, nil, nil
	case wire.DoCount:
		return len(filter(space[req.Model], req.Where)), nil, nil
	case wire.DoDeleteAll:
		gone := filter(space[req.Model], req.Where)
		space[req.Model] = slices.DeleteFunc(slices.Clone(space[req.Model]), func(r row) bool {
			return slices.ContainsFunc(gone, func(g row) bool { return g["id"] == r["id"] })
		})
		app.seq++
		return wire.Written{Seq: app.seq, Changes: len(gone)}, nil, nil
	}
	if req.Do == wire.DoCreateAll {
		return app.writeAll(req, space)
	}
	if req.Do != wire.DoCreate && req.Do != wire.DoUpdate && req.Do != wire.DoDelete {
		return nil, &wire.Error{Code: "bad_request", Message: "this is no real application"}, nil
	}
	return app.write(req, space, at)
}

// writeAll creates the records of a createAll in the transaction that it names.
func (app *App) writeAll(req wire.ControlRequest, space map[string][]row) (any, *wire.Error, []wire.ChangeInfo) {
	var all wire.Written
	for i, set := range req.Sets {
		out, refused, _ := app.write(wire.ControlRequest{Do: wire.DoCreate, Model: req.Model, Set: set, Tx: req.Tx}, space, -1)
		if refused != nil {
			problems := map[string][]string{}
			for field, texts := range refused.Problems {
				problems[fmt.Sprint(req.Offset+i, ".", field)] = texts
			}
			refused.Problems = problems
			return nil, refused, nil
		}
		all.Records = append(all.Records, out.(wire.Written).Record)
	}
	all.Changes = len(all.Records)
	return all, nil, nil
}

func (app *App) write(req wire.ControlRequest, space map[string][]row, at int) (any, *wire.Error, []wire.ChangeInfo) {
	change := wire.ChangeInfo{Op: req.Do, Model: req.Model, ID: req.Key}
	written := wire.Written{Changes: 1}
	record := row{"body": "", "authorId": "", "published": false, "likes": 0.0, "tags": []any{}}
	if at >= 0 {
		record = row{}
		for name, v := range space[req.Model][at] {
			record[name] = v
		}
	}
	if req.Do == wire.DoDelete {
		space[req.Model] = slices.Delete(slices.Clone(space[req.Model]), at, at+1)
	} else {
		decoder := json.NewDecoder(bytes.NewReader(req.Set))
		decoder.UseNumber()
		set := row{}
		if err := decoder.Decode(&set); err != nil {
			return nil, &wire.Error{Code: "bad_request", Message: err.Error()}, nil
		}
		for name, v := range set {
			record[name] = v
			if req.Do == wire.DoUpdate {
				change.Fields = append(change.Fields, name)
			}
		}
		slices.Sort(change.Fields)
		if refused := validate(req.Model, record); refused != nil {
			return nil, refused, nil
		}
		if req.Do == wire.DoCreate {
			app.ids++
			change.ID = fmt.Sprintf("01JBXYZ%019d", app.ids)
			record["id"], record["createdAt"] = change.ID, Time(app.ids).Format(time.RFC3339)
			record["updatedAt"] = record["createdAt"]
			space[req.Model] = append(space[req.Model], record)
		} else {
			space[req.Model] = slices.Clone(space[req.Model])
			space[req.Model][at] = record
		}
		written.Record = encode(req.Model, record)
		change.Label, _ = record[modelNamed(req.Model).Fields[1].Name].(string)
	}
	if req.Tx != 0 {
		app.staged[req.Tx] = append(app.staged[req.Tx], change)
		return written, nil, nil
	}
	app.seq++
	written.Seq = app.seq
	return written, nil, []wire.ChangeInfo{change}
}

func modelNamed(name string) wire.ModelInfo {
	return Models[slices.IndexFunc(Models, func(m wire.ModelInfo) bool { return m.Name == name })]
}

func validate(model string, record row) *wire.Error {
	problems := map[string][]string{}
	for _, f := range modelNamed(model).Fields {
		text, isText := record[f.Name].(string)
		if f.Required && (!isText || text == "") {
			problems[f.Name] = []string{"is required"}
		}
		if len(text) > 100_000 {
			problems[f.Name] = []string{"is too long", "is too boring"}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &wire.Error{Code: "invalid", Message: "the record is not valid", Problems: problems}
}

func encode(model string, record row) json.RawMessage {
	out := []byte{'{'}
	for _, f := range modelNamed(model).Fields {
		v, ok := record[f.Name]
		if !ok || f.Private {
			continue
		}
		encoded, _ := json.Marshal(v)
		out = fmt.Appendf(out, "%q:%s,", f.Name, encoded)
	}
	return append(bytes.TrimSuffix(out, []byte{','}), '}')
}

func filter(records []row, where json.RawMessage) []row {
	var conditions map[string]any
	if len(where) > 0 {
		if err := json.Unmarshal(where, &conditions); err != nil {
			panic(err)
		}
	}
	return slices.DeleteFunc(slices.Clone(records), func(r row) bool { return !holds(r, conditions) })
}

func holds(r row, conditions map[string]any) bool {
	for name, want := range conditions {
		if name == "and" {
			for _, condition := range want.([]any) {
				if !holds(r, condition.(map[string]any)) {
					return false
				}
			}
			continue
		}
		tests, ok := want.(map[string]any)
		if !ok {
			tests = map[string]any{"is": want}
		}
		for op, to := range tests {
			order := compare(r[name], to)
			if !map[string]bool{"is": order == 0, "not": order != 0, "gte": order >= 0, "gt": order > 0, "lte": order <= 0, "lt": order < 0}[op] {
				return false
			}
		}
	}
	return true
}

func compare(a, b any) int {
	number := func(v any) (float64, bool) {
		f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		return f, err == nil
	}
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func window(records []row, req wire.ControlRequest) []row {
	slices.SortStableFunc(records, func(a, b row) int {
		sign := 1
		for _, name := range req.Order {
			field, down := strings.CutPrefix(name, "-")
			if sign = 1; down {
				sign = -1
			}
			if order := compare(a[field], b[field]); order != 0 {
				return sign * order
			}
		}
		return sign * compare(a["id"], b["id"]) // ties are in the direction of the last term
	})
	records = records[min(req.Offset, len(records)):]
	if req.Limit > 0 {
		records = records[:min(req.Limit, len(records))]
	}
	return records
}
