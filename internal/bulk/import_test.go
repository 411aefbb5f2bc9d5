package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

type user struct {
	record.Record
	Email    string    `json:"email" validate:"required" tower:"unique"`
	Name     *string   `json:"name"`
	Hash     string    `json:"hash" tower:"private"`
	FriendID record.ID `json:"friendId" tower:"ref=users"`
}

type post struct {
	record.Record
	AuthorID record.ID         `json:"authorId" tower:"ref=users,index"`
	Slug     string            `json:"slug" tower:"unique=slug+authorId"`
	Title    string            `json:"title" validate:"max=40"`
	Likes    int64             `json:"likes,string"`
	Score    float64           `json:"score"`
	Tags     []string          `json:"tags"`
	Extra    map[string]string `json:"extra"`
	Raw      []byte            `json:"raw"`
	Open     bool              `json:"open"`
	At       time.Time         `json:"at"`
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	users, err := record.NewModel("users", &user{})
	if err != nil {
		t.Fatal(err)
	}
	posts, err := record.NewModel("posts", &post{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "test.db"), store.Options{Models: []*record.Model{posts, users}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

var texts = []string{"", "a", "a,b", `"q"`, "x\r\ny", "\r", "日本", "null", "12", "[1]", "=1+1", " ", "\u2028", `\`}

// fill creates random records. A user may refer to a later user.
func fill(t *testing.T, s *store.Store, rng *rand.Rand, n int) {
	t.Helper()
	text := func() string { return texts[rng.IntN(len(texts))] + texts[rng.IntN(len(texts))] }
	var ids []record.ID
	create := func(tx *store.Tx) error {
		u := &user{Email: fmt.Sprint(text(), rng.Uint64()), Hash: text()}
		if rng.IntN(2) == 0 {
			name := text()
			u.Name = &name
		}
		if _, err := tx.Create(s.Model("users"), u); err != nil {
			return err
		}
		ids = append(ids, u.ID)
		if i := rng.IntN(len(ids)); rng.IntN(2) == 0 {
			if _, err := tx.Update(s.Model("users"), ids[i], func(rec any) error { rec.(*user).FriendID = u.ID; return nil }); err != nil {
				return err
			}
		}
		p := &post{AuthorID: ids[rng.IntN(len(ids))], Slug: fmt.Sprint(text(), rng.Uint64()), Title: text(), Likes: rng.Int64(), Score: rng.NormFloat64(), Open: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			p.Tags, p.Extra, p.Raw, p.At = []string{text(), text()}, map[string]string{text(): text()}, []byte(text()), time.Now()
		}
		_, err := tx.Create(s.Model("posts"), p)
		return err
	}
	for done := 0; done < n; done += 100 {
		_, err := s.Update(context.Background(), "test", func(tx *store.Tx) (err error) {
			for range min(100, n-done) {
				err = errors.Join(err, create(tx))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// exported returns the records of a model as an export writes them.
func exported(t *testing.T, s *store.Store, model string) []byte {
	t.Helper()
	var b bytes.Buffer
	err := s.View(context.Background(), func(snap *store.Snapshot) error {
		return snap.Scan(s.Model(model), store.Range{}, func(image *record.Image) bool {
			b.Write(image.JSON[:len(image.JSON)-1])
			if image.Private != nil {
				b.WriteString("," + string(image.Private[1:len(image.Private)-1]))
			}
			b.WriteString("}\n")
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An import that is ended at random places, and repeated, makes the records that were
// exported, in whatever order the files are.
func TestImportWhatWasExported(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	from := newStore(t)
	fill(t, from, rng, 700)
	var files []File
	for _, model := range []string{"posts", "users"} {
		files = append(files, File{write(t, model+".ndjson", exported(t, from, model)), model, NDJSON})
	}
	if rng.IntN(2) == 0 {
		slices.Reverse(files)
	}
	to := newStore(t)
	dry, err := Import(context.Background(), to, files, Options{DryRun: true, Private: true})
	if err != nil || dry.Found != 0 || dry.Files[0].Created != 700 || to.Seq() != 0 {
		t.Fatalf("%+v, %v; the store has %d commits", dry, err, to.Seq())
	}
	ended := 0
	for {
		ctx, cancel := context.WithCancel(context.Background())
		after := rng.IntN(4)
		done := int64(0)
		result, err := Import(ctx, to, files, Options{Private: true,
			Progress: func(now, total int64) {
				if now < done || now > total {
					t.Errorf("%d of %d are done, after %d", now, total, done)
				}
				done = now
			},
			Committed: func(context.Context, uint64) error {
				if after--; after == 0 {
					cancel()
				}
				return nil
			}})
		cancel()
		var halfway *HalfwayError
		if errors.As(err, &halfway) && errors.Is(err, context.Canceled) {
			ended++
			continue
		}
		if err != nil || result.Found > 0 || result.Files[0].Created+result.Files[0].Kept != 700 {
			t.Fatalf("%+v, %v", result, err)
		}
		break
	}
	t.Logf("it was ended %d times", ended)
	for _, model := range []string{"posts", "users"} {
		if !bytes.Equal(exported(t, from, model), exported(t, to, model)) {
			t.Errorf("the %s are not those that were exported", model)
		}
	}
	seq := to.Seq()
	if result, err := Import(context.Background(), to, files, Options{Private: true}); err != nil || result.Files[1] != (Count{Kept: 700}) || to.Seq() != seq {
		t.Errorf("imported again: %+v, %v", result, err)
	}
}

func TestImportCSV(t *testing.T) {
	s := newStore(t)
	users := "\ufeffemail,name,hash,id\r\nada@example.com,\"Ada\r\nLovelace\",x,01JDA7Q4Z3M8X2V6K9T5B1C0RA\r\n\r\nbob@example.com,,,\r\n"
	posts := "authorId,slug,likes,tags,extra,raw,open,at,score\n01JDA7Q4Z3M8X2V6K9T5B1C0RA,one,12,\"[\"\"a\"\"]\",\"{\"\"b\"\":\"\"c\"\"}\",1234,true,2026-05-04T03:02:01Z,-1.5e3\n,,,,,,,,\n"
	files := []File{{write(t, "users.csv", []byte(users)), "users", CSV}, {write(t, "posts.csv", []byte(posts)), "posts", CSV}}
	for range 2 { // the second time nothing is new
		result, err := Import(context.Background(), s, files, Options{Private: true})
		if err != nil || result.Found > 0 {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	got := string(exported(t, s, "users")) + string(exported(t, s, "posts"))
	for _, want := range []string{`"email":"ada@example.com","name":"Ada\r\nLovelace","friendId":"","hash":"x"`, `"name":null`,
		`"slug":"one","title":"","likes":"12","score":-1500,"tags":["a"],"extra":{"b":"c"},"raw":"1234","open":true,"at":"2026-05-04T03:02:01Z"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 4 {
		t.Errorf("there are %d records: %s", n, got)
	}
}

func TestProblems(t *testing.T) {
	const ada, bob, eve = "01JDA7Q4Z3M8X2V6K9T5B1C0RA", "01JDA7Q4Z3M8X2V6K9T5B1C0RB", "01JDA7Q4Z3M8X2V6K9T5B1C0RE"
	s := newStore(t)
	if result, err := Import(context.Background(), s, []File{{write(t, "users.ndjson", []byte(`{"id":"`+ada+`","email":"ada"}`)), "users", NDJSON}}, Options{}); err != nil || result.Found > 0 {
		t.Fatal(result, err)
	}
	seq := s.Seq()
	for _, c := range []struct{ model, format, text, want string }{
		{"users", NDJSON, `{"email":"x"`, "1: it is not JSON"},
		{"users", NDJSON, "{\"email\":\"x\"}\n[]", "2: it is not an object of JSON"},
		{"users", NDJSON, "[{}]", "1: the file is a list of JSON"},
		{"users", NDJSON, `{"emial":"x"}`, "1: emial is not a field of user; did you mean email?"},
		{"users", NDJSON, `{"email":5}`, "1: email is a string; 5 is not"},
		{"users", NDJSON, `{"email":"x","hash":"y"}`, "1: hash is private; --private imports it"},
		{"users", NDJSON, `{"email":"x","id":"7"}`, "1: id is not an id"},
		{"users", NDJSON, `{"email":"x","createdAt":"yesterday"}`, "1: createdAt is a time"},
		{"users", NDJSON, `{"email":"ada"}`, "1: email is already taken"},
		{"users", NDJSON, `{"email":"bob","id":"` + ada + `"}`, "1: id is already taken, by a record with another email"},
		{"users", NDJSON, "{\"email\":\"x\"}\n{\"email\":\"y\"}\n{\"email\":\"x\"}", "3: email has the same value in line 1 of "},
		{"users", NDJSON, `{"email":"x","id":"` + bob + "\"}\r\n\r\n" + `{"email":"y","id":"` + bob + `"}`, "3: id is also that of line 1 of "},
		{"users", NDJSON, `{"email":"x","friendId":"` + eve + `"}`, "1: friendId does not exist, neither in the data nor in the files"},
		{"posts", NDJSON, `{"authorId":"` + eve + `"}`, "1: authorId does not exist"},
		{"posts", NDJSON, `{"slug":"a","authorId":"` + ada + "\"}\n" + `{"slug":"a","authorId":"` + ada + `"}`, "2: slug+authorId has the same value in line 1"},
		{"posts", NDJSON, `{"title":"` + strings.Repeat("x", 41) + `"}`, "1: title is too long"},
		{"posts", NDJSON, "{\"title\":\"\xff\"}", "1: title is not valid Unicode text"},
		{"users", NDJSON, "\xff\xfe{\x00", "1: the file is UTF-16"},
		{"users", CSV, "email,nane\nx,y", "1: nane is not a field of user; did you mean name?"},
		{"users", CSV, "email,email\nx,y", "1: email is the name of two columns"},
		{"users", CSV, "email,\nx,y", "1: a column has no name"},
		{"users", CSV, "email,name\nx", "2: it has 1 cells, and the first row has 2"},
		{"users", CSV, "email,name\n\"x\ny,z", "2: the quote that begins here is not closed"},
		{"users", CSV, "email,name\n,\"a\nb\"\nx,y\n\xff,z\n", "2: email is required; 5: email is not valid Unicode text"},
		{"posts", CSV, "likes,open,at,tags\n1.5,yes,today,a", "2: at is a time"},
		{"posts", CSV, "likes,open,at,tags\n1.5,yes,today,a", "2: likes is an int; 1.5 is not"},
		{"posts", CSV, "likes,open,at,tags\n1.5,yes,today,a", "2: open is a bool"},
		{"posts", CSV, "likes,open,at,tags\n1.5,yes,today,a", "2: tags is a list"},
	} {
		result, err := Import(context.Background(), s, []File{{write(t, "file", []byte(c.text)), c.model, c.format}}, Options{})
		var got []string
		for _, p := range result.Problems {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d: %s", p.Line, strings.TrimSpace(p.Field+" "+p.Text))))
		}
		if err != nil || !strings.Contains(strings.Join(got, "; "), c.want) {
			t.Errorf("%.60q: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
	if result, err := Import(context.Background(), s, []File{{write(t, "users.csv", bytes.Repeat([]byte("name\n"), 1000)), "users", CSV}}, Options{}); err != nil || result.Found != 999 || len(result.Problems) != mostProblems {
		t.Errorf("%d problems, %d of them named: %v", result.Found, len(result.Problems), err)
	}
	for _, text := range []string{"", "\n\n", "\ufeff", "email,name\n"} {
		for _, format := range []string{NDJSON, CSV} {
			result, err := Import(context.Background(), s, []File{{write(t, "empty", []byte(text)), "users", format}}, Options{})
			if empty := !strings.HasPrefix(text, "email") || format == CSV; err != nil || empty && (result.Found > 0 || result.Files[0] != (Count{})) {
				t.Errorf("%q as %s: %+v, %v", text, format, result, err)
			}
		}
	}
	if s.Seq() != seq {
		t.Errorf("what was refused made %d commits", s.Seq()-seq)
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := Import(context.Background(), s, []File{{path, "users", CSV}}, Options{}); err == nil {
			t.Errorf("%s was imported", path)
		}
	}
}

// Facts come back in order, from the disk as well.
func TestFacts(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 1000, 1050} {
		f := facts{path: filepath.Join(t.TempDir(), "facts"), most: 100}
		var want, got []fact
		for i := range n {
			one := newFact(byte(i%3), i%2, i, 0, fmt.Sprint(rand.IntN(n)))
			want = append(want, one)
			if err := f.add(one); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(want, compareFacts)
		err := f.each(func(one fact) error { got = append(got, one); return nil })
		if err = errors.Join(err, f.close()); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d facts came back as %d: %v", n, len(got), err)
		}
	}
}
