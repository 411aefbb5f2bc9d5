package tower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/reactions"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// An Event is what a commit does to a record and a query. Events can be combined:
// Enter | Leave.
type Event uint8

const (
	// Enter is the event of a record that is in the scope after the commit, and was not before.
	Enter = Event(reactions.Enter)
	// Change is the event of a record that is in the scope before and after a commit that changes it.
	Change = Event(reactions.Change)
	// Leave is the event of a record that was in the scope before the commit, and is not after.
	Leave = Event(reactions.Leave)
)

// String returns the names of the events, as "enter, leave".
func (e Event) String() string { return reactions.Event(e).String() }

// A Reaction is code that runs when a record enters, changes in or leaves a scope: see [On].
type Reaction struct {
	reaction reactions.Reaction
	err      error
}

// On returns the reaction, for [Config], that calls react once for each event of a record and
// the scope, whoever has written the record: a browser, the console, a job, another node or
// another program.
//
//	Reactions: []tower.Reaction{tower.On("ship", models.Paid(), tower.Enter, reactions.Ship)},
//
//	func Ship(ctx context.Context, tx *tower.Tx, order *models.Order) error {
//		_, err := jobs.PrintLabel.Enqueue(ctx, tx, jobs.Label{Order: order.ID})
//		return err
//	}
//
// It runs soon after the commit, in a transaction of its own, which also notes that it has
// run: what react writes with tx happens once, whatever happens to the process. What reaches
// outside, such as mail or a request, belongs into a [Job] that react enqueues. react may be
// called more than once until its transaction is committed; its context ends after a minute. The
// author of the commit is "reaction: NAME". order is as the commit of the event has left it, or
// as it was before it was deleted; tx sees the newest state. [ReactionOf] says which event it is.
//
// If react returns an error or panics, it is called again after about 1 s, 16 s, 81 s, 4 min and so on, eight
// times in all, and then waits to be retried or dropped: see [WaitingReactions]. That holds up later events of
// the same record, and no others.
//
// A name has lower-case letters, digits, _ and -, and begins with a letter. A reaction begins
// with the commit that notes its name, when an application that declares it starts for the
// first time. It goes on from where it was after any time at which no application ran. The
// scope has no limit and no offset; its order does not count.
func On[T any](name string, scope Scope[T], on Event, react func(ctx context.Context, tx *Tx, record *T) error, options ...ReactionOption) Reaction {
	r := Reaction{reaction: reactions.Reaction{Name: name, On: reactions.Event(on)}}
	r.reaction.Scope, r.err = scope.resolve()
	if react != nil {
		r.reaction.Handle = func(ctx context.Context, tx *store.Tx, rec any) error {
			return react(ctx, &Tx{server.TxIn(ctx, tx)}, rec.(*T))
		}
	}
	for _, option := range options {
		option.set(&r.reaction)
	}
	return r
}

// A ReactionOption changes a [Reaction].
type ReactionOption struct{ set func(*reactions.Reaction) }

// Debounce lets a reaction wait until a record has had no event for a time, and calls it once
// for all events until then, with the record as the last one has left it. What counts is the
// difference: a record that enters and changes has entered, and one that enters and leaves
// again has no event. A record that is never quiet is dealt with after ten times d.
func Debounce(d time.Duration) ReactionOption {
	return ReactionOption{func(r *reactions.Reaction) { r.Debounce = d }}
}

// A Gap is a part of the log of commits that a reaction has missed: see [OnGap].
type Gap struct {
	After uint64    // the last commit that the reaction has dealt with
	Since time.Time // when it noted that
}

// OnGap declares what a reaction does about commits that it has missed. The log keeps what a
// reaction has not read for a week, unless it grows beyond 256 MiB; and a new model that makes
// a field private, or tower db erase, removes what it has. Then compare is called once, in a transaction after which the reaction
// goes on with the commits that follow: it can read the scope, and do what is missing. Default: a warning
// in the log, and in the reaction's record.
func OnGap(compare func(ctx context.Context, tx *Tx, gap Gap) error) ReactionOption {
	return ReactionOption{func(r *reactions.Reaction) {
		r.Gap = func(ctx context.Context, tx *store.Tx, gap reactions.Gap) error {
			return compare(ctx, &Tx{server.TxIn(ctx, tx)}, Gap(gap))
		}
	}}
}

// A ReactionRun is one call of a reaction.
type ReactionRun struct {
	Name    string
	Event   Event  // one of Enter, Change and Leave
	Seq     uint64 // the commit; with [Debounce], the last
	Attempt int    // from 1
}

// ReactionOf returns the run of the reaction that received the context. It panics with another
// context.
func ReactionOf(ctx context.Context) ReactionRun {
	run := reactions.Of(ctx)
	if run == nil {
		panic("tower: ReactionOf needs the context of a reaction")
	}
	return ReactionRun{run.Name, Event(run.Event), run.Seq, run.Attempt}
}

// RetryReaction makes an event that waits due now, and counts its tries again. The error has
// [CodeConflict] if it waits behind an earlier event of its record.
func RetryReaction(ctx context.Context, db DB, id ID) error {
	return changeWaiting(ctx, db, id, func(tx *store.Tx) error { return waitingTable.Retry(tx, id) })
}

// DropReaction deletes an event that waits: the reaction is not called for it any more. The
// next event of its record, if one waits behind it, is due then.
func DropReaction(ctx context.Context, db DB, id ID) error {
	return changeWaiting(ctx, db, id, func(tx *store.Tx) error { return waitingTable.Drop(tx, id) })
}

