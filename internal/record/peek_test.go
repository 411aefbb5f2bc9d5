package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

type mood string

// A yell is stored in a form of its own.
type yell string

func (l *yell) UnmarshalText(data []byte) error {
	*l = yell(strings.ToUpper(string(data)))
	return nil
}

type many struct {
	Record
	Nested struct {
		Title string `json:"title"`
		Likes []any  `json:"likes"`
	} `json:"nested"`
	AuthorID ID         `json:"authorId" tower:"ref=users"`
	Title    string     `json:"title"`
	Mood     mood       `json:"mood,omitempty"`
	Loud     yell       `json:"loud"`
	Likes    int        `json:"likes,omitempty"`
	Small    int8       `json:"small"`
	Count    uint16     `json:"count"`
	Price    float64    `json:"price"`
	Ratio    float32    `json:"ratio"`
	Text     int        `json:"text,string"`
	Open     bool       `json:"open"`
	Due      *time.Time `json:"due"`
	Rank     *int       `json:"rank,omitempty"`
	Secret   string     `json:"secret" tower:"private"`
}

func randomMany(random *rand.Rand) *many {
	text := func() string {
		all := []string{"", "a", `quote " and \ slash`, "<b>&", "é 漢 🎉", "line\nend", `","likes":7,"title":"`, "a longer text of usual words", "\u2028"}
		return all[random.IntN(len(all))]
	}
	rec := &many{AuthorID: ID(text()), Title: text(), Mood: mood(text()), Loud: yell(text()), Likes: random.IntN(5) - 2, Small: int8(random.IntN(256) - 128),
		Count: uint16(random.IntN(1 << 16)), Price: random.NormFloat64() * 1e9, Ratio: random.Float32(), Text: random.IntN(9), Open: random.IntN(2) == 0, Secret: text()}
	rec.ID, rec.CreatedAt = NewID(), time.Now().Add(time.Duration(random.Int64N(1e15))).UTC()
	rec.Nested.Title, rec.Nested.Likes = text(), []any{text(), map[string]any{text(): 1.5, "title": []int{}}}
	if random.IntN(2) == 0 {
		rec.Due, rec.Rank = &rec.CreatedAt, &rec.Likes
	}
	return rec
}

// TestAPeekReadsWhatDecodingReads compares them over random records, in the form in which they
// are stored, and in others: with spaces, names in another case, names twice, without members.
func TestAPeekReadsWhatDecodingReads(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := mustModel(t, "many", &many{})
	for n := range 3000 {
		image, err := m.Freeze(randomMany(random), nil)
		if err != nil {
			t.Fatal(err)
		}
		stored := n%2 == 0
		public := bytes.Clone(image.JSON)
		if !stored {
			public = otherForm(random, m, public)
		}
		if decoded := (&Image{Model: m, JSON: public, Private: image.Private}); decoded.Fits() {
			for _, f := range m.Fields {
				fresh := &Image{Model: m, JSON: public, Private: image.Private, known: true}
				got, ok := Value{}, false
				if f.peeks {
					got, ok = fresh.peek(f)
				}
				if want := decoded.Value(f); ok && got != want || fresh.Value(f) != want {
					t.Fatalf("%s of %s: peeked %v, decoded %v", f.Name, public, got, want)
				}
				if wanted := f.Name != "nested" && f.Name != "loud" && f.Name != "text"; stored && ok != wanted {
					t.Fatalf("%s of %s: peeked %v", f.Name, public, ok)
				}
			}
		}
	}
}

// otherForm returns an object with the same members, or some of them, in another form.
func otherForm(random *rand.Rand, m *Model, object []byte) []byte {
	f := m.Fields[random.IntN(len(m.Fields))]
	switch name := fmt.Appendf(nil, "%q:", f.Name); random.IntN(6) {
	case 0:
		var indented bytes.Buffer
		_ = json.Indent(&indented, object, "", " ")
		return indented.Bytes()
	case 1:
		return bytes.Replace(object, name, bytes.ToUpper(name), 1)
	case 2:
		return bytes.Replace(object, name, fmt.Appendf(nil, `"\u%04x%s":`, f.Name[0], f.Name[1:]), 1)
	case 3:
		return bytes.Replace(object, name, fmt.Appendf(nil, "%q:null,%s", f.Name, name), 1)
	case 4:
		return bytes.Replace(object, name, fmt.Appendf(nil, `"other %s":[{"]":"}"}],"x":`, f.Name), 1)
	default:
		return append(object[:len(object)-1], `,"title":"the last","likes":1,"ſmall":3}`...)
	}
}

// FuzzMemberOf gives it objects that are cut short or damaged.
func FuzzMemberOf(f *testing.F) {
	f.Add([]byte(`{"a":1,"title":"x\"y","b":{"c":["}"]},"d":null}`))
	f.Add([]byte(`{"title":[[{}]]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		member, ok := memberOf(object, "title")
		var all map[string]json.RawMessage
		if json.Unmarshal(object, &all) != nil || !ok {
			return
		}
		if want := all["title"]; !bytes.Equal(member, want) {
			t.Errorf("%q, want %q", member, want)
		}
	})
}

func BenchmarkPeek(b *testing.B) {
	m, err := NewModel("posts", &post{})
	if err != nil {
		b.Fatal(err)
	}
	image, err := m.Freeze(&post{Title: "A post with a title of usual length", Likes: 12, Tags: []string{"a", "b"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	likes := m.Field("likes")
	for _, known := range []bool{true, false} {
		b.Run(map[bool]string{true: "peek", false: "decode"}[known], func(b *testing.B) {
			for b.Loop() {
				fresh := Image{Model: m, ID: image.ID, JSON: image.JSON, known: known}
				if fresh.Value(likes).IsNull() {
					b.Fatal("null")
				}
			}
		})
	}
}
