package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/towertest"
)

type Parcel struct {
	tower.Record
	Name  string         `json:"name"`
	Views int            `json:"views" tower:"index"`
	Ints  []int          `json:"ints"`
	Meta  map[string]any `json:"meta"`
	At    *time.Time     `json:"at"`
	Score float64        `json:"score"`
}

var parcels = tower.NewModel[Parcel]("parcels")

type parcelInput struct {
	ID    tower.ID        `json:"id"`
	Name  *string         `json:"name"`
	Views *int            `json:"views"`
	Meta  *map[string]any `json:"meta"`
	At    **time.Time     `json:"at"`
	Score *float64        `json:"score"`
}

type parcelPages struct{ *tower.Connection }

func (c *parcelPages) All(context.Context, tower.None) (tower.Scope[Parcel], error) {
	return parcels.All().Asc(&parcels.Fields.Views), nil
}

func (c *parcelPages) Count(context.Context, tower.None) (tower.ValueScope[Parcel], error) {
	return parcels.All().AsSum(&parcels.Fields.Views), nil
}

func (c *parcelPages) Index(ctx context.Context, _ tower.None) ([]*Parcel, error) {
	return parcels.All().Records(ctx, c)
}

func (c *parcelPages) Show(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*Parcel, error) {
	return tower.Visible(ctx, c, parcels, in.ID)
}

func (c *parcelPages) Create(ctx context.Context, in parcelInput) (*Parcel, error) {
	p := &Parcel{}
	if err := tower.Assign(p, in); err != nil {
		return nil, err
	}
	return p, parcels.Create(ctx, c, p)
}

func (c *parcelPages) Update(ctx context.Context, in parcelInput) (*Parcel, error) {
	return tower.UpdateVisible(ctx, c, parcels, in.ID, func(p *Parcel) error { return tower.Assign(p, in) })
}

func parcelConfig() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "parcels", func(c *tower.Connection) *parcelPages { return &parcelPages{c} })
	tower.Page(m, "GET /parcels", (*parcelPages).Index)
	tower.Page(m, "GET /parcels/{id}", (*parcelPages).Show)
	tower.Cursor(m, "all", (*parcelPages).All)
	tower.Value(m, "sum", (*parcelPages).Count)
	tower.Action(m, "POST /parcels", (*parcelPages).Create)
	tower.Action(m, "PATCH /parcels/{id}", (*parcelPages).Update)
	return tower.Config{Models: []tower.AnyModel{parcels}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":          {Data: []byte(`<!doctype html><title>x</title>{{block "main" .}}{{end}}`)},
		"views/parcels/index.html":   {Data: []byte(`{{define "main"}}{{range .Data}}<li>{{.Name}} {{.Views}}</li>{{end}}{{$all := .Cursor "all" "parcels/_parcel.html"}}{{$all.Items}}{{end}}`)},
		"views/parcels/show.html":    {Data: []byte(`{{define "main"}}{{.Data.Name}}{{end}}`)},
		"views/parcels/_parcel.html": {Data: []byte(`<p>{{.Name}}</p>`)},
	}}
}

