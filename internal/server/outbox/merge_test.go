package outbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// TestLaggingClientHoldsStateAfterEachFrame makes random commits to random cursors of a
// connection whose transport takes messages at random times. After each frame the
// client must hold what the naive model held after that commit, and each answer must
// come between the commits before and after it.
func TestLaggingClientHoldsStateAfterEachFrame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	merged, closed := 0, 0
	for i := range 16 {
		limit := 1000 // too small for some commits
		if i > 3 {
			limit = 6000 + random.IntN(20_000)
		}
		l := newLag(t, random, limit)
		for range 200 {
			l.act()
		}
		l.finish()
		merged += l.merged
		if l.full {
			closed++
		}
	}
	if merged < 50 || closed == 0 || closed == 16 {
		t.Errorf("%d merged frames, %d of 16 clients were disconnected: the test covers too little", merged, closed)
	}
}

var lagModel = &record.Model{Name: "posts"}

// A lag is a connection whose client reads late, with a naive model of both.
type lag struct {
	t      *testing.T
	random *rand.Rand
	outbox *Outbox
	full   bool

	seq      uint64
	number   uint64
	lists    []*naiveList
	states   map[uint64]string // after each commit that touched the connection
	reserved *Slot
	answer   []byte

	messages [][]byte
	read     int
	replicas map[uint64]*replica.Replica
	lastSeq  uint64
	merged   int
}

// A naiveList is what a cursor holds, in order.
type naiveList struct {
	number        uint64
	ordered, html bool
	records       []*record.Image
}

func newLag(t *testing.T, random *rand.Rand, limit int) *lag {
	l := &lag{t: t, random: random, states: map[uint64]string{}, replicas: map[uint64]*replica.Replica{}}
	l.outbox = &Outbox{Limit: limit, Transport: fakeTransport{
		func(message []byte) { l.messages = append(l.messages, message) },
		func() { l.full = true },
	}}
	for i := range 4 {
		l.number++
		l.lists = append(l.lists, &naiveList{number: l.number, ordered: i != 0, html: i == 3})
		l.replicas[l.number] = &replica.Replica{Model: "posts", HTML: i == 3}
	}
	l.states[0] = l.describe()
	return l
}

func (l *lag) act() {
	switch n := l.random.IntN(20); {
	case n < 12:
		l.commit()
	case n == 12 && l.reserved == nil:
		l.reserved, l.answer = l.outbox.Reserve(), fmt.Appendf(nil, `{"id":1,"at":"e:%d"}`, l.seq)
	case n == 13:
		l.outbox.Put(fmt.Appendf(nil, `{"id":1,"at":"e:%d"}`, l.seq))
	case n < 16 && l.reserved != nil:
		l.outbox.Fill(l.reserved, l.answer)
		l.reserved = nil
	case n == 16:
		l.outbox.Flush()
	case l.random.IntN(6) == 0:
		l.receive()
	}
}

func (l *lag) finish() {
	if l.reserved != nil {
		l.outbox.Fill(l.reserved, nil)
	}
	l.outbox.Flush()
	for l.read < len(l.messages) {
		l.receive()
	}
	if !l.full && (l.replay() != l.sorted(l.describe()) || l.outbox.Waiting() != 0) {
		l.t.Errorf("in the end the client holds\n%s\nwant\n%s", l.replay(), l.describe())
	}
}

// commit makes a commit that changes a few records of some cursors.
func (l *lag) commit() {
	l.seq++
	images := map[record.ID]*record.Image{}
	for range 1 + l.random.IntN(3) {
		id := record.ID(fmt.Sprintf("r%02d", l.random.IntN(25)))
		body := fmt.Sprintf(`{"id":"%s","v":%d,"x":"%s"}`, id, l.seq, strings.Repeat("x", l.random.IntN(100)))
		images[id] = &record.Image{Model: lagModel, ID: id, Version: l.seq, JSON: []byte(body)}
	}
	var deltas []CursorDelta
	for _, list := range l.lists {
		steps := list.follow(images, l.random)
		p := CursorDelta{Number: list.number, HTML: list.html, Steps: steps}
		if l.random.IntN(60) == 0 {
			l.number++
			p.To, list.number = l.number, l.number
		}
		if len(steps) > 0 || p.To != 0 {
			deltas = append(deltas, p)
		}
	}
	if len(deltas) == 0 {
		return
	}
	l.states[l.seq] = l.describe()
	l.outbox.Deliver(NewFrame(l.seq, l.seq, false, deltas, nil), l.random.IntN(3) == 0)
}

