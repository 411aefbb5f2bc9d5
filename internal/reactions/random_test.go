package reactions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A subject is a reaction, and what its scope and its events are in plain Go.
type subject struct {
	name string
	on   tower.Event
	with tower.Scope[Order]
	has  func(*Order) bool
}

var subjects = []subject{
	{"paid", tower.Enter, paid(), func(o *Order) bool { return o.State == "paid" }},
	{"open", tower.Enter | tower.Change | tower.Leave, Orders.Where(tower.In(&Orders.Fields.State, "new", "paid"), tower.Gt(&Orders.Fields.Name, "c")),
		func(o *Order) bool { return (o.State == "new" || o.State == "paid") && o.Name > "c" }},
	{"secret", tower.Change | tower.Leave, Orders.Where(tower.Or(tower.Contains(&Orders.Fields.Note, "b"), tower.Not(tower.Is(&Orders.Fields.State, "sent")))),
		func(o *Order) bool { return strings.Contains(o.Note, "b") || o.State != "sent" }},
}

// event returns what the change of an order is for a subject; nil is no order.
func (s *subject) event(before, after *Order) tower.Event {
	was, is := before != nil && s.has(before), after != nil && s.has(after)
	switch {
	case was && is:
		return tower.Change & s.on
	case is:
		return tower.Enter & s.on
	case was:
		return tower.Leave & s.on
	}
	return 0
}

// A line of a subject's journal: what it has been called for with one order.
func text(subject string, event tower.Event, o *Order) string {
	return fmt.Sprintf("%s: %s %s %s %s", subject, event, o.Name, o.State, o.Note)
}

// model is the orders, and what the reactions to their changes are.
type model struct {
	orders map[tower.ID]Order
	want   map[tower.ID][]string // the lines of each order
}

func (m *model) commit(changed map[tower.ID]*Order) {
	for id, after := range changed {
		var before *Order
		if was, known := m.orders[id]; known {
			before = &was
		}
		if before == nil && after == nil || before != nil && after != nil && before.Name == after.Name && before.State == after.State && before.Note == after.Note {
			continue
		}
		shown := after
		if after == nil {
			shown = before
			delete(m.orders, id)
		} else {
			m.orders[id] = *after
		}
		for i := range subjects {
			if e := subjects[i].event(before, after); e != 0 {
				m.want[id] = append(m.want[id], text(subjects[i].name, e, shown))
			}
		}
	}
}

// TestRandomCommits compares reactions to random commits with a plain model, over restarts and failures.
func TestRandomCommits(t *testing.T) {
	for range 4 {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		tryCommits(t, seed, random)
	}
}

func tryCommits(t *testing.T, seed uint64, random *rand.Rand) {
	var reactions []tower.Reaction
	for _, s := range subjects {
		reactions = append(reactions, tower.On(s.name, s.with, s.on, func(ctx context.Context, tx *tower.Tx, o *Order) error {
			line := &Line{OrderID: o.ID, Text: text(s.name, tower.ReactionOf(ctx).Event, o)}
			if err := Journal.Create(ctx, tx, line); err != nil {
				return err
			}
			if random.IntN(8) == 0 {
				return errors.New("bad luck")
			}
			return nil
		}))
	}
	c := config(reactions...)
	c.Env, c.Data, c.Log = "test", filepath.Join(t.TempDir(), "test.db"), slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, c)
	defer func() { end() }()
	m := &model{map[tower.ID]Order{}, map[tower.ID][]string{}}
	for range 150 {
		switch n := random.IntN(20); n {
		case 0:
			end()
			app, end = towertest.Serve(t, c)
		case 1, 2, 3:
			app.RunReactions(t)
		case 4:
			retryAll(t, app)
		default:
			m.commit(change(t, app, random, m))
		}
	}
	for app.RunReactions(t) > 0 || len(waits(t, app)) > 0 {
		retryAll(t, app)
	}
	got := map[tower.ID][]string{}
	lines, err := Journal.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		got[l.OrderID] = append(got[l.OrderID], l.Text)
	}
	for _, s := range subjects { // each has an order of its own
		mine := func(all []string) (mine []string) {
			for _, text := range all {
				if strings.HasPrefix(text, s.name+":") {
					mine = append(mine, text)
				}
			}
			return mine
		}
		for id := range maps.Keys(m.want) {
			if want, got := mine(m.want[id]), mine(got[id]); !slices.Equal(want, got) {
				t.Errorf("seed %d: order %s\nwant %q\ngot  %q", seed, id, want, got)
			}
		}
	}
	if len(got) > len(m.want) {
		t.Errorf("seed %d: reactions to %d orders, not %d", seed, len(got), len(m.want))
	}
}

