package towertest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A step is one thing that happens to an application: a transaction, or an act of a client.
type step struct {
	Do      string          `json:"do"`  // commit, connect, open, leave, return, pass
	Now     time.Time       `json:"now"` // when the step was made
	Client  int             `json:"client,omitempty"`
	User    tower.ID        `json:"user,omitempty"`
	Over    string          `json:"over,omitempty"` // one of the Transports; default Socket
	Node    int             `json:"node,omitempty"` // to which the client connects
	Cursor  string          `json:"cursor,omitempty"`
	In      json.RawMessage `json:"in,omitempty"`
	Where   json.RawMessage `json:"where,omitempty"` // narrows the cursor, as do Order and Limit
	Order   []string        `json:"order,omitempty"`
	Limit   int             `json:"limit,omitempty"`
	Changes []change        `json:"changes,omitempty"`
	Program bool            `json:"program,omitempty"` // another program makes the changes
}

// A change is one record of a transaction. A change that is impossible is left out.
type change struct {
	Op    string                     `json:"op"` // create, update, delete
	Model string                     `json:"model"`
	ID    tower.ID                   `json:"id"`
	Set   map[string]json.RawMessage `json:"set,omitempty"`
}

func (c change) without(name string) change {
	c.Set = maps.Clone(c.Set)
	delete(c.Set, name)
	return c
}

func (c change) String() string {
	text := c.Op + " " + c.Model + "/" + string(c.ID)
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		text += fmt.Sprintf(" %s=%s", name, c.Set[name])
	}
	return text
}

func (s *step) String() string {
	switch s.Do {
	case "commit":
		var parts []string
		for _, c := range s.Changes {
			parts = append(parts, c.String())
		}
		text := strings.Join(parts, "; ")
		if s.Program {
			text += " by another program"
		}
		return text
	case "connect":
		if s.User == "" {
			return fmt.Sprintf("client %d connects as a visitor over a %s", s.Client, s.over())
		}
		return fmt.Sprintf("client %d connects as %s over a %s", s.Client, s.User, s.over())
	case "open":
		return strings.TrimSpace(fmt.Sprintf("client %d opens %s %s", s.Client, s.Cursor, s.In))
	case "leave":
		return fmt.Sprintf("client %d loses its connection", s.Client)
	case "pass":
		return "time passes"
	default:
		return fmt.Sprintf("client %d comes back over a %s with what it held", s.Client, s.over())
	}
}

func (s *step) over() string { return cmp.Or(s.Over, Socket) }

// A census counts what happened, to find out whether anything was checked.
type census struct {
	models                                            []string
	created                                           map[string]int
	refused                                           map[string]string // why the last record of a model was refused
	commits, programs, opens, returns, compared, held int
	audited                                           uint64 // audits of clients that were compared
}

// A run is an application and what has happened to it.
type run struct {
	t testing.TB
	cluster
	app     *App // the first node, which is asked
	models  map[string]*record.Model
	all     records
	clients map[int]*watcher
	seen    census
	clock   func(time.Time) // sets the application's clock; nil if it is the system's
	now     time.Time       // at the current step
}

// A watcher is one client, also while it is disconnected.
type watcher struct {
	name   string
	user   tower.ID
	client *Client // nil while it is disconnected
	frames int     // number of frames checked
	lists  []*watched
}

// A watched cursor is open, or will be when its client reconnects.
type watched struct {
	cursor  *Cursor
	request wire.Request
}

func newRun(t testing.TB, k *checker) *run {
	var all cluster
	if k.open == nil {
		all.nodes = []*App{Open(t, k.config)}
	} else {
		all = k.open(t)
	}
	app := all.nodes[0]
	r := &run{t: t, cluster: all, app: app, clock: k.Clock, now: epoch, models: map[string]*record.Model{}, clients: map[int]*watcher{},
		seen: census{models: modelNames(app.App), created: map[string]int{}, refused: map[string]string{}}}
	for _, m := range server.Models(server.AppOf(app.App)) {
		r.models[m.Name] = m
	}
	r.readTime()
	r.readRecords()
	return r
}

// epoch is when a clock in the test's hand starts.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// readTime reads the time of the current step, or tells the application what it is.
func (r *run) readTime() {
	if r.clock == nil {
		r.now = time.Now().UTC()
	} else {
		r.clock(r.now)
	}
}

