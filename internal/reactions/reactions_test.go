package reactions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type Order struct {
	tower.Record
	Name  string `json:"name"`
	State string `json:"state" tower:"index"`
	Note  string `json:"note" tower:"private"`
}

// A Line of the journal says what a reaction has been called for.
type Line struct {
	tower.Record
	OrderID tower.ID `json:"orderId" tower:"index"`
	Text    string   `json:"text"`
}

var (
	Orders  = tower.NewModel[Order]("orders")
	Journal = tower.NewModel[Line]("journal")
)

func paid() tower.Scope[Order] {
	return Orders.Where(tower.Is(&Orders.Fields.State, "paid"))
}

func config(reactions ...tower.Reaction) tower.Config {
	return tower.Config{
		Name: "orders", Models: []tower.AnyModel{Orders, Journal}, Reactions: reactions,
		Routes: tower.NewRouter(func(context.Context, *tower.Connection) (struct{}, error) { return struct{}{}, nil }),
	}
}

// note writes into the journal what has happened.
func note(ctx context.Context, tx *tower.Tx, o *Order) error {
	run := tower.ReactionOf(ctx)
	return Journal.Create(ctx, tx, &Line{OrderID: o.ID, Text: run.Event.String() + " " + o.Name + o.Note})
}

func create(t *testing.T, db tower.DB, name, state string) *Order {
	t.Helper()
	o := &Order{Name: name, State: state}
	if err := Orders.Create(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func set(t *testing.T, db tower.DB, o *Order, change func(*Order)) {
	t.Helper()
	if _, err := Orders.Update(t.Context(), db, o.ID, func(o *Order) error { change(o); return nil }); err != nil {
		t.Fatal(err)
	}
}

func state(s string) func(*Order) { return func(o *Order) { o.State = s } }

// journal returns the lines of the journal in order.
func journal(t *testing.T, db tower.DB) string {
	t.Helper()
	all, err := Journal.All().Records(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range all {
		lines = append(lines, l.Text)
	}
	return strings.Join(lines, "; ")
}

// waits returns the events that wait.
func waits(t *testing.T, db tower.DB) []*tower.WaitingReaction {
	t.Helper()
	all, err := tower.WaitingReactions.All().Records(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEachEventOnce(t *testing.T) {
	app := towertest.Open(t, config(tower.On("note", paid(), tower.Enter|tower.Change|tower.Leave, note)))
	a := create(t, app, "a", "paid")
	b := create(t, app, "b", "new")
	set(t, app, b, state("paid"))
	set(t, app, a, func(o *Order) { o.Name = "A" })
	set(t, app, a, state("sent"))
	set(t, app, a, func(o *Order) { o.Name = "AA" })
	if err := Orders.Delete(t.Context(), app, b.ID); err != nil {
		t.Fatal(err)
	}
	if ran := app.RunReactions(t); ran != 5 || journal(t, app) != "enter a; enter b; change A; leave A; leave b" {
		t.Errorf("%d ran: %s", ran, journal(t, app))
	}
	if ran := app.RunReactions(t); ran != 0 {
		t.Errorf("%d ran again", ran)
	}
}

func TestFailuresWaitAndHoldUpNoOthers(t *testing.T) {
	broken := true
	app := towertest.Open(t, config(tower.On("note", paid(), tower.Enter|tower.Leave, func(ctx context.Context, tx *tower.Tx, o *Order) error {
		if err := note(ctx, tx, o); err != nil {
			return err
		}
		if o.Name == "a" && broken {
			if tower.ReactionOf(ctx).Attempt == 2 {
				panic("broken")
			}
			return errors.New("no paper")
		}
		return nil
	})))
	var a, b *Order
	if err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		a, b = create(t, tx, "a", "paid"), create(t, tx, "b", "paid")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	set(t, app, a, func(o *Order) { o.Note = "!" })
	set(t, app, a, state("sent"))
	set(t, app, b, state("sent"))
	app.RunReactions(t)
	if got := journal(t, app); got != "enter b; leave b" {
		t.Fatal(got)
	}
	all := waits(t, app)
	if len(all) != 2 || all[0].State != "waiting" || all[0].Error != "no paper" || all[0].Attempt != 1 || all[1].State != "behind" || all[0].Of != a.ID {
		t.Fatalf("%+v", all)
	}
	if err := tower.RetryReaction(t.Context(), app, all[1].ID); err == nil {
		t.Error("one behind another is retried")
	}
	for try := 2; try <= 8; try++ {
		app.Advance(3 * time.Hour)
		if ran := app.RunReactions(t); ran != 1 {
			t.Errorf("try %d: %d ran", try, ran)
		}
	}
	first := waits(t, app)[0]
	if first.State != "failed" || first.Attempt != 8 || waits(t, app)[1].State != "behind" {
		t.Errorf("%+v", first)
	}
	app.Advance(24 * time.Hour)
	if ran := app.RunReactions(t); ran != 0 {
		t.Errorf("%d ran after the last try", ran)
	}
	broken = false
	if err := tower.RetryReaction(t.Context(), app, first.ID); err != nil {
		t.Fatal(err)
	}
	if ran := app.RunReactions(t); ran != 2 || journal(t, app) != "enter b; leave b; enter a; leave a!" || len(waits(t, app)) > 0 {
		t.Errorf("%d ran: %s", ran, journal(t, app))
	}

	broken = true
	create(t, app, "a", "paid")
	app.RunReactions(t)
	if err := tower.DropReaction(t.Context(), app, waits(t, app)[0].ID); err != nil {
		t.Fatal(err)
	}
	if ran := app.RunReactions(t); ran != 0 || len(waits(t, app)) > 0 {
		t.Errorf("%d ran after it was dropped", ran)
	}
}

// TestWhatTheStoreRefuses lets functions write what only the commit finds wrong.
func TestWhatTheStoreRefuses(t *testing.T) {
	type Label struct {
		tower.Record
		Name string `json:"name" tower:"unique"`
	}
	labels := tower.NewModel[Label]("labels")
	c := config(tower.On("label", paid(), tower.Enter, func(ctx context.Context, tx *tower.Tx, o *Order) error {
		return labels.Create(ctx, tx, &Label{Name: strings.TrimRight(o.Name, "0123456789")})
	}))
	c.Models = append(c.Models, labels)
	app := towertest.Open(t, c)
	if err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		for i := range 5 {
			create(t, tx, fmt.Sprint("a", i), "paid")
			create(t, tx, string(rune('b'+i)), "paid")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	app.RunReactions(t)
	if n, err := labels.All().Count(t.Context(), app); n != 6 || err != nil {
		t.Errorf("%d labels, %v", n, err)
	}
	if all := waits(t, app); len(all) != 4 || !strings.Contains(all[0].Error, "already taken") {
		t.Errorf("%d wait: %+v", len(all), all)
	}
}

func TestDebounce(t *testing.T) {
	app := towertest.Open(t, config(tower.On("note", paid(), tower.Enter|tower.Change, note, tower.Debounce(time.Minute))))
	a, b := create(t, app, "a", "paid"), create(t, app, "b", "paid")
	app.RunReactions(t)
	app.Advance(50 * time.Second)
	set(t, app, a, func(o *Order) { o.Name = "a1" })
	set(t, app, b, state("sent")) // it has not entered, after all
	app.RunReactions(t)
	app.Advance(50 * time.Second)
	if ran := app.RunReactions(t); ran != 0 {
		t.Errorf("%d ran too early: %s", ran, journal(t, app))
	}
	app.Advance(11 * time.Second)
	if ran := app.RunReactions(t); ran != 1 || journal(t, app) != "enter a1" {
		t.Errorf("%d ran: %s", ran, journal(t, app))
	}
	for i := range 15 { // never quiet
		set(t, app, a, func(o *Order) { o.Name = fmt.Sprint("a", i+2) })
		app.RunReactions(t)
		app.Advance(50 * time.Second)
	}
	if got := journal(t, app); got != "enter a1; change a13" && got != "enter a1; change a14" {
		t.Error(got)
	}
	if len(waits(t, app)) != 1 {
		t.Errorf("%+v", waits(t, app))
	}
}

func TestReactionsThatFeedThemselves(t *testing.T) {
	calls := 0
	app := towertest.Open(t, config(tower.On("again", paid(), tower.Enter|tower.Change, func(ctx context.Context, tx *tower.Tx, o *Order) error {
		calls++
		_, err := Orders.Update(ctx, tx, o.ID, func(o *Order) error {
			o.Name += "!"
			return nil
		})
		return err
	})))
	create(t, app, "a", "paid")
	if ran := app.RunReactions(t); ran != 16 || calls != 16 {
		t.Errorf("%d ran, %d calls", ran, calls)
	}
	all := waits(t, app)
	if len(all) != 1 || all[0].State != "failed" || !strings.Contains(all[0].Error, "feed themselves") {
		t.Fatalf("%+v", all)
	}
	t.Log(all[0].Error)
	if err := tower.DropReaction(t.Context(), app, all[0].ID); err != nil {
		t.Fatal(err)
	}
	if ran := app.RunReactions(t); ran != 0 {
		t.Errorf("%d ran", ran)
	}
}

func TestReactionsThatAreWrong(t *testing.T) {
	other := tower.NewModel[Line]("others")
	for what, r := range map[string]tower.Reaction{
		"a limit":          tower.On("note", paid().Limit(10), tower.Enter, note),
		"an offset":        tower.On("note", paid().Offset(10), tower.Enter, note),
		"no event":         tower.On("note", paid(), 0, note),
		"a name":           tower.On("Note it", paid(), tower.Enter, note),
		"a field":          tower.On("note", Orders.Where(tower.Is(&Journal.Fields.Text, "a")), tower.Enter, note),
		"no function":      tower.On[Order]("note", paid(), tower.Enter, nil),
		"another model":    tower.On("note", other.All(), tower.Enter, func(context.Context, *tower.Tx, *Line) error { return nil }),
		"what waits":       tower.On("note", tower.WaitingReactions.All(), tower.Enter, func(context.Context, *tower.Tx, *tower.WaitingReaction) error { return nil }),
		"a negative delay": tower.On("note", paid(), tower.Enter, note, tower.Debounce(-1)),
	} {
		if _, err := tower.New(config(r)); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			t.Log(err)
		}
	}
	if _, err := tower.New(config(tower.On("note", paid(), tower.Enter, note), tower.On("note", paid(), tower.Leave, note))); err == nil {
		t.Error("two of one name are accepted")
	}
}

func TestReactionsRunByThemselves(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "1")
	ran := make(chan string, 10)
	app := towertest.Open(t, config(tower.On("note", paid(), tower.Enter, func(_ context.Context, _ *tower.Tx, o *Order) error {
		ran <- o.Name
		return nil
	})))
	create(t, app, "a", "paid")
	if got := <-ran; got != "a" {
		t.Error(got)
	}
}