func retryAll(t *testing.T, app *towertest.App) {
	for _, waiting := range waits(t, app) {
		_ = tower.RetryReaction(t.Context(), app, waiting.ID) // not if it is behind another
	}
}

// change makes a random commit, and returns the orders that it has changed; nil is deleted.
func change(t *testing.T, app *towertest.App, random *rand.Rand, m *model) map[tower.ID]*Order {
	t.Helper()
	known := slices.Sorted(maps.Keys(m.orders))
	changed := map[tower.ID]*Order{}
	pick := func(options ...string) string { return options[random.IntN(len(options))] }
	set := func(o *Order) {
		o.Name, o.State, o.Note = pick(o.Name, "a", "d", "e"), pick(o.State, "new", "paid", "sent"), pick(o.Note, "", "abc")
	}
	err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		for range 1 + random.IntN(4) {
			if len(known) < 3 || random.IntN(6) == 0 {
				o := &Order{}
				set(o)
				if err := Orders.Create(t.Context(), tx, o); err != nil {
					return err
				}
				changed[o.ID] = o
				continue
			}
			id := known[random.IntN(len(known))]
			if after, touched := changed[id]; touched && after == nil {
				continue
			}
			if random.IntN(8) == 0 {
				changed[id] = nil
				if err := Orders.Delete(t.Context(), tx, id); err != nil {
					return err
				}
				continue
			}
			o, err := Orders.Update(t.Context(), tx, id, func(o *Order) error { set(o); return nil })
			if err != nil {
				return err
			}
			changed[id] = o
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// TestWhereReactionsBegin declares one when there are orders already, leaves it out for a
// while, and lets the log lose what it has missed.
func TestWhereReactionsBegin(t *testing.T) {
	without, with := config(), config(tower.On("note", paid(), tower.Enter, note))
	path := filepath.Join(t.TempDir(), "test.db")
	as := func(c tower.Config, fn func(*towertest.App)) {
		c.Env, c.Data, c.Log = "test", path, slog.New(slog.NewTextHandler(t.Output(), nil))
		app, end := towertest.Serve(t, c)
		defer end()
		fn(app)
	}
	as(without, func(app *towertest.App) { create(t, app, "before", "paid") })
	as(with, func(app *towertest.App) { create(t, app, "a", "paid") })
	as(without, func(app *towertest.App) { create(t, app, "b", "paid") })
	as(with, func(app *towertest.App) {
		if ran := app.RunReactions(t); ran != 2 || journal(t, app) != "enter a; enter b" {
			t.Fatalf("%d ran: %s", ran, journal(t, app))
		}
		create(t, app, "missed", "paid")
		forget(t, app)
		create(t, app, "missed too", "paid")
		if ran := app.RunReactions(t); ran != 0 {
			t.Errorf("%d ran: %s", ran, journal(t, app))
		}
		records, err := tower.Reactions.All().Records(t.Context(), app)
		if err != nil || len(records) != 1 || !strings.Contains(records[0].Note, "the log had no more all commits after") {
			t.Errorf("%+v, %v", records[0], err)
		}
		create(t, app, "c", "paid")
		if ran := app.RunReactions(t); ran != 1 || journal(t, app) != "enter a; enter b; enter c" {
			t.Errorf("%d ran: %s", ran, journal(t, app))
		}
	})
	compared := config(tower.On("note", paid(), tower.Enter, note, tower.OnGap(func(ctx context.Context, tx *tower.Tx, gap tower.Gap) error {
		n, err := paid().Count(ctx, tx)
		if err != nil {
			return err
		}
		return Journal.Create(ctx, tx, &Line{Text: fmt.Sprintf("compared %d, %v", n, gap.After > 0 && !gap.Since.IsZero())})
	})))
	as(compared, func(app *towertest.App) {
		create(t, app, "missed", "paid")
		forget(t, app)
		app.RunReactions(t)
		create(t, app, "d", "paid")
		app.RunReactions(t)
		if got := journal(t, app); got != "enter a; enter b; enter c; compared 7, true; enter d" {
			t.Error(got)
		}
	})
}
