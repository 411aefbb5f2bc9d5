package route

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
)

type (
	inner struct{ A, B int }
	Outer struct{ B, C int }
)

// TestInputOfEmbeddedPointer decodes the fields of an embedded struct that is nil.
func TestInputOfEmbeddedPointer(t *testing.T) {
	inputs, err := newInputs(reflect.TypeFor[struct {
		*Outer
		D int
	}]())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		body string
		want string
	}{
		{`{"B":1,"D":2}`, `{"B":1,"C":0,"D":2}`},
		{`{"D":2}`, `{"D":2}`},
	} {
		in, err := inputs.Decode(nil, json.RawMessage(test.body), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(in); string(got) != test.want {
			t.Errorf("%s: got %s, want %s", test.body, got, test.want)
		}
	}
	if _, err := newInputs(reflect.TypeFor[struct{ *inner }]()); err == nil {
		t.Error("an embedded pointer that cannot be set is not refused")
	}
}

type sentInput struct {
	Title  string              `json:"title"`
	Rank   **int               `json:"rank"`
	Stars  *int                `json:"stars"`
	Note   **string            `json:"note"`
	Name   *string             `json:"name"`
	Due    *time.Time          `json:"due"`
	Author *record.ID          `json:"author"`
	Tags   *[]string           `json:"tags"`
	Meta   map[string]any      `json:"meta"`
	Counts map[string]int      `json:"counts"`
	Place  *struct{ Zip *int } `json:"place"`
	Small  *int8               `json:"small"`
	Score  *float64            `json:"score"`
	Open   *bool               `json:"open"`
}

// TestNullAndMissing gives null, and values that do not fit, to a field of each type.
func TestNullAndMissing(t *testing.T) {
	inputs, err := newInputs(reflect.TypeFor[sentInput]())
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{}`:                          ``,
		`{"rank":null}`:               `rank: null`,
		`{"rank":3}`:                  `rank: 3`,
		`{"rank":"9007199254740993"}`: `rank: 9007199254740993`,
		`{"note":null}`:               `note: null`,
		`{"note":""}`:                 `note: ""`,
		`{"due":null}`:                `due: "0001-01-01T00:00:00Z"`,
		`{"author":null}`:             `author: ""`,
		`{"tags":null}`:               `tags: null`,
		`{"meta":null}`:               ``,
		`{"title":null}`:              `problem: title cannot be null`,
		`{"stars":null}`:              `problem: stars cannot be null`,
		`{"name":null}`:               `problem: name cannot be null`,
		`{"open":null}`:               `problem: open cannot be null`,
		`{"score":null}`:              `problem: score cannot be null`,
		`{"tags":["a",null]}`:         `problem: tags.1 cannot be null`,
		`{"counts":{"a":null}}`:       `problem: counts.a cannot be null`,
		`{"place":{"Zip":null}}`:      `place: {"Zip":null}`,
		`{"place":{"Zap":1}}`:         `problem: place.Zap is not a field`,
		`{"place":{"Zip":"x"}}`:       `problem: place.Zip is not a whole number`,
		`{"small":128}`:               `problem: small must be between -128 and 127`,
		`{"small":"0x1"}`:             `problem: small is not a whole number`,
		`{"score":"1"}`:               `problem: score is not a number`,
		`{"score":1e999}`:             `problem: score is too large for a number`,
		`{"title":"\ud800"}`:          `problem: title is not valid Unicode text`,
		`{"title":"\udc00\ud800"}`:    `problem: title is not valid Unicode text`,
		`{"title":"\\ud800"}`:         `title: "\\ud800"`,
		`{"title":"\ud83d\ude00"}`:    `title: "😀"`,
		"{\"title\":\"a\xff\"}":       `problem: title is not valid Unicode text`,
		`{"meta":{"a":"\uDFFF"}}`:     `problem: meta is not valid Unicode text`,
		`{"meta":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`: ``,
		`{"meta":` + strings.Repeat(`{"a":`, 101) + `1` + strings.Repeat(`}`, 101) + `}`: `problem: meta is nested too deeply: at most 100 levels`,
	} {
		if got := decodeText(t, inputs, json.RawMessage(body), nil); got != want {
			t.Errorf("%s: %s, not %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		"rank=":       `rank: null`,
		"note=":       `note: null`,
		"name=":       `name: ""`,
		"stars=":      ``,
		"open=":       ``,
		"tags=":       `tags: []`,
		"tags=a&tags": `tags: ["a"]`,
		"score=NaN":   `problem: score is not a number`,
		"small=300":   `problem: small must be between -128 and 127`,
		"due=":        `due: "0001-01-01T00:00:00Z"`,
		"title=%ff":   `problem: title is not valid Unicode text`,
		// an exact value that is null, of a field that cannot be set to null, is not sent
		`open=false&open~={"box":"false","is":null}`: ``,
		`rank=&rank~={"box":"","is":7}`:              `rank: 7`,
		`rank=1&rank~={"box":"","is":7}`:             `rank: 1`,
	} {
		sent, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeText(t, inputs, nil, sent); got != want {
			t.Errorf("%s: %s, not %s", body, got, want)
		}
		// What a write would leave as it was, although its box was emptied, is a problem.
		if name, _, _ := strings.Cut(body, "="); body == "stars=" || body == "open=" {
			want = "problem: " + name + " cannot be empty"
		}
		writing := *inputs
		writing.writes = true
		if got := decodeText(t, &writing, nil, sent); got != want {
			t.Errorf("a write of %s: %s, not %s", body, got, want)
		}
	}
}

// decodeText returns what an input has been given, one pointer or map after another, or
// its problems.
func decodeText(t *testing.T, inputs *Inputs, body json.RawMessage, sent url.Values) string {
	t.Helper()
	in, err := inputs.Decode(nil, body, sent, nil)
	var coded *fault.Error
	if errors.As(err, &coded) && coded.Problems != nil {
		return "problem: " + coded.Problems.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		if field := v.Field(i); !field.IsZero() && field.Kind() != reflect.Map {
			text, _ := json.Marshal(field.Interface())
			parts = append(parts, v.Type().Field(i).Tag.Get("json")+": "+string(text))
		}
	}
	return strings.Join(parts, "; ")
}
