//go:build unix

package towertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A survivor is a client of the application that is killed. It knows what it was
// answered and what it was not, comes back with what it held, and sends again what
// was not answered, under the same key.
type survivor struct {
	t      *testing.T
	number int
	random *rand.Rand
	header http.Header // who it is
	http   bool        // it writes over HTTP

	own     own
	pending *deed  // that was not answered
	past    []deed // that were, the newest last

	client  *Client // nil while it is away
	cursors []*Cursor
	counts  deeds
}

// What a member has, as far as it was answered.
type own struct {
	id   tower.ID
	all  bool
	done int
	rows map[tower.ID]Row
}

// A deed is a call with its key, and its answer.
type deed struct {
	key    tower.ID
	route  string
	in     act
	out    json.RawMessage
	before bool // it had taken effect before it was answered
}

type deeds struct{ answered, late, repeated int }

var watchedNames = []string{"open.tallies", "own.all", "own.top", "own.count", "open.all", "open.top", "open.count"}

func (o *own) with(d *deed) own {
	o = &own{o.id, o.all, o.done + 1, maps.Clone(o.rows)}
	row, in := o.rows[d.in.ID], d.in
	switch method, _, _ := strings.Cut(d.route, "/"); {
	case d.route == "POST /sight":
		o.all = in.Public
	case d.route == "POST /swap":
		other := o.rows[in.With]
		row.Place, other.Place = other.Place, row.Place
		o.rows[in.ID], o.rows[in.With] = row, other
	case method == "DELETE ":
		delete(o.rows, in.ID)
	case method == "PATCH ":
		row.Place, row.Public = in.Place, in.Public
		row.Edits++
		o.rows[in.ID] = row
	default:
		o.rows[in.ID] = Row{OwnerID: o.id, Place: in.Place, Public: in.Public}
	}
	return *o
}

// plan decides what to do next.
func (s *survivor) plan() *deed {
	d := &deed{key: tower.NewID(), in: act{Place: s.random.IntN(100), Public: s.random.IntN(2) == 0}}
	ids := slices.Sorted(maps.Keys(s.own.rows))
	switch n := s.random.IntN(20); {
	case n == 0:
		d.route = "POST /sight"
	case len(ids) < 3 || n < 7 && len(ids) < 30:
		d.route, d.in.ID = "POST /rows", tower.NewID()
	case n < 12:
		d.in.ID = ids[s.random.IntN(len(ids))]
		d.route = "PATCH /rows/" + string(d.in.ID)
	case n < 15:
		s.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		d.route, d.in.ID, d.in.With = "POST /swap", ids[0], ids[1]
	default:
		d.in.ID = ids[s.random.IntN(len(ids))]
		d.route = "DELETE /rows/" + string(d.in.ID)
	}
	return d
}

// find looks for the member's records among those that a killed application has
// left: they must be what was answered, or else that and all that was not.
func (s *survivor) find(there map[string]*record.Image) {
	s.t.Helper()
	found := own{id: s.own.id, rows: map[tower.ID]Row{}}
	for _, image := range there {
		rec, err := image.Record()
		if err != nil {
			s.t.Fatal(err)
		}
		switch rec := rec.(type) {
		case *Member:
			if rec.ID == s.own.id {
				found.all = rec.All
			}
		case *Tally:
			if rec.MemberID == s.own.id {
				found.done = rec.Done
			}
		case *Row:
			if rec.OwnerID == s.own.id {
				found.rows[rec.ID] = Row{OwnerID: rec.OwnerID, Place: rec.Place, Public: rec.Public, Edits: rec.Edits}
			}
		}
	}
	want := s.own
	if s.pending != nil {
		if s.pending.before = found.done > s.own.done; s.pending.before {
			want = s.own.with(s.pending)
		}
	}
	if !reflect.DeepEqual(found, want) {
		s.t.Fatalf("client %d finds\n%+v, not\n%+v; pending %+v", s.number, found, want, s.pending)
	}
}

// comeBack connects, over one transport or another, opens every cursor from what was held of it, and sends again
// what was not answered.
func (s *survivor) comeBack(url string) error {
	client, err := dial(s.t, pick(s.random, Transports()), url, s.header)
	if err != nil {
		return err
	}
	s.client = client
	for i, name := range watchedNames {
		if s.cursors[i], err = s.open(client, name, s.cursors[i]); err != nil {
			return err
		}
	}
	if s.pending != nil {
		err = s.perform(url)
	}
	return err
}