// TestARecordThatDoesNotFitTakesNothingDown opens a file in which the views were texts.
func TestARecordThatDoesNotFitTakesNothingDown(t *testing.T) {
	type parcel struct {
		record.Record
		Name  string `json:"name"`
		Views string `json:"views"`
	}
	data := filepath.Join(t.TempDir(), "old.db")
	old, err := record.NewModel("parcels", &parcel{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(data, store.Options{Models: []*record.Model{old}})
	if err != nil {
		t.Fatal(err)
	}
	var broken record.ID
	if _, err := s.Update(t.Context(), "test", func(tx *store.Tx) error {
		image, err := tx.Create(old, &parcel{Name: "broken", Views: "many"})
		broken = image.ID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	config, log := parcelConfig(), &bytes.Buffer{}
	config.Env, config.Data, config.Log = "test", data, slog.New(slog.NewTextHandler(log, nil))
	app, end := towertest.Serve(t, config)
	defer end()
	if !strings.Contains(log.String(), "1 of 1 parcels do not fit Parcel: views is an int; the stored value is not ("+string(broken)+")") {
		t.Errorf("the log is %s", log)
	}
	if err := parcels.Create(t.Context(), app, &Parcel{Name: "whole", Views: 2}); err != nil {
		t.Fatal(err)
	}
	visitor := app.Connect(t, "")
	all, sum := visitor.Open("parcels.all", nil), visitor.Open("parcels.sum", nil)
	all.AwaitLen(1)
	sum.AwaitValue("2")
	if status, body := app.Get(t, "/parcels"); status != http.StatusOK || strings.Contains(body, "broken") || strings.Count(body, "whole") != 2 {
		t.Errorf("the list answers %d %s", status, body)
	}
	if status, body := app.Get(t, "/parcels/"+string(broken)); status != http.StatusUnprocessableEntity || strings.Contains(body, "many") {
		t.Errorf("its own page answers %d %s", status, body)
	}
	if n, err := parcels.All().Count(t.Context(), app); n != 1 || err != nil {
		t.Errorf("%d are counted, %v", n, err)
	}
	if got := visitor.Call("PATCH /parcels/"+string(broken), map[string]any{"name": "x"}); got.Status != http.StatusUnprocessableEntity || len(got.Problems["views"]) == 0 {
		t.Errorf("an update of another field answers %d %v", got.Status, got.Problems)
	}
	if got := visitor.Call("PATCH /parcels/"+string(broken), map[string]any{"views": 0}); got.Status != http.StatusOK {
		t.Fatalf("the update that mends it answers %d %v", got.Status, got.Problems)
	}
	all.AwaitLen(2)
	sum.AwaitValue("2")
	if status, body := app.Get(t, "/parcels/"+string(broken)); status != http.StatusOK || !strings.Contains(body, "broken") {
		t.Errorf("its page answers %d %s", status, body)
	}
}

// TestTheAnswerIsWhatIsStored creates and updates with values that are stored otherwise.
func TestTheAnswerIsWhatIsStored(t *testing.T) {
	app := towertest.Open(t, parcelConfig())
	visitor := app.Connect(t, "")
	in := map[string]any{"at": "2026-01-02T00:00:00.123456789+02:00", "score": json.Number("-0"), "meta": map[string]any{"list": []any{}, "n": json.Number("1.50")}}
	created := visitor.Call("POST /parcels", in)
	var p Parcel
	if err := json.Unmarshal(created.Out, &p); err != nil || created.Status != http.StatusCreated {
		t.Fatal(created.Status, created.Problems, err)
	}
	updated := visitor.Call("PATCH /parcels/"+string(p.ID), map[string]any{"at": "2026-01-02T00:00:00.987654321+02:00"})
	for _, out := range []json.RawMessage{created.Out, updated.Out} {
		if err := json.Unmarshal(out, &p); err != nil {
			t.Fatal(err)
		}
		if text := string(out); math.Signbit(p.Score) || !strings.Contains(text, `"ints":null`) || !strings.Contains(text, "56Z") && !strings.Contains(text, "54Z") {
			t.Errorf("the answer is %s", text)
		}
	}
	stored, err := parcels.Find(t.Context(), app, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(stored); string(text) != string(updated.Out) {
		t.Errorf("answered is %s\nstored is %s", updated.Out, text)
	}
	mine := &Parcel{Ints: []int{}, Score: math.Copysign(0, -1), At: new(time.Date(2026, 1, 2, 0, 0, 0, 123456789, time.FixedZone("", 3600)))}
	given := mine.At
	if err := parcels.Create(t.Context(), app, mine); err != nil {
		t.Fatal(err)
	}
	stored, err = parcels.Find(t.Context(), app, mine.ID)
	a, _ := json.Marshal(mine)
	b, _ := json.Marshal(stored)
	if err != nil || string(a) != string(b) || math.Signbit(mine.Score) || given.Nanosecond() != 123456789 {
		t.Errorf("left is %s\nstored is %s", a, b)
	}
}

// TestWhatCannotBeStoredIsAProblem sends values that JSON, or a record, cannot carry.
func TestWhatCannotBeStoredIsAProblem(t *testing.T) {
	app := towertest.Open(t, parcelConfig())
	visitor := app.Connect(t, "")
	for in, field := range map[string]string{
		`{"at":"9999-12-31T23:59:59-01:00"}`: "at",
		`{"at":"0000-01-01T00:00:00+01:00"}`: "at",
		`{"name":"\ud800"}`:                  "name",
		`{"meta":{"a":["\udc00"]}}`:          "meta",
		`{"meta":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`: "meta",
		`{"meta":` + strings.Repeat(`{"a":`, 101) + `1` + strings.Repeat(`}`, 101) + `}`:   "meta",
		`{"score":null}`: "score",
	} {
		answer := visitor.Call("POST /parcels", json.RawMessage(in))
		if answer.Status != http.StatusUnprocessableEntity || len(answer.Problems[field]) != 1 {
			t.Errorf("%.60s is answered %d %v", in, answer.Status, answer.Problems)
		}
	}
	for _, p := range []*Parcel{
		{Name: "a\xff"}, {Meta: map[string]any{"\xff": 1}}, {Meta: map[string]any{"a": []any{"\xff"}}}, {Score: math.NaN()}, {Score: math.Inf(1)},
		{Meta: map[string]any{"a": math.NaN()}}, {Meta: map[string]any{"a": make(chan int)}}, {At: new(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
	} {
		err := parcels.Create(t.Context(), app, p)
		if coded, ok := errors.AsType[*tower.Error](err); !ok || coded.Code != tower.CodeInvalid {
			t.Errorf("%+v: %v", p, err)
		}
	}
	kept := &Parcel{Name: `a\ufffd`, Meta: map[string]any{"�": `\ufffd`}}
	if err := parcels.Create(t.Context(), app, kept); err != nil {
		t.Error(err)
	}
}

// TestIsNil asks for null in fields of each kind. The browser and the console mean the
// same: see internal/query/testdata/vectors.jsonl.
func TestIsNil(t *testing.T) {
	app := towertest.Open(t, parcelConfig())
	at := time.Now()
	for _, p := range []*Parcel{{}, {Ints: []int{}, Meta: map[string]any{}, At: &at}} {
		if err := parcels.Create(t.Context(), app, p); err != nil {
			t.Fatal(err)
		}
	}
	f := parcels.Fields
	for _, c := range []tower.Condition{tower.Is(&f.Ints, nil), tower.Is(&f.Meta, nil), tower.Is(&f.At, nil),
		tower.Not(tower.Exists(&f.Ints)), tower.Not(tower.IsNot(&f.Meta, nil))} {
		found, err := parcels.Where(c).Records(t.Context(), app)
		if err != nil || len(found) != 1 || found[0].Ints != nil {
			t.Errorf("found %v, %v", found, err)
		}
	}
	if _, err := parcels.Where(tower.Is(&f.Ints, []int{1})).Records(t.Context(), app); err == nil || !strings.Contains(err.Error(), "can be compared only with null") {
		t.Errorf("the error is %v", err)
	}
}
