package record

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type Address struct {
	City string `json:"city" validate:"required"`
}

type signup struct {
	Record
	Address
	Home    Address       `json:"home"`
	Name    string        `json:"name" validate:"required,max=5"`
	Nick    string        `json:"nick" validate:"omitempty,min=3"`
	Pin     string        `json:"pin" validate:"len=4"`
	Letter  string        `json:"letter" validate:"max=1"`
	Email   string        `json:"email" validate:"email"`
	Site    string        `json:"site" validate:"url"`
	Role    string        `json:"role" validate:"oneof=admin member"`
	Age     int           `json:"age" validate:"gte=18,lt=150"`
	Tags    []string      `json:"tags" validate:"max=2,dive,max=3"`
	Starts  time.Time     `json:"starts" validate:"gt"`
	Wait    time.Duration `json:"wait" validate:"lte=5s"`
	Hex     string        `json:"hex" validate:"hexadecimal"`
	Again   string        `json:"again" validate:"eqfield=Pin"`
	Skipped string        `json:"-" validate:"required"`
}

func (s *signup) Validate(problems *Problems) {
	if s.Name == "panic" {
		panic("boom")
	}
	if s.Name == "nobody" {
		problems.Add("", "nobody may not sign up")
		problems.Add("name", "is nobody's")
	}
}

func TestValidate(t *testing.T) {
	problems := &Problems{}
	err := Validate(&signup{
		Name: "nobody", Nick: "x", Pin: "12345", Letter: "ab", Email: "x", Site: "x", Role: "boss", Age: 3,
		Tags: []string{"abcd", "a", "b"}, Wait: time.Minute, Hex: "xyz", Again: "x",
	}, problems)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"": "nobody may not sign up", "city": "is required", "home.city": "is required",
		"name": "is too long: at most 5 characters, is nobody's", "nick": "is too short: at least 3 characters",
		"pin": "must have 4 characters", "letter": "is too long: at most 1 character", "email": "is not an email address",
		"site": "is not a URL", "role": "must be one of admin, member", "age": "must be at least 18",
		"tags": "has too many: at most 2", "starts": "does not satisfy gt", "wait": "must be at most 5s",
		"hex": "does not satisfy hexadecimal", "again": "does not satisfy eqfield=Pin", "Skipped": "is required",
	}
	got := problems.Map()
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if text := strings.Join(got[field], ", "); text != want[field] {
			t.Errorf("%q %s, not %s", field, text, want[field])
		}
		delete(got, field)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}

func TestValidateElements(t *testing.T) {
	problems := &Problems{}
	if err := Validate(&struct {
		Tags []string `json:"tags" validate:"dive,max=3"`
	}{[]string{"abc", "abcd"}}, problems); err != nil || problems.String() != "tags[1] is too long: at most 3 characters" {
		t.Error(problems, err)
	}
}

func TestValidateFails(t *testing.T) {
	if err := Validate(&signup{Name: "panic"}, &Problems{}); errorText(err) != "validate a *record.signup: boom" {
		t.Error(err)
	}
	if err := Validate(&struct {
		Name string `validate:"requird"`
	}{}, &Problems{}); err == nil || !strings.Contains(err.Error(), "Undefined validation function 'requird'") {
		t.Error(err)
	}
}

func TestProblems(t *testing.T) {
	problems := &Problems{}
	if problems.Any() || problems.String() != "" || len(problems.Map()) != 0 {
		t.Errorf("none are %s", problems)
	}
	problems.Add("title", "is required")
	problems.Add("", "is not good")
	problems.Add("title", "is too loud")
	if got := problems.String(); !problems.Any() || got != "is not good; title is required, is too loud" {
		t.Errorf("some are %s", got)
	}
	if got := (&InvalidError{Model: "posts", Problems: problems}).Error(); got != "posts: is not good; title is required, is too loud" {
		t.Error(got)
	}
}

// TestTagsAreFound tries the places in which a value may have validate tags.
func TestTagsAreFound(t *testing.T) {
	type tree struct {
		Name     string
		Children []*tree
	}
	for value, want := range map[any]bool{
		&plainly{}: false, &varied{}: true, &tree{}: false, &signup{}: true, &Address{}: true,
		&struct{ Home *Address }{}: true, &struct{ Homes []map[string]Address }{}: true, &struct{ Home any }{}: true,
		&struct{ Home [1]map[Address]int }{}: true, &struct{ At time.Time }{}: false, new(int): false,
	} {
		if hasTags(reflect.TypeOf(value)) != want {
			t.Errorf("%T has tags: %t", value, !want)
		}
	}
}
