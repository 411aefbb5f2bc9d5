//go:build linux

package tables

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// inbox reads what programs have written.
func (b *bench) inbox() *Inbox {
	b.Helper()
	rows, err := b.conn.Query(context.Background(), Foreign, MaxForeign)
	if err != nil {
		b.Fatal(err)
	}
	in, err := b.ReadForeign(rows)
	if err != nil {
		b.Fatal(err)
	}
	return in
}

type post struct {
	record.Record
	AuthorID record.ID      `json:"authorId" tower:"ref=users,index"`
	Slug     string         `json:"slug" tower:"unique" validate:"required,max=5"`
	Likes    int8           `json:"likes" validate:"min=0"`
	Tags     []string       `json:"tags"`
	More     map[string]int `json:"more"`
	Hash     string         `json:"hash" tower:"private"`
}

type user struct {
	record.Record
	Name string `json:"name"`
}

// TestPrograms lets other programs write in each way that SQL has.
func TestPrograms(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		posts := newModel(t, "blogPosts", &post{})
		b := newBench(t, server, posts, newModel(t, "users", &user{}))
		other := b.connect()
		images := func() string {
			t.Helper()
			var all []string
			for _, f := range b.inbox().All {
				var one []string
				for _, r := range f {
					image, err := r.Image(posts, nil)
					switch {
					case err != nil:
						t.Fatal(err)
					case image == nil:
						one = append(one, "-"+string(r.ID[24:]))
					default:
						v := image.Value(posts.Field("slug"))
						one = append(one, v.Text()+" "+fmt.Sprint(image.Value(posts.Field("likes")).Any()))
					}
				}
				all = append(all, strings.Join(one, ","))
			}
			b.exec(b.conn, "DELETE FROM tower.inbox")
			return strings.Join(all, "; ")
		}
		expect := func(sql, want string) {
			t.Helper()
			b.exec(other, sql)
			if got := images(); got != want {
				t.Errorf("%s\ngives %q, want %q", sql, got, want)
			}
		}
		id := func(n int) string { return fmt.Sprintf("'01JDA7Q4Z3M8X2V6K9T5B1C0%02d'", n) }
		expect("INSERT INTO blog_posts (slug, likes) VALUES ('a', 1)", "a 1")
		expect("UPDATE blog_posts SET likes = likes + 1", "a 2")
		expect("DELETE FROM blog_posts WHERE false", "")
		expect("BEGIN; INSERT INTO blog_posts (id, slug) VALUES ("+id(1)+", 'b'), ("+id(2)+", 'c'); UPDATE blog_posts SET likes = 9 WHERE slug = 'b'; COMMIT", "b 0,c 0,b 9")
		expect("BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM blog_posts WHERE slug = 'b'; COMMIT", "-01")
		expect("UPDATE blog_posts SET id = "+id(3)+" WHERE id = "+id(2), "-02,c 0")
		expect("BEGIN; DELETE FROM blog_posts; ROLLBACK", "")
		b.exec(other, "DELETE FROM blog_posts WHERE slug = 'a'")
		images()
		expect("TRUNCATE blog_posts", "-03")
		if _, err := other.CopyFrom(t.Context(), []string{"blog_posts"}, []string{"slug", "likes"}, pgx.CopyFromRows([][]any{{"x", 1}, {"y", 2}})); err != nil {
			t.Fatal(err)
		}
		if got := images(); got != "x 1,y 2" {
			t.Errorf("COPY gives %q", got)
		}
	})
}