// follow applies a commit that changed records into images, with random effects, and
// returns the steps in the engine's order: leave, enter, change.
func (n *naiveList) follow(images map[record.ID]*record.Image, random *rand.Rand) []Step {
	var leave, enter, change []Step
	for _, id := range slices.Sorted(maps.Keys(images)) {
		s := Step{Delta: cursor.Delta{ID: id, Image: images[id]}}
		if n.html {
			s.HTML = string(images[id].JSON)
		}
		switch held, stay := n.find(id) >= 0, random.IntN(3) > 0; {
		case held && !stay:
			leave = append(leave, Step{Delta: cursor.Delta{Op: cursor.Leave, ID: id}})
		case !held && stay:
			s.Op = cursor.Enter
			enter = append(enter, s)
		case held:
			s.Op = cursor.Change
			change = append(change, s)
		}
	}
	steps := slices.Concat(leave, enter, change)
	for i := range steps {
		s := &steps[i]
		at := n.find(s.ID)
		if s.Op == cursor.Change && (!n.ordered || random.IntN(2) == 0) {
			n.records[at] = s.Image
			continue
		}
		if at >= 0 {
			n.records = slices.Delete(n.records, at, at+1)
		}
		if s.Op == cursor.Leave {
			continue
		}
		at, _ = slices.BinarySearchFunc(n.records, s.ID, func(image *record.Image, id record.ID) int { return strings.Compare(string(image.ID), string(id)) })
		if n.ordered {
			at, s.After = random.IntN(len(n.records)+1), new(record.ID)
			if at > 0 {
				*s.After = n.records[at-1].ID
			}
		}
		n.records = slices.Insert(n.records, at, s.Image)
	}
	return steps
}

func (n *naiveList) find(id record.ID) int {
	return slices.IndexFunc(n.records, func(image *record.Image) bool { return image.ID == id })
}