func (s *survivor) open(client *Client, name string, held *Cursor) (*Cursor, error) {
	cursor := &Cursor{client: client, name: name, state: &replica.Replica{}}
	req := wire.Request{Open: name}
	if held != nil {
		cursor.state, req.Since = held.state.Clone(), held.state.At
		cursor.state.Value = nil // the answer carries it
	}
	answer, err := client.ask(req, cursor)
	switch {
	case err != nil:
		return held, err
	case answer.Error != nil:
		return held, fmt.Errorf("open %s: %s", name, answer.Error.Message)
	case held != nil && answer.Value == nil && answer.Delta == nil:
		return held, fmt.Errorf("%s was not resumed from %s: %s", name, req.Since, answer.Resync)
	}
	return cursor, nil
}

// leave lets go of the connection, and reports what was wrong with its frames.
func (s *survivor) leave() error {
	if s.client == nil {
		return nil
	}
	s.client.Close()
	defer func() { s.client = nil }()
	for _, cursor := range s.cursors {
		if cursor != nil { // one may know more than was told of it: the others were told
			cursor.state.At = s.position(cursor)
		}
	}
	return gapless(s.client.Frames())
}

// position is what the client may say it holds of a cursor: where it was last
// touched, or the last commit that the connection was told of.
func (s *survivor) position(cursor *Cursor) string {
	if s.client.seq == 0 || cursor.client != s.client || s.random.IntN(2) == 0 {
		return cursor.state.At
	}
	return wire.Position(s.client.hello.Epoch, max(s.client.seq, seqOf(cursor.state.At)))
}

func seqOf(at string) uint64 {
	_, seq, _ := wire.ParsePosition(at)
	return seq
}

// gapless reports a commit that was not told of between the answer to the first
// open, of a cursor that every commit touches, and the last frame; and an answer
// that came before the commit that it tells of.
func gapless(messages []string) error {
	var last uint64
	for _, message := range messages {
		frames, err := wire.Frames([]byte(message))
		if err != nil {
			return err
		}
		for _, frame := range frames {
			var f struct {
				Hello     int
				At        string
				From, Seq uint64
			}
			if err := json.Unmarshal(frame, &f); err != nil {
				return err
			}
			switch first := cmp.Or(f.From, f.Seq); {
			case f.Hello != 0:
			case f.At != "" && last == 0:
				last = seqOf(f.At)
			case f.At != "" && seqOf(f.At) > last:
				return fmt.Errorf("after commit %d, and before the one that it tells of, came %s", last, frame)
			case f.Seq != 0 && first != last+1:
				return fmt.Errorf("after commit %d came %s", last, frame)
			case f.Seq != 0:
				last = f.Seq
			}
		}
	}
	return nil
}

// work does one thing after another until the application is gone.
func (s *survivor) work(url string) error {
	for {
		if s.random.IntN(10) == 0 && len(s.past) > 0 {
			if err := s.repeat(url); err != nil {
				return err
			}
		}
		s.pending = s.plan()
		if err := s.perform(url); err != nil {
			return err
		}
	}
}

// perform sends what is pending until it is answered.
func (s *survivor) perform(url string) error {
	status, out, repeated, err := s.send(url, s.pending)
	if err != nil {
		return err
	}
	if status >= 300 || repeated != s.pending.before {
		return fmt.Errorf("%s %+v was answered with %d %s, repeated: %t; had taken effect before: %t", s.pending.route, s.pending.in, status, out, repeated, s.pending.before)
	}
	s.own = s.own.with(s.pending)
	s.pending.out = out
	s.counts.answered++
	if s.pending.before {
		s.counts.late++
	}
	if s.past = append(s.past, *s.pending); len(s.past) > 20 {
		s.past = s.past[1:]
	}
	s.pending = nil
	return nil
}

// repeat sends again what was answered.
func (s *survivor) repeat(url string) error {
	d := &s.past[s.random.IntN(len(s.past))]
	status, out, repeated, err := s.send(url, d)
	if err != nil {
		return err
	}
	s.counts.repeated++
	if status >= 300 || !repeated || string(out) != "null" && string(d.out) != "null" && !bytes.Equal(out, d.out) {
		return fmt.Errorf("%s %+v, sent again, was answered with %d %s, repeated: %t; at first with %s", d.route, d.in, status, out, repeated, d.out)
	}
	return nil
}