// TestRowsBecomeRecords reads rows of every type of column from the inbox.
func TestRowsBecomeRecords(t *testing.T) {
	m := newModel(t, "everything", &everything{})
	b := newBench(t, pgtest.Shared(t), m)
	other := b.connect()
	b.exec(other, `SET extra_float_digits = 0; SET timezone = 'Asia/Tokyo'; SET bytea_output = escape; INSERT INTO everything (id, created_at, updated_at, name, f64, f32, u64, at, texts, wides, times, bytes, map, "where", "any", may_time, level)
		VALUES ('01JDA7Q4Z3M8X2V6K9T5B1C0RW', '2026-01-01 00:00Z', '2026-01-01 00:00Z', 'é"\', 0.1::float8 + 0.2, 0.1, 18446744073709551615, '0001-06-01 00:00:00.000001Z BC', '{a,NULL2,"\""}', '{18446744073709551615}', '{2026-01-01 00:00Z}', '\x00ff', '{"b":1,"a":2}',
		'{"street":"s","lat":1.5,"newer":[1]}', '{"z":1e3}', '2026-01-01 00:00:00.123456Z', 3)`)
	image, err := b.inbox().All[0][0].Image(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"é\"\\"`, `"f64":0.30000000000000004`, `"f32":0.1,`, `"u64":18446744073709551615`, `"at":"0000-06-01T00:00:00.000001Z"`, `"texts":["a","NULL2","\""]`,
		`"wides":[18446744073709551615]`, `"times":["2026-01-01T00:00:00Z"]`, `"bytes":"AP8="`, `"map":{"a":2,"b":1}`, `"street":"s"`, `"newer":[1]`, `"any":{"z":1000}`, `"mayTime":"2026-01-01T00:00:00.123456Z"`, `"level":"level3"`, `"ints":null`} {
		if !bytes.Contains(image.JSON, []byte(want)) {
			t.Errorf("no %s in %s", want, image.JSON)
		}
	}
	if err := b.write(store.Appended{Entry: store.Entry{Seq: 7}, Adopted: true, Changes: []store.Change{{Op: store.Create, Model: m, ID: image.ID, After: image}}}); err != nil {
		t.Fatal(err)
	}
	row := b.read()["everything/"+string(image.ID)]
	if !bytes.Equal(row.Public, image.JSON) || !bytes.Equal(row.Private, image.Private) || row.Version != 7 {
		t.Errorf("it is read back at %d as\n%s %s\nwant\n%s %s", row.Version, row.Public, row.Private, image.JSON, image.Private)
	}
}

// TestDefaults makes a row of nothing, and changes it.
func TestDefaults(t *testing.T) {
	b := newBench(t, pgtest.Shared(t), newModel(t, "users", &user{}))
	other := b.connect()
	b.exec(other, "INSERT INTO users DEFAULT VALUES")
	var id string
	var created, updated, later time.Time
	if err := other.QueryRow(t.Context(), "SELECT id, created_at, updated_at FROM users").Scan(&id, &created, &updated); err != nil {
		t.Fatal(err)
	}
	if _, err := record.ParseID(id); err != nil || !created.Equal(updated) || time.Since(created).Abs() > time.Hour {
		t.Errorf("the row is %s, %s, %s: %v", id, created, updated, err)
	}
	if err := other.QueryRow(t.Context(), "UPDATE users SET name = 'x' RETURNING updated_at").Scan(&later); err != nil || !later.After(updated) {
		t.Errorf("updated at %s, and then at %s, %v", updated, later, err)
	}
	again := later
	if err := other.QueryRow(t.Context(), "UPDATE users SET name = 'x' RETURNING updated_at").Scan(&again); err != nil || !again.Equal(later) {
		t.Errorf("nothing has changed, and the time has: %s, %v", again, err)
	}
	ids := map[string]bool{}
	for range 200 {
		var id string
		if err := other.QueryRow(t.Context(), "SELECT tower.ulid()").Scan(&id); err != nil || ids[id] {
			t.Fatal(id, err)
		}
		if _, err := record.ParseID(id); err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
}

// TestTheWriterIsANode captures what a program writes that only says it is a node.
func TestTheWriterIsANode(t *testing.T) {
	server := pgtest.Shared(t)
	b := newBench(t, server, newModel(t, "users", &user{}))
	b.exec(b.conn, "GRANT ALL ON users TO PUBLIC; DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN")
	b.dsn = strings.Replace(b.dsn, "postgres@", "stranger@", 1)
	other := b.connect()
	b.exec(other, "SET tower.writer = 'on'; INSERT INTO users (name) VALUES ('x')")
	if n := len(b.inbox().All); n != 1 {
		t.Errorf("%d transactions were noticed", n)
	}
	b.exec(b.conn, "BEGIN; SET LOCAL tower.writer = 'on'; INSERT INTO users (name) VALUES ('y'); COMMIT")
	if n := len(b.inbox().All); n != 1 {
		t.Errorf("a node's own writes were noticed")
	}
	other.Close(t.Context())
	b.exec(b.conn, "DROP OWNED BY stranger; DROP ROLE stranger")
}
