package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// a model's record with one field F
type withF[T any] struct {
	record.Record
	Name string `json:"name"`
	F    T      `json:"f"`
}

type requiredF struct {
	record.Record
	Name string `json:"name"`
	F    string `json:"f" validate:"required"`
}

type enumF struct {
	record.Record
	Name string `json:"name"`
	F    string `json:"f" validate:"oneof=open done"`
}

type uniqueF struct {
	record.Record
	Name string `json:"name"`
	F    int    `json:"f" tower:"unique"`
}

type privateF struct {
	record.Record
	Name string `json:"name"`
	F    int    `json:"f" tower:"private"`
}

// TestRecordsThatDoNotFit opens a file with records of another struct: one that fits,
// and two that do not.
func TestRecordsThatDoNotFit(t *testing.T) {
	text := func(f string) any { return &withF[string]{Name: f, F: f} }
	number := func(f int) any { return &withF[int]{Name: "n", F: f} }
	for name, c := range map[string]struct {
		good    any
		bad     []any
		now     any
		problem string
		unfit   bool // it is in no list
		mend    func(rec any)
	}{
		"a number that is a text now":       {&withF[any]{F: "x"}, []any{number(7), number(0)}, &withF[string]{}, "f is a string; the stored value is not", true, func(rec any) { rec.(*withF[string]).F = "" }},
		"a text that is an int now":         {number(1), []any{text("many"), text("1")}, &withF[int]{}, "f is an int; the stored value is not", true, func(rec any) { rec.(*withF[int]).F = 0 }},
		"a unique int":                      {number(1), []any{text("many"), text("1")}, &uniqueF{}, "f is an int; the stored value is not", true, func(rec any) { rec.(*uniqueF).F = 5 }},
		"a private int":                     {number(1), []any{text("many"), text("1")}, &privateF{}, "f is an int; the stored value is not", true, func(rec any) { rec.(*privateF).F = 5 }},
		"a list that is one value now":      {text("x"), []any{&withF[[]string]{F: []string{"a"}}, &withF[[]string]{F: []string{}}}, &withF[string]{}, "f is a string; the stored value is not", true, func(rec any) { rec.(*withF[string]).F = "a" }},
		"a number that is too large now":    {number(1), []any{number(300), number(-129)}, &withF[int8]{}, "f is an int; the stored value is not", true, func(rec any) { rec.(*withF[int8]).F = 0 }},
		"a bool that was a number":          {&withF[bool]{}, []any{number(1), number(0)}, &withF[bool]{}, "f is a bool; the stored value is not", true, func(rec any) { rec.(*withF[bool]).F = false }},
		"a field that is required now":      {text("x"), []any{text(""), &plainCity{}}, &requiredF{}, "f is required", false, func(rec any) { rec.(*requiredF).F = "x" }},
		"fewer values":                      {text("open"), []any{text("late"), text("")}, &enumF{}, "f must be one of open, done", false, func(rec any) { rec.(*enumF).F = "done" }},
		"null in a field that has none now": {number(1), []any{&withF[*int]{}, &withF[any]{}}, &withF[int]{}, "f cannot be null", false, func(rec any) { rec.(*withF[int]).F = 1 }},
		"a struct whose member has changed": {&withF[struct{ A int }]{}, []any{&withF[struct{ A string }]{}, number(1)}, &withF[struct{ A int }]{}, "f is an object; the stored value is not", true, func(rec any) { rec.(*withF[struct{ A int }]).F.A = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBlog(t, Options{})
			ids := []record.ID{}
			for _, rec := range append([]any{c.good}, c.bad...) {
				m := openCities(t, b, reflect.New(reflect.TypeOf(rec).Elem()).Interface())
				b.do(func(tx *Tx) error {
					image, err := tx.Create(m, rec)
					if err == nil {
						ids = append(ids, image.ID)
					}
					return err
				})
			}
			now := openCities(t, b, c.now)
			if len(b.Surveys()) != 1 {
				t.Fatal("nothing is said")
			}
			survey := b.Surveys()[0]
			want := fmt.Sprintf("2 of 3 cities do not fit %s: %s (%s, %s)", now.Type, c.problem, ids[1], ids[2])
			if survey.String() != want {
				t.Errorf("%s\nnot %s", survey, want)
			}
			lists := func() (n int) {
				eachCity(t, b.Store, now, func(*record.Image) { n++ })
				return n
			}
			if got := lists(); got != map[bool]int{true: 1, false: 3}[c.unfit] {
				t.Errorf("%d records are listed", got)
			}
			if _, err := b.Begin("test").Update(now, ids[1], func(rec any) error { return nil }); c.problem != "f cannot be null" && err == nil {
				t.Error("an update that leaves the field is not refused")
			}
			b.do(func(tx *Tx) error {
				_, err := tx.Update(now, ids[1], func(rec any) error { c.mend(rec); return nil })
				return err
			})
			b.do(func(tx *Tx) error { return tx.Delete(now, ids[2]) })
			if got := lists(); got != 2 {
				t.Errorf("%d records are listed when one was mended and one deleted", got)
			}
			if err := b.Check(context.Background()); err != nil {
				t.Error(err)
			}
			if openCities(t, b, reflect.New(reflect.TypeOf(c.now).Elem()).Interface()); len(b.Surveys()) != 0 {
				t.Errorf("it is still said: %s", b.Surveys()[0])
			}
			if err := b.Check(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFieldsWithoutANameAreKept changes a record by structs that each name some of its
// fields, and expects that every field has the value that it was given last.
func TestFieldsWithoutANameAreKept(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "b", "c", "d"}
	inner := func(some []string) reflect.Type {
		var fields []reflect.StructField
		for _, name := range some {
			fields = append(fields, reflect.StructField{Name: strings.ToUpper(name), Type: reflect.TypeFor[string](), Tag: reflect.StructTag(`json:"` + name + `"`)})
		}
		return reflect.StructOf(fields)
	}
	build := func(some, within []string, private bool) any {
		fields := []reflect.StructField{{Name: "Record", Type: reflect.TypeFor[record.Record](), Anonymous: true}}
		for i, name := range some {
			tag := `json:"` + name + `"`
			if private && i == 0 {
				tag += ` tower:"private"`
			}
			fields = append(fields, reflect.StructField{Name: strings.ToUpper(name), Type: reflect.TypeFor[string](), Tag: reflect.StructTag(tag)})
		}
		fields = append(fields, reflect.StructField{Name: "In", Type: inner(within), Tag: `json:"in"`})
		return reflect.New(reflect.StructOf(fields)).Interface()
	}
	choose := func() (some []string) {
		for _, name := range names {
			if r.IntN(2) == 0 {
				some = append(some, name)
			}
		}
		return some
	}

	b := newBlog(t, Options{})
	m := openCities(t, b, build(names, names, false))
	want := map[string]string{"a": "", "b": "", "c": "", "d": "", "in.a": "", "in.b": "", "in.c": "", "in.d": ""}
	var id record.ID
	b.do(func(tx *Tx) error {
		image, err := tx.Create(m, m.New())
		id = image.ID
		return err
	})
	for n := range 60 {
		some, within := choose(), choose()
		m = openCities(t, b, build(some, within, r.IntN(2) == 0))
		last := b.Seq()
		set := map[string]string{}
		for _, name := range some {
			if r.IntN(2) == 0 {
				set[name] = fmt.Sprint(name, n)
			}
		}
		for _, name := range within {
			if r.IntN(2) == 0 {
				set["in."+name] = fmt.Sprint("in", name, n)
			}
		}
		b.do(func(tx *Tx) error {
			_, err := tx.Update(m, id, func(rec any) error {
				v := reflect.ValueOf(rec).Elem()
				for name, value := range set {
					at := v
					if rest, ok := strings.CutPrefix(name, "in."); ok {
						at, name = v.FieldByName("In"), rest
					}
					at.FieldByName(strings.ToUpper(name)).SetString(value)
				}
				return nil
			})
			return err
		})
		undone := b.Seq() > last && r.IntN(4) == 0
		if undone {
			commit, err := b.CommitAt(context.Background(), b.Seq())
			if err != nil {
				t.Fatal(err)
			}
			b.do(func(tx *Tx) error { return tx.Undo(context.Background(), commit) })
		} else {
			for name, value := range set {
				want[name] = value
			}
		}
		if r.IntN(8) == 0 { // delete it, and undo that
			b.do(func(tx *Tx) error { return tx.Delete(m, id) })
			commit, err := b.CommitAt(context.Background(), b.Seq())
			if err != nil {
				t.Fatal(err)
			}
			b.do(func(tx *Tx) error { return tx.Undo(context.Background(), commit) })
		}
		eachCity(t, b.Store, m, func(image *record.Image) {
			var sent map[string]any
			if err := json.Unmarshal(image.JSON, &sent); err != nil {
				t.Fatal(err)
			}
			for name := range sent {
				if f := m.Field(name); f == nil || f.Private {
					t.Errorf("%s is sent", name)
				}
			}
		})
	}
	m = openCities(t, b, build(names, names, false))
	eachCity(t, b.Store, m, func(image *record.Image) {
		rec, err := image.Record()
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(rec).Elem()
		for _, name := range names {
			upper := strings.ToUpper(name)
			if got := v.FieldByName(upper).String(); got != want[name] {
				t.Errorf("%s is %q, not %q", name, got, want[name])
			}
			if got := v.FieldByName("In").FieldByName(upper).String(); got != want["in."+name] {
				t.Errorf("in.%s is %q, not %q", name, got, want["in."+name])
			}
		}
	})
	if err := b.Check(context.Background()); err != nil {
		t.Error(err)
	}
}
