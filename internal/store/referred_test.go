package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

type node struct {
	record.Record
	Name    string    `json:"name"`
	Cascade record.ID `json:"cascade" tower:"ref=nodes,delete=cascade"`
	Clear   record.ID `json:"clear" tower:"ref=nodes,delete=clear"`
	Refuse  record.ID `json:"refuse" tower:"ref=nodes,delete=refuse"`
}

// TestDeletionsFollowReferences deletes records of a random graph, which has circles,
// and compares what is left with a naive deletion. It undoes some of them.
func TestDeletionsFollowReferences(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	m := mustModel(t, "nodes", &node{})
	b := newBlog(t, Options{})
	b.close()
	b.open(Options{Models: []*record.Model{m}})
	read := func() map[record.ID]node {
		all := map[record.ID]node{}
		eachCity(t, b.Store, m, func(image *record.Image) {
			rec, err := image.Record()
			if err != nil {
				t.Fatal(err)
			}
			n := *rec.(*node)
			n.Record = record.Record{ID: n.ID}
			all[n.ID] = n
		})
		return all
	}
	refused := 0
	for range 50 {
		want := read()
		ids := slices.Sorted(maps.Keys(want))
		pick := func() record.ID {
			if len(ids) == 0 || r.IntN(3) > 0 {
				return ""
			}
			return ids[r.IntN(len(ids))]
		}
		for range 4 {
			b.do(func(tx *Tx) error {
				image, err := tx.Create(m, &node{Name: fmt.Sprint(r.IntN(100)), Cascade: pick(), Clear: pick(), Refuse: pick()})
				if err == nil {
					ids = append(ids, image.ID)
				}
				return err
			})
		}
		if from, to := ids[r.IntN(len(ids))], ids[r.IntN(len(ids))]; r.IntN(2) == 0 { // circles
			b.do(func(tx *Tx) error {
				_, err := tx.Update(m, from, func(rec any) error { rec.(*node).Cascade = to; return nil })
				return err
			})
		}
		want = read()
		before := maps.Clone(want)
		id := ids[r.IntN(len(ids))]
		allowed := naiveDelete(want, id)
		seq := b.Seq()
		_, err := b.Update(context.Background(), "test", func(tx *Tx) error { return tx.Delete(m, id) })
		var referred *ReferredError
		switch {
		case !allowed && errors.As(err, &referred):
			want = before
			refused++
		case allowed != (err == nil):
			t.Fatalf("the deletion is answered %v; allowed: %t", err, allowed)
		case b.Seq() != seq+1:
			t.Fatalf("the deletion took %d commits", b.Seq()-seq)
		}
		if got := read(); !maps.Equal(got, want) {
			t.Fatalf("left are %v, not %v", got, want)
		}
		if err == nil && r.IntN(2) == 0 {
			commit, err := b.CommitAt(context.Background(), b.Seq())
			if err != nil {
				t.Fatal(err)
			}
			b.do(func(tx *Tx) error { return tx.Undo(context.Background(), commit) })
			if got := read(); !maps.Equal(got, before) {
				t.Fatalf("undone are %v, not %v", got, before)
			}
		}
	}
	if refused == 0 {
		t.Error("no deletion was refused")
	}
	if err := b.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

// naiveDelete deletes a record from all, or reports that it may not.
func naiveDelete(all map[record.ID]node, id record.ID) bool {
	gone := map[record.ID]bool{id: true}
	for grown := true; grown; {
		grown = false
		for _, n := range all {
			if !gone[n.ID] && n.Cascade != "" && gone[n.Cascade] {
				gone[n.ID], grown = true, true
			}
		}
	}
	for _, n := range all {
		if !gone[n.ID] && n.Refuse != "" && gone[n.Refuse] {
			return false
		}
	}
	for _, n := range all {
		if gone[n.Clear] {
			n.Clear = ""
			all[n.ID] = n
		}
	}
	maps.DeleteFunc(all, func(id record.ID, _ node) bool { return gone[id] })
	return true
}

func TestADeletionHasABound(t *testing.T) {
	m := mustModel(t, "nodes", &node{})
	b := newBlog(t, Options{})
	b.close()
	b.open(Options{Models: []*record.Model{m}})
	var first record.ID
	b.do(func(tx *Tx) error {
		last := record.ID("")
		for range maxReferred + 1 {
			image, err := tx.Create(m, &node{Cascade: last})
			if err != nil {
				return err
			}
			if last = image.ID; first == "" {
				first = image.ID
			}
		}
		return nil
	})
	_, err := b.Update(context.Background(), "test", func(tx *Tx) error { return tx.Delete(m, first) })
	if err == nil || !strings.Contains(err.Error(), "more than 10000 records") {
		t.Errorf("the deletion is answered %v", err)
	}
}

type seat struct {
	record.Record
	Team *string `json:"team" tower:"unique=team+user+at"`
	User string  `json:"user"`
	At   int     `json:"at" tower:"private"`
}

type freeSeat struct {
	record.Record
	Team *string `json:"team"`
	User string  `json:"user"`
	At   int     `json:"at" tower:"private"`
}

func TestFieldsThatAreUniqueTogether(t *testing.T) {
	b := newBlog(t, Options{})
	m := openCities(t, b, &seat{})
	a, other := "a", "b"
	create := func(s *seat) error {
		_, err := b.Update(context.Background(), "test", func(tx *Tx) error { _, err := tx.Create(m, s); return err })
		return err
	}
	for i, s := range []*seat{{Team: &a, User: "x"}, {Team: &a, User: "y"}, {Team: &other, User: "x"}, {User: "x"}, {User: "x"}, {Team: &a, User: "x", At: 1}} {
		if err := create(s); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	err := create(&seat{Team: &a, User: "x"})
	var invalid *record.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Problems.Map()) != 2 || invalid.Problems.Map()["user"][0] != "is already taken together with team" {
		t.Errorf("a second one is answered %v", err)
	}
	if err := b.Check(context.Background()); err != nil {
		t.Error(err)
	}
	free := openCities(t, b, &freeSeat{})
	b.do(func(tx *Tx) error { _, err := tx.Create(free, &freeSeat{Team: &a, User: "x"}); return err })
	b.close()
	_, err = Open(b.path, Options{Models: []*record.Model{mustModel(t, "cities", &seat{})}})
	if err == nil || !strings.Contains(err.Error(), `team+user+at of cities cannot be unique: cities/`) || !strings.Contains(err.Error(), `both have "a" and "x" and 0`) {
		t.Errorf("opening a file with a clash is answered %v", err)
	}
	openCities(t, b, &freeSeat{})
}

func TestTagsOfReferencesAndGroups(t *testing.T) {
	for tag, want := range map[string]string{
		`tower:"delete=cascade"`:                             "is for a reference",
		`tower:"ref=nodes,delete=all"`:                       "is not one of delete=refuse",
		`tower:"ref=nodes,delete=clear" validate:"required"`: "would always be refused",
		`tower:"unique=f"`:                                   "is one field; write unique",
		`tower:"unique=f+g"`:                                 `names "g", which is not a field`,
		`tower:"unique=f+f"`:                                 "names f twice",
		`tower:"unique=f+list"`:                              "a list cannot be unique",
	} {
		_, err := record.NewModel("nodes", structWith(tag))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// structWith returns a record with a reference F that has these tags, and a list.
func structWith(tags string) any {
	return reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "Record", Type: reflect.TypeFor[record.Record](), Anonymous: true},
		{Name: "F", Type: reflect.TypeFor[record.ID](), Tag: reflect.StructTag(`json:"f" ` + tags)},
		{Name: "List", Type: reflect.TypeFor[[]string](), Tag: `json:"list"`},
	})).Interface()
}