// tick is how much time passes in a step.
func (r *run) tick() time.Duration {
	if r.clock == nil {
		return 50 * time.Millisecond
	}
	return time.Minute
}

func (r *run) pass() {
	if r.clock != nil {
		r.now = r.now.Add(r.tick())
		return
	}
	select {
	case <-time.After(r.tick()):
	case <-r.t.Context().Done():
	}
}

// shifted returns the changes of a step with its times as far from now as they were when
// the step was made.
func (r *run) shifted(s *step) []change {
	changes := slices.Clone(s.Changes)
	for i, c := range changes {
		m := r.models[c.Model]
		if m == nil {
			continue
		}
		changes[i].Set = maps.Clone(c.Set)
		for name, data := range c.Set {
			var at *time.Time
			if f := m.Field(name); f != nil && f.Kind == record.Time && json.Unmarshal(data, &at) == nil && at != nil {
				shifted, err := json.Marshal(at.Add(r.now.Sub(s.Now)))
				if err == nil {
					changes[i].Set[name] = shifted
				}
			}
		}
	}
	return changes
}

// readRecords reads all records.
func (r *run) readRecords() {
	var err error
	if r.all, err = everything(r.t.Context(), r.app.App); err != nil {
		r.t.Fatal(err)
	}
}

// take makes a step and checks all clients. It does nothing if the step has become
// impossible because others were left out.
func (r *run) take(s *step) {
	w := r.clients[s.Client]
	node := r.nodes[s.Node%len(r.nodes)]
	node.Transport = s.over()
	r.readTime()
	switch s.Do {
	case "commit":
		r.commit(r.shifted(s), s.Program)
	case "connect":
		if w == nil {
			w = &watcher{name: fmt.Sprintf("client %d, %s,", s.Client, userName(s.User)), user: s.User}
			if r.connect(w, node); w.client != nil {
				r.clients[s.Client] = w
			}
		}
	case "open":
		if w != nil && w.client != nil {
			r.open(w, wire.Request{Open: s.Cursor, In: s.In, Where: s.Where, Order: s.Order, Limit: s.Limit}, nil)
		}
	case "leave":
		if w != nil && w.client != nil {
			w.client.Close()
			w.client = nil
		}
	case "return":
		if w != nil && w.client == nil {
			if r.comeBack(w, node); w.client == nil {
				delete(r.clients, s.Client)
			}
		}
	case "pass":
		r.pass()
	default:
		r.t.Fatalf("there is no step %q", s.Do)
	}
	r.readTime()
	r.check()
}

func userName(user tower.ID) string {
	if user == "" {
		return "a visitor"
	}
	return "user " + string(user)
}

func (r *run) commit(changes []change, byProgram bool) {
	before := r.app.Seq()
	transaction := r.transaction
	if byProgram {
		transaction = r.byProgram
	}
	seq, made := transaction(changes)
	if seq <= before {
		return
	}
	r.seen.commits++
	for _, name := range made {
		r.seen.created[name]++
	}
	r.level(seq)
	r.readRecords()
}

// transaction makes the changes, or none. It returns the newest commit, and the models of
// the records that it has created.
func (r *run) transaction(changes []change) (seq uint64, made []string) {
	err := server.AppOf(r.app.App).Transaction(r.t.Context(), func(tx *server.Tx) error {
		made = nil
		for _, c := range changes {
			err := r.change(tx, c)
			var invalid *record.InvalidError
			switch {
			case err == nil && c.Op == "create":
				made = append(made, c.Model)
			case errors.As(err, &invalid):
				r.seen.refused[c.Model] = invalid.Problems.String()
			case err != nil && !errors.Is(err, store.ErrNotFound):
				return err
			}
		}
		return nil
	})
	var invalid *record.InvalidError
	switch {
	case errors.As(err, &invalid):
		r.seen.refused[invalid.Model] = invalid.Problems.String()
		return 0, nil
	case err != nil:
		r.t.Fatalf("a transaction failed: %v", err)
	}
	return r.app.Seq(), made
}

func (r *run) byProgram(changes []change) (seq uint64, made []string) {
	seq, err := r.program(changes)
	if err != nil {
		r.t.Fatalf("another program failed: %v", err)
	}
	r.seen.programs++
	return seq, nil
}

