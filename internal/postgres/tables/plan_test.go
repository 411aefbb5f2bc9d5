//go:build linux

package tables

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"createdAt": "created_at", "userID": "user_id", "HTTPServer": "http_server", "a1B": "a1_b", "id": "id", "snake_Case": "snake_case", "u64": "u64"} {
		if got := snake(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	long := strings.Repeat("x", 80)
	if a, b := shortened(long+"1"), shortened(long+"2"); len(a) > maxName || a == b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestNamesThatCollide(t *testing.T) {
	for want, m := range map[string]*record.Model{
		`the fields UserID and Other both have the column user_id; give one of them another name: tower:"column=NAME"`: newModel(t, "posts", &struct {
			record.Record
			UserID string `json:"userID"`
			Other  string `json:"userId"`
		}{}),
		"field Seq has the column tower_seq, which the table has for itself": newModel(t, "posts", &struct {
			record.Record
			Seq int `json:"towerSeq"`
		}{}),
		"is longer than 63 bytes": newModel(t, "posts", &struct {
			record.Record
			Long int `json:"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
		}{}),
	} {
		if _, err := New([]*record.Model{m}, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	a, b := newModel(t, "blogPosts", &user{}), newModel(t, "blog_posts", &user{})
	if _, err := New([]*record.Model{a, b}, ""); err == nil || !strings.Contains(err.Error(), "the models blogPosts and blog_posts both have the table blog_posts") {
		t.Error(err)
	}
	named, err := New([]*record.Model{newModel(t, "posts", &struct {
		record.Record
		UserID string `json:"userID"`
		Other  string `json:"userId" tower:"column=other"`
	}{})}, "")
	if err != nil || named.Tables[0].column("other") == nil {
		t.Error(named, err)
	}
}

// TestChanges brings a table from one model to another. Nothing that it has is lost.
func TestChanges(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		older := newModel(t, "posts", &struct {
			record.Record
			Title string `json:"title" validate:"max=10"`
			Slug  string `json:"slug" tower:"unique"`
			Count uint8  `json:"count" tower:"index"`
			Gone  string `json:"gone" tower:"index"`
		}{})
		newer := newModel(t, "posts", &struct {
			record.Record
			Title string    `json:"title" tower:"index" validate:"max=20"`
			Slug  *string   `json:"slug"`
			Count uint64    `json:"count" tower:"unique"`
			Fresh []string  `json:"fresh"`
			Made  int       `json:"made" validate:"min=0"`
			Owner record.ID `json:"owner" tower:"ref=posts"`
		}{})
		b := newBench(t, server, older)
		b.exec(b.connect(), "INSERT INTO posts (title, slug, count, gone) VALUES ('a', 's', 7, 'kept'), ('b', '', 8, '')")
		set, err := New([]*record.Model{newer}, "")
		if err != nil {
			t.Fatal(err)
		}
		old := b.Set
		b.Set = set
		if b.plan().Fits() {
			t.Error("the newer model fits before the change")
		}
		plan := b.migrate()
		if !slices.ContainsFunc(plan.Statements, func(s Statement) bool {
			return s.Alone && strings.Contains(s.SQL, "CREATE UNIQUE INDEX CONCURRENTLY")
		}) {
			t.Errorf("%+v", plan)
		}
		var got string
		if err := b.conn.QueryRow(t.Context(), "SELECT string_agg(concat_ws('|', title, slug, count, gone, made, owner), ';' ORDER BY title) FROM posts").Scan(&got); err != nil || got != "a|s|7|kept|0|;b||8||0|" {
			t.Errorf("the rows are %s, %v", got, err)
		}
		// A node of the older build goes on, but for what widened.
		b.Set = old
		if p := b.plan(); len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "the column count of the table posts is numeric(20,0), and the field Count") {
			t.Errorf("%+v", p)
		}
	})
}

// TestOlderNodesGoOn writes with the tables of an older build after a column was added.
func TestOlderNodesGoOn(t *testing.T) {
	older := newModel(t, "users", &user{})
	newer := newModel(t, "users", &struct {
		record.Record
		Name  string `json:"name"`
		Email string `json:"email" validate:"required" tower:"unique"`
	}{})
	b := newBench(t, pgtest.Shared(t), older)
	old := b.Set
	set, err := New([]*record.Model{newer}, "")
	if err != nil {
		t.Fatal(err)
	}
	b.Set = set
	b.migrate()
	b.Set = old
	if p := b.plan(); !p.Fits() {
		t.Errorf("%+v", p)
	}
	image := freeze(t, older, &user{Record: record.Record{ID: record.NewID()}, Name: "x"})
	if err := b.write(store.Appended{Entry: store.Entry{Seq: 1}, Changes: []store.Change{{Op: store.Create, Model: older, ID: image.ID, After: image}}}); err != nil {
		t.Fatal(err)
	}
	b.exec(b.conn, fmt.Sprintf("UPDATE users SET email = 'e' WHERE id = '%s'", image.ID))
	if err := b.write(store.Appended{Entry: store.Entry{Seq: 2}, Changes: []store.Change{{Op: store.Update, Model: older, ID: image.ID, Before: image, After: image}}}); err != nil {
		t.Fatal(err)
	}
	var email string
	if err := b.conn.QueryRow(t.Context(), "SELECT email FROM users").Scan(&email); err != nil || email != "e" {
		t.Errorf("the older build has made the column %q, %v", email, err)
	}
}

func freeze(t testing.TB, m *record.Model, v any) *record.Image {
	t.Helper()
	image, err := m.Freeze(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestExchange lets records exchange unique values in one group.
func TestExchange(t *testing.T) {
	m := newModel(t, "posts", &post{})
	b := newBench(t, pgtest.Shared(t), m, newModel(t, "users", &user{}))
	ids := []record.ID{record.NewID(), record.NewID(), record.NewID()}
	now := map[record.ID]*record.Image{}
	seq := uint64(0)
	put := func(slugs ...string) {
		t.Helper()
		seq++
		c := store.Appended{Entry: store.Entry{Seq: seq}}
		for i, slug := range slugs {
			change := store.Change{Op: store.Update, Model: m, ID: ids[i], Before: now[ids[i]]}
			if slug != "" {
				change.After = freeze(t, m, &post{Record: record.Record{ID: ids[i]}, Slug: slug})
			}
			now[ids[i]] = change.After
			c.Changes = append(c.Changes, change)
		}
		if err := b.write(c); err != nil {
			t.Fatal(err)
		}
		for key, row := range b.read() {
			if want := now[row.ID]; want == nil || string(want.JSON) != string(row.Public) {
				t.Errorf("%s is %s", key, row.Public)
			}
		}
	}
	put("a", "b", "c")
	put("x", "a", "b") // a chain
	put("a", "x", "b") // two exchange
	put("x", "b", "a") // three in a circle
	put("a", "x", "b")
	put("", "a", "x") // one goes
}

// TestUniqueAsInTower compares what the index of the tables refuses with what tower's does.
func TestUniqueAsInTower(t *testing.T) {
	m := newModel(t, "everything", &everything{})
	b := newBench(t, pgtest.Shared(t), m)
	other := b.connect()
	insert := func(columns, values string) bool {
		_, err := other.Exec(t.Context(), "INSERT INTO everything ("+columns+") VALUES ("+values+")")
		if err != nil && !strings.Contains(err.Error(), "23505") {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, test := range []struct {
		columns, values string
		want            bool
	}{
		{"name", "'a'", true},
		{"name", "'A'", true},  // case counts
		{"name", "'a'", false}, //
		{"name", "'a '", true},
		{"name", "''", true}, // empty text is a value
		{"name", "''", false},
		{"name, owner", "'1', ''", true}, // no reference and no time are none
		{"name, owner", "'2', ''", true},
		{"name, owner", "'3', 'x'", true},
		{"name, owner", "'4', 'x'", false},
		{"name, at", "'5', '2026-01-01 00:00Z'", true},
		{"name, at", "'6', '2026-01-01 01:00+01'", false},
	} {
		if got := insert(test.columns, test.values); got != test.want {
			t.Errorf("%s = %s: %t", test.columns, test.values, got)
		}
	}
}