func (l *lag) describe() string {
	var out strings.Builder
	for _, list := range l.lists {
		fmt.Fprintf(&out, "%d:", list.number)
		for _, image := range list.records {
			fmt.Fprintf(&out, " %s", brief(image.JSON))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// brief returns a record's id and version.
func brief(body []byte) string {
	var rec struct {
		ID string
		V  int
	}
	if err := json.Unmarshal(body, &rec); err != nil {
		return fmt.Sprintf("%q: %v", body, err)
	}
	return fmt.Sprintf("%s@%d", rec.ID, rec.V)
}

func (l *lag) replay() string {
	var out strings.Builder
	for _, list := range slices.Sorted(maps.Keys(l.replicas)) {
		fmt.Fprintf(&out, "%d:", list)
		for _, record := range l.replicas[list].Records() {
			if l.replicas[list].HTML {
				var html string
				json.Unmarshal(record, &html)
				record = json.RawMessage(html)
			}
			fmt.Fprintf(&out, " %s", brief(record))
		}
		out.WriteByte('\n')
	}
	return strings.Join(slices.SortedFunc(strings.Lines(out.String()), strings.Compare), "")
}

// receive lets the client read one message.
func (l *lag) receive() {
	if len(l.messages)-l.read > 1 {
		l.t.Fatalf("%d messages at once", len(l.messages)-l.read)
	}
	if l.read == len(l.messages) {
		return
	}
	frames, err := wire.Frames(l.messages[l.read])
	if err != nil {
		l.t.Fatal(err)
	}
	for _, text := range frames {
		l.apply(text)
	}
	l.read++
	l.outbox.Sent()
}

func (l *lag) apply(text []byte) {
	var answer wire.Answer
	if json.Unmarshal(text, &answer); answer.At != "" {
		_, at, _ := wire.ParsePosition(answer.At)
		for seq := range l.states {
			if l.lastSeq < seq && seq <= at || at < seq && seq <= l.lastSeq {
				l.t.Fatalf("an answer as of %d came after commit %d, and %d is on the other side", at, l.lastSeq, seq)
			}
		}
		return
	}
	var commit wire.Commit
	if err := json.Unmarshal(text, &commit); err != nil {
		l.t.Fatal(err)
	}
	if commit.From != 0 {
		l.merged++
	}
	if first := max(commit.From, min(commit.Seq, l.lastSeq+1)); first <= l.lastSeq || commit.Seq <= l.lastSeq {
		l.t.Fatalf("commits %d to %d after %d", commit.From, commit.Seq, l.lastSeq)
	}
	records, err := replica.ByID(commit.Records)
	if err != nil {
		l.t.Fatalf("%v in %s", err, text)
	}
	for number, delta := range commit.Cursors {
		if _, err := l.replicas[number].Apply(commit.Seq, delta, records); err != nil {
			l.t.Fatalf("cursor %d: %v in %s", number, err, text)
		}
		if delta.To != 0 {
			l.replicas[delta.To] = l.replicas[number]
			delete(l.replicas, number)
		}
	}
	l.lastSeq = commit.Seq
	if got, want := l.replay(), l.sorted(l.states[commit.Seq]); got != want {
		l.t.Fatalf("after %s the client holds\n%s\nwant\n%s", text, got, want)
	}
}

func (l *lag) sorted(state string) string {
	return strings.Join(slices.SortedFunc(strings.Lines(state), strings.Compare), "")
}

// TestIncludedRecordsAreMerged checks that a merged frame has only the combined effect
// on included records, too.
func TestIncludedRecordsAreMerged(t *testing.T) {
	image := func(id record.ID, seq uint64) *record.Image {
		return &record.Image{Model: lagModel, ID: id, Version: seq, JSON: fmt.Appendf(nil, `{"id":%q,"v":%d}`, id, seq)}
	}
	frameOf := func(seq uint64, deltas ...cursor.Delta) *Frame {
		var steps []Step
		for _, d := range deltas {
			steps = append(steps, Step{Delta: d})
		}
		return NewFrame(seq, seq, false, []CursorDelta{{Number: 7, Include: map[string][]Step{"posts": steps}}}, nil)
	}
	enter, change := cursor.Enter, cursor.Change
	merged := merge([]*Frame{
		frameOf(1, cursor.Delta{Op: enter, ID: "a", Image: image("a", 1)}, cursor.Delta{Op: enter, ID: "b", Image: image("b", 1)}),
		frameOf(2, cursor.Delta{Op: cursor.Leave, ID: "b"}, cursor.Delta{Op: cursor.Leave, ID: "c"}, cursor.Delta{Op: cursor.Leave, ID: "e"}, cursor.Delta{Op: change, ID: "d", Image: image("d", 2)}),
		frameOf(3, cursor.Delta{Op: enter, ID: "e", Image: image("e", 3)}, cursor.Delta{Op: change, ID: "a", Image: image("a", 3)}, cursor.Delta{Op: cursor.Leave, ID: "d"}),
		frameOf(4, cursor.Delta{Op: enter, ID: "f", Image: image("f", 4)}),
	})
	want := `{"from":1,"seq":4,"posts":[{"id":"a","v":3},{"id":"f","v":4},{"id":"e","v":3}],"cursors":{"7":{"include":{"posts":{"enter":[{"id":"a"},{"id":"f"}],"change":[{"id":"e"}],"leave":["c","d"]}}}}}`
	if got := string(merged.text); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
