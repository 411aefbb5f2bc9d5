package cursor

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestWatchersAreTouchedByWhatTheyWatch adds and removes random watches and makes random
// changes, several at once. A watcher must be touched exactly if a naive evaluation finds
// that a record satisfies its conditions before or after.
func TestWatchersAreTouchedByWhatTheyWatch(t *testing.T) {
	r := querytest.Rand(t)
	m := querytest.NewModels(t).Things
	users := []record.ID{record.NewID(), record.NewID(), record.NewID()}
	var w Watches[int]
	type watching struct {
		watch *Watch[int]
		by    int
		where map[string]any
		only  string // the field that matters; "" is all
	}
	var all []watching
	random := func() store.Change {
		var images [2]*record.Image
		for i := range images {
			x := &querytest.Thing{}
			x.Fill(r, users)
			images[i] = querytest.ImageOf(t, m, x)
		}
		if n := r.IntN(4); n < 2 {
			images[n] = nil
		}
		return store.Change{Model: m, Before: images[0], After: images[1]}
	}
	touches := 0
	for range 800 {
		if len(all) > 0 && r.IntN(3) == 0 {
			i := r.IntN(len(all))
			w.Remove(all[i].watch)
			all = slices.Delete(all, i, i+1)
		} else {
			where, by := querytest.RandomWhere(r, users, users, 2), r.IntN(20)
			only := querytest.Pick(r, []string{"", "flag", "owner", "tags"})
			var fields []*record.Field
			if only != "" {
				fields = append(fields, m.Field(only))
			}
			watch, err := w.Add(by, query.Scope{Model: m, Where: mustParse(t, m, where), Limit: 1, Offset: r.IntN(3)}, fields...)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, watching{watch, by, where, only})
		}
		var c store.Commit
		want := map[int]bool{}
		for range 1 + r.IntN(3) {
			change := random()
			c.Changes = append(c.Changes, change)
			for _, one := range all {
				matches := 0
				for _, img := range []*record.Image{change.Before, change.After} {
					if img != nil && querytest.NaiveMatch(one.where, querytest.Decoded(img)) {
						matches++
					}
				}
				if matches == 1 || matches == 2 && (one.only == "" || fieldOf(change.Before, one.only) != fieldOf(change.After, one.only)) {
					want[one.by] = true
				}
			}
		}
		got := w.Touched(c)
		found := map[int]bool{}
		for _, by := range got {
			found[by] = true
		}
		if len(got) != len(found) || !maps.Equal(found, want) {
			t.Fatalf("touched are %v, want %v", got, want)
		}
		touches += len(got)
	}
	if touches == 0 {
		t.Error("nothing was ever touched")
	}
	for _, one := range all {
		w.Remove(one.watch)
	}
	if len(w.indexes)+len(w.watches) > 0 {
		t.Errorf("left behind: %v %v", w.indexes, w.watches)
	}
}

func fieldOf(img *record.Image, name string) string {
	x := querytest.Decoded(img)
	return fmt.Sprint(map[string]any{"flag": x.Flag, "owner": x.Owner, "tags": fmt.Sprintf("%q", x.Tags)}[name])
}

func TestAWatchRefusesWhatIsNoScope(t *testing.T) {
	m := querytest.NewModels(t)
	var w Watches[int]
	for want, scope := range map[string]query.Scope{
		"watch: a scope has no model":                                           {},
		"watch: scope of users: limit -1 and offset 0: neither can be negative": {Model: m.Users, Limit: -1},
		"watch: scope of users: flag is a field of another model":               {Model: m.Users, Where: query.Exists(m.Things.Field("flag"))},
	} {
		if _, err := w.Add(1, scope); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", scope.Where, err, want)
		}
	}
}

// BenchmarkTouchOneOf100kWatches changes a record that one of a hundred thousand watchers
// watches, each of them watching a record of its own, and a record that none watches.
func BenchmarkTouchOneOf100kWatches(b *testing.B) {
	m := querytest.NewModels(b).Things
	var w Watches[int]
	for i := range 100_000 {
		if _, err := w.Add(i, query.Scope{Model: m, Where: query.Is(m.Field("owner"), record.StringValue(ownerOf(i)))}); err != nil {
			b.Fatal(err)
		}
	}
	for want, owner := range []string{ownerOf(1_000_000), ownerOf(70_000)} {
		b.Run(fmt.Sprint("touched=", want), func(b *testing.B) {
			img := querytest.ImageOf(b, m, &querytest.Thing{Owner: record.ID(owner)})
			c := store.Commit{Seq: 1, Changes: []store.Change{{Op: store.Delete, Model: m, ID: img.ID, Before: img}}}
			b.ReportAllocs()
			for b.Loop() {
				if got := w.Touched(c); len(got) != want {
					b.Fatal(got)
				}
			}
		})
	}
}
