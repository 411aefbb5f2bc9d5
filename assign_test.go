package tower_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
)

type event struct {
	tower.Record
	Title  string     `json:"title"`
	Seats  int        `json:"seats"`
	Open   bool       `json:"open"`
	Tags   []string   `json:"tags"`
	Ends   *time.Time `json:"ends"`
	Rank   *int       `json:"rank"`
	Loud   *bool      `json:"loud"`
	Secret string     `json:"-"`
	Plain  string
}

type eventInput struct {
	ID    tower.ID   `json:"id"`
	Title *string    `json:"title"`
	Seats *int       `json:"seats"`
	Open  *bool      `json:"open"`
	Tags  *[]string  `json:"tags"`
	Ends  *time.Time `json:"ends"`
	Plain string
}

func TestAssignSetsWhatAnInputNames(t *testing.T) {
	at := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	made := &event{}
	in := eventInput{ID: tower.NewID(), Title: new("Fair"), Seats: new(3), Open: new(true), Tags: &[]string{"a"}, Ends: &at, Plain: "p"}
	if err := tower.Assign(made, in); err != nil {
		t.Fatal(err)
	}
	if made.ID != in.ID || made.Title != "Fair" || made.Seats != 3 || !made.Open || made.Tags[0] != "a" || !made.Ends.Equal(at) || made.Plain != "p" {
		t.Errorf("the record is %+v", made)
	}
	if made.Ends == in.Ends {
		t.Error("the record shares a pointer with the input")
	}

	// What is not sent stays; the zero value is set; a record keeps its id.
	if err := tower.Assign(made, &eventInput{ID: tower.NewID(), Seats: new(0), Open: new(false)}); err != nil {
		t.Fatal(err)
	}
	if made.ID != in.ID || made.Title != "Fair" || made.Seats != 0 || made.Open || made.Tags[0] != "a" || !made.Ends.Equal(at) || made.Plain != "" {
		t.Errorf("the record is %+v", made)
	}
}

// An Optional tells a field that was not sent from null.
func TestAssignClears(t *testing.T) {
	type input struct {
		Rank tower.Optional[int]  `json:"rank"`
		Loud tower.Optional[bool] `json:"loud"`
		Ends *time.Time           `json:"ends"`
	}
	made := &event{Rank: new(1), Loud: new(true), Ends: &time.Time{}}
	if err := tower.Assign(made, input{Rank: new(new(2))}); err != nil || *made.Rank != 2 || !*made.Loud || made.Ends == nil {
		t.Errorf("the record is %+v: %v", made, err)
	}
	if err := tower.Assign(made, input{Rank: new((*int)(nil)), Ends: &time.Time{}}); err != nil || made.Rank != nil || !*made.Loud || made.Ends != nil {
		t.Errorf("the record is %+v: %v", made, err)
	}
}

func TestAssignThroughEmbeddedStructs(t *testing.T) {
	type dated struct {
		Ends time.Time `json:"ends"`
	}
	type titled struct {
		Title string `json:"title"`
	}
	made := &event{Title: "Fair"}
	if err := tower.Assign(made, struct {
		dated
		*titled
	}{dated: dated{time.Unix(1, 0)}}); err != nil || made.Title != "Fair" || made.Ends.Unix() != 1 {
		t.Errorf("the record is %+v: %v", made, err)
	}
}

func TestAssignRefusesAnInputThatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		input any
		want  string
	}{
		{struct {
			Name *string `json:"name"`
		}{}, `tower_test.event has no field "name"`},
		{struct {
			Seats *string `json:"seats"`
		}{}, `"seats" is a *string, and in tower_test.event a int`},
		{struct {
			Rank *int `json:"rank"`
		}{}, `"rank" is a *int and cannot tell null from a value that was not sent; in the input, make it a tower.Optional[int]`},
		{struct {
			Loud *bool `json:"loud"`
		}{}, `make it a tower.Optional[bool]`},
		{struct {
			CreatedAt time.Time `json:"createdAt"`
		}{}, `"createdAt" is set by the store`},
		{struct{ Secret string }{}, `has no field "Secret"`},
		{struct{ A, B string }{}, `has no field "A"; tower_test.event has no field "B"`},
		{"title", "a string, not a struct"},
		{nil, "not a struct"},
	} {
		made := &event{Title: "Fair"}
		if err := tower.Assign(made, c.input); err == nil || !strings.Contains(err.Error(), c.want) || made.Title != "Fair" {
			t.Errorf("%T: %v; want an error with %q", c.input, err, c.want)
		}
	}
}

// An account has a secret that an input sets by a method.
type account struct {
	tower.Record
	Name string `json:"name"`
	Hash string `json:"hash" tower:"private"`
}

func (a *account) SetSecret(plain string) error {
	if plain == "refused" {
		a.Hash = "half"
		return errors.New("no such secret")
	}
	a.Hash = "hash of " + plain
	return nil
}

func (a *account) SetOther(int) {}

// What a record has no field for goes to its method, unless it is nil. An error of the
// method sets nothing.
func TestAssignByMethod(t *testing.T) {
	type input struct {
		Name   *string `json:"name"`
		Secret *string `json:"secret"`
	}
	rec := &account{Name: "ada", Hash: "old"}
	for _, c := range []struct {
		in   any
		want account
		err  string
	}{
		{input{}, account{Name: "ada", Hash: "old"}, ""},
		{input{Name: new("bob"), Secret: new("x")}, account{Name: "bob", Hash: "hash of x"}, ""},
		{input{Name: new("eve"), Secret: new("refused")}, account{Name: "bob", Hash: "hash of x"}, "no such secret"},
		{struct {
			Secret string `json:"pass"`
		}{"y"}, account{Name: "bob", Hash: "hash of y"}, ""},
		{struct {
			Secret int `json:"secret"`
		}{}, account{Name: "bob", Hash: "hash of y"}, `has no field "secret"`},
		{struct {
			Other int `json:"other"`
		}{}, account{Name: "bob", Hash: "hash of y"}, `has no field "other"`},
	} {
		err := tower.Assign(rec, c.in)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v", c.in, err)
		}
		if *rec != c.want {
			t.Errorf("%+v: the record is %+v", c.in, *rec)
		}
	}
}