func changeWaiting(ctx context.Context, db DB, id ID, change func(*store.Tx) error) error {
	err := db.db().Transaction(ctx, func(tx *server.Tx) error { return change(tx.Tx) })
	var behind reactions.BehindError
	if errors.As(err, &behind) {
		return Conflict(behind.Error())
	}
	return WaitingReactions.coded(id, err)
}

// Reactions is the model of the reactions of an application, which has it as soon as [Config]
// lists Reactions. One that is no longer declared keeps its record, and goes on from there if
// it is declared again; delete the record to let it begin anew.
var Reactions = newOwn[ReactionRecord]("tower_reactions")

// A ReactionRecord is the record of a reaction.
type ReactionRecord struct {
	Record
	Name   string     `json:"name" tower:"unique"`
	Scope  string     `json:"scope"`  // "orders where state is "paid""
	On     string     `json:"on"`     // "enter, leave"
	LastAt *time.Time `json:"lastAt"` // when it has dealt with an event last
	Note   string     `json:"note"`   // about commits that it has missed

	Mark int64  `json:"mark" tower:"private"` // the last commit that it has noted; 0: the first that wrote the record
	Done int    `json:"done" tower:"private"` // events of the next one
	Node string `json:"node" tower:"private"`
}

// WaitingReactions is the model of the events for which a reaction has failed, or that are
// debounced. As a model of the application it can be followed and shown as any other. Change
// its records by [RetryReaction] and [DropReaction] only.
var WaitingReactions = newOwn[WaitingReaction]("tower_waiting_reactions")

// A WaitingReaction is the record of an event that waits for its reaction.
type WaitingReaction struct {
	Record
	Reaction string    `json:"reaction" tower:"index"` // the name
	Model    string    `json:"model"`
	Of       ID        `json:"of" tower:"index"`    // the record
	Event    string    `json:"event"`               // enter, change or leave
	Seq      int64     `json:"seq"`                 // the commit
	State    string    `json:"state" tower:"index"` // waiting until DueAt; behind an earlier event of the record; or failed for the last time
	Attempt  int       `json:"attempt"`             // that have failed
	DueAt    time.Time `json:"dueAt"`

	Error string `json:"error" tower:"private"` // of the last try

	Public  json.RawMessage `json:"public" tower:"private"` // the fields of the record
	Private json.RawMessage `json:"private" tower:"private"`
	Was     bool            `json:"was" tower:"private"`
	Depth   int             `json:"depth" tower:"private"`
	Slot    string          `json:"slot" tower:"private,index"`
	Lane    string          `json:"lane" tower:"private,unique"`
}

// markTable and waitingTable are how the packages within read and write the records of reactions.
var markTable = &typed.Table[reactions.Mark]{
	Model: Reactions.model,
	Read: func(rec any) reactions.Mark {
		r := rec.(*ReactionRecord)
		return reactions.Mark{ID: r.ID, Updated: r.UpdatedAt, Name: r.Name, Scope: r.Scope, On: r.On, Last: r.LastAt, Note: r.Note, Seq: uint64(r.Mark), Done: r.Done, Node: r.Node}
	},
	Write: func(rec any, m *reactions.Mark) {
		r := rec.(*ReactionRecord)
		*r = ReactionRecord{Record: r.Record, Name: m.Name, Scope: m.Scope, On: m.On, LastAt: m.Last, Note: m.Note, Mark: int64(m.Seq), Done: m.Done, Node: m.Node}
	},
}

var waitingTable = &reactions.Items{Table: typed.Table[reactions.Item]{
	Model: WaitingReactions.model,
	Read: func(rec any) reactions.Item {
		r := rec.(*WaitingReaction)
		return reactions.Item{ID: r.ID, Created: r.CreatedAt, Reaction: r.Reaction, Model: r.Model, Of: r.Of, Event: r.Event, Seq: uint64(r.Seq), State: r.State, Attempt: r.Attempt, Due: r.DueAt,
			Error: r.Error, Image: r.Public, Private: r.Private, Was: r.Was, Depth: r.Depth, Slot: r.Slot, Lane: r.Lane}
	},
	Write: func(rec any, it *reactions.Item) {
		r := rec.(*WaitingReaction)
		*r = WaitingReaction{Record: r.Record, Reaction: it.Reaction, Model: it.Model, Of: it.Of, Event: it.Event, Seq: int64(it.Seq), State: it.State, Attempt: it.Attempt, DueAt: it.Due,
			Error: it.Error, Public: it.Image, Private: it.Private, Was: it.Was, Depth: it.Depth, Slot: it.Slot, Lane: it.Lane}
	},
}}

// reactions returns the application's reactions, nil if it has none, and adds their models.
func (c Config) reactions(out *server.Config) (*reactions.Config, error) {
	webhooks, err := checkWebhooks(c.Webhooks)
	if err != nil {
		return nil, err
	}
	if len(webhooks) > 0 {
		addOwn(out, Deliveries)
	}
	declared := slices.Concat(c.Reactions, webhooks)
	if len(declared) == 0 {
		return nil, nil
	}
	addOwn(out, Reactions)
	addOwn(out, WaitingReactions)
	all := &reactions.Config{Marks: markTable, Items: waitingTable, Jobs: jobTable}
	for _, r := range declared {
		if r.err != nil {
			return nil, fmt.Errorf("Config.Reactions: the reaction %s: %w", r.reaction.Name, r.err)
		}
		if !slices.Contains(out.Models, r.reaction.Scope.Model) {
			return nil, fmt.Errorf("Config.Reactions: the reaction %s is to %s, which is not a model of this application", r.reaction.Name, r.reaction.Scope.Model.Name)
		}
		all.All = append(all.All, &r.reaction)
	}
	if err := all.Check(); err != nil {
		return nil, fmt.Errorf("Config.Reactions: %w", err)
	}
	return all, nil
}
