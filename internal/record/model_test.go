package record

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFields(t *testing.T) {
	m := mustModel(t, "posts", &post{})
	var words []string
	for _, f := range m.Fields {
		word := f.Name + ":" + f.TypeName()
		if f.Index {
			word += "+index"
		}
		if f.Required {
			word += "+required"
		}
		words = append(words, word)
	}
	const want = "id:string createdAt:time+index updatedAt:time authorId:ref+index title:string+required likes:int+index published:bool+index tags:list"
	if got := strings.Join(words, " "); got != want {
		t.Errorf("the fields are %s", got)
	}
	if m.Type != "post" || m.Field("Title") != nil || m.Field("title").GoName != "Title" {
		t.Errorf("the model is %+v", m)
	}
}

type Stamp struct {
	By    string `json:"by"`
	Inner struct {
		Deep int `json:"deep"`
	} `json:"inner"`
}

func TestFieldAt(t *testing.T) {
	type stamped struct {
		Stamp
		Record
		First  int `json:"first"`
		Hidden int `json:"-"`
	}
	prototype := &stamped{}
	m := mustModel(t, "stamped", prototype)
	for _, c := range []struct {
		pointer any
		name    string
	}{
		{&prototype.By, "by"}, {&prototype.ID, "id"}, {&prototype.UpdatedAt, "updatedAt"}, {&prototype.First, "first"},
		{&prototype.Inner, "inner"}, {&prototype.Inner.Deep, ""}, {&prototype.Hidden, ""}, {&prototype.Stamp, ""}, {prototype, ""},
		{new(int), ""}, {nil, ""}, {3, ""}, {(*int)(nil), ""}, {&(&stamped{}).First, ""},
	} {
		f, err := m.FieldAt(c.pointer)
		if c.name == "" && err == nil || c.name != "" && (err != nil || f.Name != c.name) {
			t.Errorf("%T is %v, %v; not %q", c.pointer, f, err, c.name)
		}
	}
	if _, err := m.FieldAt(new(int)); err.Error() != "a *int does not point to a stored field of the Fields of model stamped" {
		t.Error(err)
	}
}

type loud struct{ Record }

func (loud) MarshalJSON() ([]byte, error) { return nil, nil }

func TestModelsThatCannotBe(t *testing.T) {
	type twins struct {
		Record
		A int `json:"B"`
		B int
	}
	for _, c := range []struct {
		name      string
		prototype any
		err       string
	}{
		{"posts", nil, "<nil> is not a pointer to a struct"},
		{"posts", post{}, "record.post is not a pointer to a struct"},
		{"Posts", &post{}, "a name consists of letters, digits and _ and begins with a lower-case letter"},
		{"a/b", &post{}, "a name consists of"},
		{"x", &struct{ Name string }{}, "does not embed tower.Record"},
		{"x", &struct{ Record string }{}, "does not embed tower.Record"},
		{"x", &struct{ *Record }{}, "does not embed tower.Record"},
		{"x", &struct{ Stamped struct{ Record } }{}, "does not embed tower.Record"},
		{"x", &struct {
			Record `json:"record"`
		}{}, "does not embed tower.Record"},
		{"x", &struct {
			Record
			*Stamp
		}{}, "field Stamp: embed the struct itself, not a pointer to it"},
		{"x", &twins{}, `field B: the name "B" is taken by A`},
		{"x", &struct {
			Record
			F func()
		}{}, `field F: a func() cannot be stored; json:"-" leaves it out`},
		{"x", &struct {
			Record
			T string `tower:"indexed"`
		}{}, `field T: tower tag "indexed" is not one of index, unique, unique=FIELD+FIELD, sparse, private, was=FIELD, column=NAME, ref=MODEL, delete=refuse, delete=cascade, delete=clear`},
		{"x", &struct {
			Record
			T string `tower:"ref=users"`
		}{}, `field T: a reference is a tower.ID with tower:"ref=MODEL"`},
		{"x", &struct {
			Record
			T ID `tower:"ref"`
		}{}, `field T: a reference is`},
		{"x", &struct {
			Record
			T []string `tower:"index"`
		}{}, "field T: a list cannot be indexed"},
		{"x", &struct {
			Record
			T *string `tower:"sparse"`
		}{}, "field T: sparse is for the index of the field"},
		{"x", &struct {
			Record
			T int `tower:"index,sparse"`
		}{}, "field T: sparse is for what can be null, and for a text that is not unique"},
		{"x", &struct {
			Record
			T string `tower:"unique,sparse"`
		}{}, "field T: sparse is for what can be null, and for a text that is not unique"},
		{"x", &struct {
			Record
			T map[string]int `tower:"unique"`
		}{}, "field T: an object cannot be indexed"},
		{"x", &struct {
			Record
			T string `validate:"requird"`
		}{}, "Undefined validation function 'requird' on field 'T'"},
		{"x", &loud{}, "loud has a method MarshalJSON"},
		{"x", &struct {
			Record
			time.Time
		}{}, "has a method MarshalJSON"},
	} {
		if _, err := NewModel(c.name, c.prototype); !strings.Contains(errorText(err), c.err) || !strings.HasPrefix(errorText(err), "model \""+c.name+"\": ") {
			t.Errorf("%s, %T: %v, not %s", c.name, c.prototype, err, c.err)
		}
	}
}