// level waits until all nodes have a commit, and their clients too.
func (r *run) level(seq uint64) {
	for _, node := range r.nodes {
		for began := time.Now(); node.Seq() < seq; <-time.After(time.Millisecond) {
			if time.Since(began) > patience {
				r.t.Fatalf("a node has not received commit %d within %s", seq, patience)
			}
		}
		if err := node.Wait(r.t.Context(), seq); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *run) change(tx *server.Tx, c change) error {
	m := r.models[c.Model]
	if m == nil {
		return fmt.Errorf("there is no model %q", c.Model)
	}
	set := func(rec any) error {
		data, err := json.Marshal(c.Set)
		if err != nil {
			return err
		}
		if problems := m.Assign(rec, data); c.Set != nil && problems.Any() {
			return &record.InvalidError{Model: m.Name, Problems: problems}
		}
		return nil
	}
	switch c.Op {
	case "create":
		rec := m.New()
		if err := set(rec); err != nil {
			return err
		}
		header, err := m.Header(rec)
		if err != nil {
			return err
		}
		header.ID = c.ID
		_, err = tx.Create(m, rec)
		return err
	case "update":
		_, err := tx.Update(m, c.ID, set)
		return err
	case "delete":
		return tx.Delete(m, c.ID)
	}
	return fmt.Errorf("there is no change %q", c.Op)
}

// open opens a cursor, or resumes it from what the client held.
func (r *run) open(w *watcher, request wire.Request, held *Cursor) {
	name := request.Open
	cursor, got := w.client.resume(request, held)
	want := r.ask(w, request)
	switch {
	case got.Code == string(fault.TooMany):
		return // a limit of the server is not an answer
	case got.Status != http.StatusOK && want.refused == "":
		r.t.Fatalf("%s is refused %s: %s\na fresh query gives %v", w.name, name, got.Message, want.ids)
	case got.Status == http.StatusOK && want.refused != "":
		r.t.Fatalf("%s may open %s and holds %v\na fresh query is refused: %s", w.name, name, cursor.IDs(), want.refused)
	}
	r.seen.opens++
	if got.Status == http.StatusOK {
		w.lists = append(w.lists, &watched{cursor, request})
	}
}

func (r *run) comeBack(w *watcher, node *App) {
	r.seen.returns++
	lists := w.lists
	if r.connect(w, node); w.client == nil {
		return
	}
	w.lists = nil
	for _, list := range lists {
		r.open(w, list.request, list.cursor)
	}
}

// serves reports whether the application still opens a cursor for a client.
func (r *run) serves(w *watcher) bool {
	cursors := server.Cursors(server.AppOf(r.app.App))
	if len(cursors) == 0 {
		return false
	}
	answer, err := w.client.ask(wire.Request{Open: cursors[0].Name}, nil)
	return err == nil && answer.Error == nil
}

// connect connects a client, unless the application refuses its user now: a refused user
// holds nothing.
func (r *run) connect(w *watcher, node *App) {
	client, err := node.dial(r.t, w.user)
	refused := r.refuses(w.user)
	switch {
	case err == nil && refused != nil:
		r.t.Fatalf("%s is connected\nwho connects now is refused: %v", w.name, refused)
	case err != nil && (refused == nil || !errors.As(err, new(*refusedError))):
		r.t.Fatalf("%s cannot connect: %v", w.name, err)
	}
	w.client, w.frames = client, 0
}

// refuses returns why the application would refuse a client of the user, nil if it would not.
func (r *run) refuses(user tower.ID) error {
	_, err := server.SessionFor(r.t.Context(), server.AppOf(r.app.App), user)
	return err
}

func (r *run) ask(w *watcher, request wire.Request) answer {
	want, err := ask(r.t.Context(), r.app.App, w.user, request, r.all)
	if err != nil {
		r.t.Fatalf("a naive query of %s: %v", request.Open, err)
	}
	return want
}

// check compares what each client holds with what it should hold. If the application audits
// its clients, see TOWER_AUDIT, it must not find a divergence either.
func (r *run) check() {
	r.seen.audited = 0
	for _, node := range r.nodes {
		audits := server.AppOf(node.App).Audits()
		if audits.Divergences+audits.Failed > 0 {
			r.t.Fatalf("the audits of the application's clients: %+v", audits)
		}
		r.seen.audited += audits.Equal
	}
	for _, number := range slices.Sorted(maps.Keys(r.clients)) {
		if w := r.clients[number]; w.client != nil && r.isConnected(w) {
			r.checkClient(w)
		}
	}
}

// isConnected waits until everything has arrived at a client. It returns false if the
// application has ended the client's connection, which is right if it refuses the user now.
func (r *run) isConnected(w *watcher) bool {
	refused := r.refuses(w.user)
	err := w.client.awaitSent()
	if err == nil && refused != nil && !r.serves(w) {
		err = w.client.awaitEnd()
	}
	switch {
	case err == nil && refused != nil:
		r.t.Fatalf("%s is connected\nwho connects now is refused: %v", w.name, refused)
	case err != nil && (refused == nil || !errors.Is(err, errLost)):
		r.t.Fatalf("%s: %v", w.name, err)
	case err != nil:
		w.client = nil
		w.lists = slices.DeleteFunc(w.lists, func(list *watched) bool { return list.cursor.Closed() })
	}
	return err == nil
}

func (r *run) checkClient(w *watcher) {
	sight := map[string]bool{}
	kept := w.lists[:0]
	for _, list := range w.lists {
		want := r.ask(w, list.request)
		for _, id := range want.ids {
			sight[id] = true
		}
		for _, included := range want.include {
			for id := range included {
				sight[id] = true
			}
		}
		closed := list.cursor.Closed()
		switch {
		case closed && want.refused == "":
			r.t.Fatalf("%s had %s closed\na fresh query gives %v", w.name, list.cursor.name, want.ids)
		case !closed && want.refused != "":
			r.t.Fatalf("%s holds %s %v\na fresh query is refused: %s", w.name, list.cursor.name, list.cursor.IDs(), want.refused)
		case !closed:
			r.compare(w, list.cursor, want)
			kept = append(kept, list)
		}
	}
	w.lists = kept
	r.checkFrames(w, sight)
}

func (r *run) compare(w *watcher, held *Cursor, want answer) {
	if want.value != nil {
		have, err := replica.SumOfValue([]byte(held.Value()))
		if fresh, freshErr := replica.SumOfValue(want.value); err != nil || freshErr != nil || have.All != fresh.All {
			r.t.Fatalf("%s holds %s %s\na fresh query gives %s", w.name, held.name, held.Value(), want.value)
		}
		r.seen.compared++
		return
	}
	if ids := held.IDs(); !slices.Equal(ids, want.ids) {
		r.t.Fatalf("%s holds %s %v\na fresh query gives %v", w.name, held.name, ids, want.ids)
	}
	for _, id := range want.ids {
		data := held.raw(id)
		if got, err := decoded(data); err != nil || !reflect.DeepEqual(got, want.records[id]) {
			fresh, _ := json.Marshal(want.records[id]) // it was decoded from JSON
			r.t.Fatalf("%s holds %s in %s as %s\na fresh query gives %s", w.name, id, held.name, data, fresh)
		}
	}
	if got := held.included(); !reflect.DeepEqual(got, want.include) {
		r.t.Fatalf("%s holds %s, which includes %v\na fresh query gives %v", w.name, held.name, got, want.include)
	}
	r.seen.compared++
	if len(want.ids) > 0 {
		r.seen.held++
	}
}

// checkFrames checks the messages that a step caused: at most one commit, and only records
// that the client's cursors hold.
func (r *run) checkFrames(w *watcher, sight map[string]bool) {
	frames := w.client.Frames()
	commits := 0
	for _, message := range frames[w.frames:] {
		parts, err := wire.Frames([]byte(message))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, part := range parts {
			var kind struct {
				Hello, Status int
				Push          string
			}
			var commit wire.Commit
			if err := json.Unmarshal(part, &kind); err != nil {
				r.t.Fatal(err)
			}
			if kind.Hello != 0 || kind.Status != 0 || kind.Push != "" {
				continue
			}
			if err := json.Unmarshal(part, &commit); err != nil {
				r.t.Fatal(err)
			}
			commits++
			for _, records := range commit.Records {
				for _, rec := range records {
					if !sight[recordID(rec)] {
						r.t.Fatalf("%s was sent a record that no cursor of its holds: %s", w.name, part)
					}
				}
			}
		}
	}
	w.frames = len(frames)
	if commits > 1 {
		r.t.Fatalf("%s was sent one transaction in %d messages: %v", w.name, commits, frames)
	}
}
