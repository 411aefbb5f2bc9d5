//go:build unix

package repl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A follower is a stream, its replica, and a list built only from its steps.
type follower struct {
	t       *testing.T
	client  *control.Client
	req     wire.ControlRequest
	stream  *control.Stream
	replica control.Replica
	list    []string // the ids, built from the steps
	steps   []replica.Step
}

func (r *follower) open(client *control.Client) {
	r.t.Helper()
	r.req.Since = r.replica.At
	stream, err := client.Open(r.t.Context(), r.req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.stream = stream
	r.next()
}

// next handles the next message.
func (r *follower) next() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	frames, err := r.stream.Next(ctx)
	for _, frame := range frames {
		steps, wrong := r.replica.Apply(frame)
		for _, step := range steps {
			r.step(step)
		}
		err = errors.Join(err, wrong)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *follower) step(s replica.Step) {
	r.t.Helper()
	r.steps = append(r.steps, s)
	if s.Included {
		return
	}
	at := slices.Index(r.list, s.ID)
	switch s.Op {
	case "enter", "change":
		if (s.Op == "enter") != (at < 0) || s.Record == nil {
			r.t.Errorf("%s of %s, present is %v: %s", s.Op, s.ID, at >= 0, s.Record)
		}
		if at >= 0 && s.After != nil {
			r.list = slices.Delete(r.list, at, at+1)
		}
		switch {
		case s.After != nil:
			r.list = slices.Insert(r.list, slices.Index(r.list, *s.After)+1, s.ID)
		case at < 0:
			r.list = append(r.list, s.ID)
		}
	case "leave":
		if at < 0 {
			r.t.Errorf("leave of %s, which is not there", s.ID)
		} else {
			r.list = slices.Delete(r.list, at, at+1)
		}
	}
	if s.Count != nil && *s.Count != len(r.list) {
		r.t.Errorf("%s counts %d of %d", s.Op, *s.Count, len(r.list))
	}
}

// until handles messages until the stream has caught up with the application.
func (r *follower) until(done func() bool) {
	r.t.Helper()
	for !done() {
		r.next()
	}
}

func idsOf(records []json.RawMessage) (ids []string) {
	for _, record := range records {
		var head struct{ ID string }
		_ = json.Unmarshal(record, &head) // record is valid JSON
		ids = append(ids, head.ID)
	}
	return ids
}

// TestStreamsMatchQueries makes random changes. However often a stream is resumed,
// its replica contains the result of the query, and so does the list built from its
// steps.
func TestStreamsMatchQueries(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := openBoard(t)
	client := b.attach(t)
	readings := []*follower{
		{t: t, req: wire.ControlRequest{Name: "memos.newest", As: string(b.ada.ID)}},
		{t: t, req: wire.ControlRequest{Model: "memos", Where: json.RawMessage(`{"likes":{"gte":3}}`), Order: []string{"-likes", "title"}, Limit: 4, Offset: 1}},
		{t: t, req: wire.ControlRequest{Model: "memos", Where: json.RawMessage(`{"published":true}`)}},
	}
	for _, r := range readings {
		r.client = b.attach(t) // a stream that is not read delays its client's other requests
		r.open(r.client)
	}
	var ids []tower.ID
	for range 60 {
		if err := b.Transaction(t.Context(), func(tx *tower.Tx) error { return change(t.Context(), tx, b, random, &ids) }); err != nil {
			t.Fatal(err)
		}
		if random.IntN(8) == 0 { // resumed
			r := readings[random.IntN(len(readings))]
			if err := r.stream.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.open(r.client)
		}
		for _, r := range readings {
			want := r.expected(b, client)
			r.until(func() bool { return slices.Equal(idsOf(r.replica.Records()), want) || r.replica.Seq >= b.Seq() })
			if got := idsOf(r.replica.Records()); !slices.Equal(got, want) {
				t.Fatalf("%v holds %v, want %v", r.req, got, want)
			}
			if slices.Sort(r.list); len(r.req.Order) == 0 && r.req.Name == "" && !slices.Equal(r.list, want) {
				t.Fatalf("the steps lead to %v, not to %v", r.list, want)
			}
		}
	}
}

// change makes some random changes of memos.
func change(ctx context.Context, tx *tower.Tx, b *board, random *rand.Rand, ids *[]tower.ID) error {
	for range 1 + random.IntN(3) {
		if len(*ids) < 3 || random.IntN(3) == 0 {
			n := &Memo{Title: fmt.Sprint("t", random.IntN(9)), Likes: random.IntN(6), Published: random.IntN(2) == 0, AuthorID: b.ada.ID}
			if err := posted.Create(ctx, tx, n); err != nil {
				return err
			}
			*ids = append(*ids, n.ID)
			continue
		}
		at := random.IntN(len(*ids))
		id := (*ids)[at]
		if random.IntN(4) == 0 {
			*ids = slices.Delete(*ids, at, at+1)
			if err := posted.Delete(ctx, tx, id); err != nil {
				return err
			}
			continue
		}
		if _, err := posted.Update(ctx, tx, id, func(n *Memo) error {
			n.Likes, n.Published = random.IntN(6), random.IntN(2) == 0
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// expected returns the ids that a query finds.
func (r *follower) expected(b *board, client *control.Client) []string {
	r.t.Helper()
	req := r.req
	if req.Name != "" {
		req = wire.ControlRequest{Model: "memos", Order: []string{"-createdAt"}, Limit: 3}
	}
	req.Do, req.Since, req.Stream = wire.DoQuery, "", 0
	var records []json.RawMessage
	if err := client.Do(r.t.Context(), req, &records); err != nil {
		r.t.Fatal(err)
	}
	return idsOf(records)
}

func TestAStreamOfAValue(t *testing.T) {
	b := openBoard(t)
	r := &follower{t: t, req: wire.ControlRequest{Name: "memos.howMany"}}
	r.open(b.attach(t))
	if err := posted.Create(t.Context(), b, &Memo{Title: "x", Published: true}); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return string(r.replica.Value) == "1" })
	if len(r.steps) != 2 || r.steps[0].Op != "value" || string(r.steps[0].Value) != "0" || r.steps[1].Seq != b.Seq() {
		t.Errorf("%+v", r.steps)
	}
}

func TestStreamsEnd(t *testing.T) {
	b := openBoard(t)
	client := b.attach(t)
	if _, err := client.Open(t.Context(), wire.ControlRequest{Name: "memos.nope"}); err == nil || !strings.Contains(err.Error(), "there is no cursor") {
		t.Errorf("opened: %v", err)
	}
	s, err := client.Open(t.Context(), wire.ControlRequest{Name: "memos.newest"})
	if err != nil {
		t.Fatal(err)
	}
	for replica := (control.Replica{}); replica.At == ""; { // a hello comes first
		frames, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range frames {
			if _, err := replica.Apply(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(script.ErrInterrupted)
	if _, err := s.Next(ctx); !errors.Is(err, script.ErrInterrupted) {
		t.Errorf("interrupted: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	s, err = client.Open(t.Context(), wire.ControlRequest{Model: "memos"})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, control.ErrLost) || !client.Lost() {
		t.Errorf("lost: %v", err)
	}
}

func TestQueriesOfExpressions(t *testing.T) {
	b := openBoard(t)
	client := b.attach(t)
	req, err := script.Query(t.Context(), client, `Memo.where({likes: {gte: 3}}).desc("createdAt").limit(5).offset(2)`)
	if err != nil || req.Model != "memos" || string(req.Where) != `{"likes":{"gte":3}}` || !slices.Equal(req.Order, []string{"-createdAt"}) || req.Limit != 5 || req.Offset != 2 {
		t.Errorf("%+v: %v", req, err)
	}
	if req, err = script.Query(t.Context(), client, "Memo"); err != nil || req.Model != "memos" || req.Where != nil {
		t.Errorf("%+v: %v", req, err)
	}
	for expression, want := range map[string]string{
		`1 + 1`: "the expression is not a query", `"x"`: "the expression is not a query", `let x = 1`: "the expression is not a query", `Memo.where({titel: 1})`: "did you mean title?",
		`Memo.(`: "SyntaxError", `Memo.create({title: "x"})`: "cannot write",
	} {
		if _, err := script.Query(t.Context(), client, expression); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
}