func (s *survivor) send(url string, d *deed) (status int, out json.RawMessage, repeated bool, err error) {
	if !s.http {
		answer, err := s.client.ask(wire.Request{Call: d.route, In: d.in.text(), Key: string(d.key)}, nil)
		if err != nil {
			return 0, nil, false, err
		}
		if answer.Error != nil {
			answer.Out = json.RawMessage(answer.Error.Message)
		}
		return answer.Status, answer.Out, answer.Repeated, nil
	}
	method, path, _ := strings.Cut(d.route, " ")
	req, err := http.NewRequestWithContext(s.t.Context(), method, url+path, bytes.NewReader(d.in.text()))
	if err != nil {
		return 0, nil, false, err
	}
	req.Header = s.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", string(d.key))
	response, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return 0, nil, false, fmt.Errorf("%w: %w", errLost, err)
	}
	defer response.Body.Close()
	if out, err = io.ReadAll(response.Body); err != nil {
		return 0, nil, false, fmt.Errorf("%w: %w", errLost, err)
	}
	return response.StatusCode, bytes.TrimSpace(out), response.Header.Get("Idempotency-Replayed") == "true", nil
}

// enter signs in, once: it stays so when the application is killed.
func (s *survivor) enter(url string) error {
	response, err := http.Post(url+"/session", "application/json", bytes.NewReader(act{ID: s.own.id}.text()))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	cookie, _, _ := strings.Cut(response.Header.Get("Set-Cookie"), ";")
	s.header = http.Header{"Cookie": {cookie}}
	if response.StatusCode != http.StatusOK || cookie == "" {
		return fmt.Errorf("sign in: %s", response.Status)
	}
	return nil
}

// compare waits until the client has been told all, and reports where what it
// holds is not what a new client of the same user is given, or not what it should
// be by what everybody has.
func (s *survivor) compare(url string, everybody []*survivor) error {
	if err := s.client.awaitSent(); err != nil {
		s.client.t.Fatal(err)
	}
	fresh, err := dial(s.t, Socket, url, s.header)
	if err != nil {
		return err
	}
	defer fresh.Close()
	for i, name := range watchedNames {
		now, err := s.open(fresh, name, nil)
		if err != nil {
			return err
		}
		held := s.cursors[i]
		if !slices.Equal(held.IDs(), now.IDs()) || held.Value() != now.Value() {
			return fmt.Errorf("client %d holds of %s %v %s, and is to hold %v %s", s.number, name, held.IDs(), held.Value(), now.IDs(), now.Value())
		}
		for _, id := range now.IDs() {
			if !bytes.Equal(held.raw(id), now.raw(id)) {
				return fmt.Errorf("client %d holds of %s %s, and is to hold %s", s.number, name, held.raw(id), now.raw(id))
			}
		}
		if err := s.expect(now, everybody); err != nil {
			return fmt.Errorf("client %d, %s: %w", s.number, name, err)
		}
	}
	return nil
}

// expect reports where a cursor does not hold what it should by what everybody has.
func (s *survivor) expect(cursor *Cursor, everybody []*survivor) error {
	var all []Row
	for _, other := range everybody {
		for id, row := range other.own.rows {
			row.ID = id
			if row.Public || strings.HasPrefix(cursor.name, "own.") && (other == s || s.own.all) {
				all = append(all, row)
			}
		}
	}
	switch _, name, _ := strings.Cut(cursor.name, "."); {
	case name == "tallies":
		for _, other := range everybody {
			if !slices.ContainsFunc(cursor.IDs(), func(id string) bool {
				var t Tally
				return cursor.Record(id, &t) && t.MemberID == other.own.id && t.Done == other.own.done
			}) {
				return fmt.Errorf("client %d has done %d things, and is not said to", other.number, other.own.done)
			}
		}
		return nil
	case name == "count":
		if cursor.Value() != fmt.Sprint(len(all)) {
			return fmt.Errorf("it is %s, not %d", cursor.Value(), len(all))
		}
		return nil
	case cursor.name == "own.top":
		slices.SortFunc(all, func(a, b Row) int { return cmp.Or(b.Place-a.Place, cmp.Compare(b.ID, a.ID)) })
		all = all[:min(5, len(all))]
	case cursor.name == "open.top":
		slices.SortFunc(all, func(a, b Row) int { return cmp.Or(a.Place-b.Place, cmp.Compare(a.ID, b.ID)) })
		all = all[min(2, len(all)):min(7, len(all))]
	default:
		slices.SortFunc(all, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	}
	var held []Row
	for _, id := range cursor.IDs() {
		var row Row
		cursor.Record(id, &row)
		row.CreatedAt, row.UpdatedAt = time.Time{}, time.Time{}
		held = append(held, row)
	}
	if !slices.Equal(held, all) {
		return fmt.Errorf("it holds\n%v, not\n%v", held, all)
	}
	return nil
}
