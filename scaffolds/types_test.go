package scaffolds

import (
	"os"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

func shape(is string) wire.Shape                       { return wire.Shape{Is: is} }
func nullable(s wire.Shape) wire.Shape                 { s.Null = true; return s }
func listOf(s wire.Shape) wire.Shape                   { return wire.Shape{Is: "list", Of: &s, Null: true} }
func mapOf(s wire.Shape) wire.Shape                    { return wire.Shape{Is: "map", Of: &s} }
func pointer(s wire.Shape) *wire.Shape                 { return &s }
func member(name string, s wire.Shape) wire.FieldShape { return wire.FieldShape{Name: name, Shape: s} }

var schema = wire.Schema{
	Types: []wire.NamedType{
		{Name: "blog/a.Address", Fields: []wire.FieldShape{{Name: "street", Shape: shape("string"), Required: true}, member("since", shape("time"))}},
		{Name: "blog/a.Time", Fields: []wire.FieldShape{member("zone", shape("string"))}},
		{Name: "blog/a.page[blog/models.Post]", Fields: []wire.FieldShape{member("of", listOf(nullable(shape("blog/models.Post"))))}},
		{Name: "blog/b.Address", Fields: []wire.FieldShape{member("planet", nullable(shape("string")))}},
		{Name: "blog/controllers.PostInput", Fields: []wire.FieldShape{
			{Name: "title", Shape: shape("string"), Required: true},
			{Name: "tags", Shape: listOf(shape("string")), Required: true},
			member("address", shape("blog/a.Address")),
			{Name: "rank", Shape: nullable(shape("int")), Clear: true},
			member("stars", nullable(shape("int"))),
			member("inner", wire.Shape{Is: "object", Fields: []wire.FieldShape{{Name: "at", Shape: nullable(shape("time")), Clear: true}}}),
		}},
		{Name: "blog/models.Post", Fields: []wire.FieldShape{
			member("id", shape("id")),
			{Name: "authorId", Shape: shape("id"), Ref: "users"},
			{Name: "state", Shape: shape("string"), Values: []string{"todo", "done"}},
			{Name: "due", Shape: shape("time"), Omitted: true},
			member("counts", mapOf(listOf(shape("int")))),
			member("home", shape("blog/a.Address")),
			member("away", nullable(shape("blog/b.Address"))),
			member("zone", shape("blog/a.Time")),
			member("likes", shape("int64")),
			member("content-type", shape("any")),
			member("flags", wire.Shape{Is: "list", Of: pointer(shape("bool"))}),
		}},
	},
	Models: []wire.ModelShape{{Name: "posts", Record: shape("blog/models.Post")}},
	Routes: []wire.RouteSchema{
		{Kind: "cursor", Name: "posts.published", In: wire.Shape{Is: "object"}, Out: pointer(shape("blog/models.Post")), Narrow: []string{"likes", "state"}},
		{Kind: "value", Name: "posts.count", In: wire.Shape{Is: "object", Fields: []wire.FieldShape{member("by", shape("id"))}}},
		{Kind: "action", Name: "POST /posts", In: shape("blog/controllers.PostInput"), Out: pointer(nullable(shape("blog/models.Post")))},
		{Kind: "action", Name: "GET /posts/page/{n}", In: wire.Shape{Is: "object", Fields: []wire.FieldShape{member("n", shape("int")), member("where", listOf(shape("blog/a.Time")))}}, Out: pointer(shape("blog/a.page[blog/models.Post]"))},
		{Kind: "action", Name: "PUT /both", In: shape("blog/a.Address"), Out: pointer(wire.Shape{Is: "object"})},
	},
}

func TestTypeScript(t *testing.T) {
	const golden = "testdata/types.d.ts.golden"
	got := newTypeScript(schema).String()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for range 10 {
		if newTypeScript(schema).String() != got {
			t.Fatal("the same schema makes another text")
		}
	}
}

func TestTypesAreWrittenOnce(t *testing.T) {
	dir := newApp(t)
	library := map[string]string{"tower": "export type ID = string;\n\nexport type Time = string;\n", "tower/vue": "export {};\n"}
	plan := func() *Plan {
		t.Helper()
		p, err := Types(dir, schema, library, false)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	apply(t)(plan(), nil)
	if text := get(t, dir, "app/tower.d.ts"); !strings.Contains(text, "declare module \"tower\" {\n  export type ID = string;\n\n  export") || strings.Contains(text, "tower/vue") {
		t.Errorf("the library is\n%s", text)
	}
	if got, want := plan().String(), "   identical  app/tower.d.ts\n"; got != want {
		t.Errorf("a second time: %q, want %q", got, want)
	}
	put(t, dir, "package.json", `{"devDependencies": {"vue": "3"}}`)
	if got, want := plan().String(), "      update  app/tower.d.ts\n"; got != want {
		t.Errorf("with Vue: %q, want %q", got, want)
	}
	put(t, dir, "package.json", `{`)
	if _, err := Types(dir, schema, library, false); err == nil || !strings.Contains(err.Error(), "read package.json") {
		t.Errorf("a broken package.json: %v", err)
	}
}