func TestAssign(t *testing.T) {
	m := mustModel(t, "posts", &post{})
	p := &post{Title: "old", Likes: 3, Tags: []string{"a", "b"}}
	problems := m.Assign(p, []byte(`{"title":"new","tags":["c"],"likes":"9007199254740993","authorId":"01J00000000000000000000000"}`))
	if problems.Any() || p.Title != "new" || p.Likes != 9007199254740993 || len(p.Tags) != 1 || p.AuthorID != "01J00000000000000000000000" {
		t.Errorf("%s: %+v", problems, p)
	}
	before := *p
	for _, c := range []struct{ in, problems string }{
		{`[]`, "is not a JSON object"},
		{`null`, "is not a JSON object"},
		{`{"title":1}`, "title is a string; 1 is not"},
		{`{"likes":"many"}`, `likes is an int; "many" is not`},
		{`{"authorId":7}`, "authorId is an id of users; 7 is not"},
		{`{"likes":null}`, "likes cannot be null"},
		{`{"likes":"0x10"}`, `likes is an int; "0x10" is not`},
		{`{"tags":["x",1]}`, `tags.1 is not a string`},
		{`{"tags":1}`, `tags is a list; 1 is not`},
		{`{"titel":"x"}`, "titel is not a field of post; did you mean title?"},
		{`{"colour":"x"}`, "colour is not a field of post"},
		{`{"Title":"x"}`, "Title is not a field of post; did you mean title?"},
		{`{"createdAt":"2026-11-22T10:00:00Z"}`, "createdAt is set by the store"},
		{`{"title":{"a":"` + strings.Repeat("é", 50) + `"}}`, `title is a string; {"a":"` + strings.Repeat("é", 17) + `… is not`},
	} {
		if got := m.Assign(p, []byte(c.in)).String(); got != c.problems {
			t.Errorf("%s: %s, not %s", c.in, got, c.problems)
		}
	}
	if jsonText(p) != jsonText(before) {
		t.Errorf("what had problems was set: %+v", p)
	}
	if problems := m.Assign(p, []byte(`{"id":"x"}`)); problems.Any() || p.ID != "x" {
		t.Errorf("the id is %q: %s", p.ID, problems)
	}
}

func TestAssignReplaces(t *testing.T) {
	type part struct{ A, B int }
	type whole struct {
		Record
		Map   map[string]int `json:"map"`
		Parts []part         `json:"parts"`
		Part  part           `json:"part"`
		Text  int            `json:"text,string"`
	}
	m := mustModel(t, "wholes", &whole{})
	w := &whole{Map: map[string]int{"old": 1}, Parts: []part{{1, 2}, {3, 4}}, Part: part{5, 6}}
	if problems := m.Assign(w, []byte(`{"map":{"new":1},"parts":[{"A":9}],"part":{"B":8},"text":"7"}`)); problems.Any() {
		t.Fatal(problems)
	}
	w.Record = Record{}
	want := &whole{Map: map[string]int{"new": 1}, Parts: []part{{A: 9}}, Part: part{B: 8}, Text: 7}
	if got, _ := json.Marshal(w); string(got) != jsonText(want) {
		t.Errorf("%s", got)
	}
}

func TestIDs(t *testing.T) {
	last := ID("")
	for range 1000 {
		id := NewID()
		if parsed, err := ParseID(string(id)); err != nil || parsed != id || id <= last {
			t.Fatalf("%s after %s: %v", id, last, err)
		}
		last = id
	}
	for _, text := range []string{"", "x", strings.ToLower(string(last)), string(last) + "0", string(last[:25]), string(last[:25]) + "U", "8" + string(last[1:])} {
		if _, err := ParseID(text); err == nil || !strings.Contains(err.Error(), "is not an id") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAHeaderOfAnotherTypeIsLaidOutAlike has a model embed a registered type, and
// refuses types that are laid out in another way.
func TestAHeaderOfAnotherTypeIsLaidOutAlike(t *testing.T) {
	alike := func() (reflect.Type, any) {
		type Record struct {
			ID        ID        `json:"id"`
			CreatedAt time.Time `json:"createdAt" tower:"index"`
			UpdatedAt time.Time `json:"updatedAt"`
		}
		type thing struct {
			Title string `json:"title"`
			Record
		}
		return reflect.TypeFor[Record](), &thing{}
	}
	header, prototype := alike()
	if _, err := NewModel("things", prototype); err == nil || !strings.Contains(err.Error(), "does not embed tower.Record") {
		t.Errorf("before it is registered: %v", err)
	}
	RegisterHeader(header)
	defer delete(headers, header)
	m, err := NewModel("things", prototype)
	if err != nil {
		t.Fatal(err)
	}
	own, err := m.Header(prototype)
	if err != nil {
		t.Fatal(err)
	}
	own.ID = "01"
	if id := reflect.ValueOf(prototype).Elem().FieldByName("ID").String(); id != "01" {
		t.Errorf("the header's id is %q", id)
	}
	for _, other := range []func() reflect.Type{
		func() reflect.Type {
			type Record struct {
				ID        ID        `json:"id"`
				UpdatedAt time.Time `json:"updatedAt"`
				CreatedAt time.Time `json:"createdAt" tower:"index"`
			}
			return reflect.TypeFor[Record]()
		},
		func() reflect.Type {
			type Record struct {
				ID        string    `json:"id"`
				CreatedAt time.Time `json:"createdAt" tower:"index"`
				UpdatedAt time.Time `json:"updatedAt"`
			}
			return reflect.TypeFor[Record]()
		},
		func() reflect.Type {
			type Record struct {
				ID        ID        `json:"_id"`
				CreatedAt time.Time `json:"createdAt" tower:"index"`
				UpdatedAt time.Time `json:"updatedAt"`
			}
			return reflect.TypeFor[Record]()
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", other())
				}
			}()
			RegisterHeader(other())
		}()
	}
}
