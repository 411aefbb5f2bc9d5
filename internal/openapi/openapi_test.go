package openapi

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/towerkit/tower/internal/wire"
)

// Check parses and validates a document.
func check(t *testing.T, schema wire.Schema) *openapi3.T {
	t.Helper()
	data, err := Document(schema, Info{Title: "blog", URL: "https://blog.example"})
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err == nil {
		err = document.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return document
}

func shape(is string) wire.Shape { return wire.Shape{Is: is} }

func TestEveryShapeIsValid(t *testing.T) {
	var fields []wire.FieldShape
	for _, is := range []string{"bool", "int", "int64", "float", "string", "id", "time", "any", "a/models.Thing"} {
		list, null := wire.Shape{Is: "list", Of: &wire.Shape{Is: is, Null: true}, Null: true}, shape(is)
		null.Null = true
		fields = append(fields,
			wire.FieldShape{Name: is, Shape: shape(is), Required: true},
			wire.FieldShape{Name: is + "OrNull", Shape: null, Omitted: true},
			wire.FieldShape{Name: is + "s", Shape: list},
			wire.FieldShape{Name: is + "ByName", Shape: wire.Shape{Is: "map", Of: &list}})
	}
	fields = append(fields,
		wire.FieldShape{Name: "state", Shape: wire.Shape{Is: "string", Null: true}, Values: []string{"open", "done"}},
		wire.FieldShape{Name: "authorId", Shape: shape("id"), Ref: "users"},
		wire.FieldShape{Name: "inner", Shape: wire.Shape{Is: "object", Fields: []wire.FieldShape{{Name: "a", Shape: shape("int")}}}})
	out := shape("a/models.Thing")
	document := check(t, wire.Schema{
		Types: []wire.NamedType{{Name: "a/models.Thing", Fields: fields}, {Name: "b/models.Thing", Fields: fields[:1]}},
		Routes: []wire.RouteSchema{
			{Kind: "action", Name: "POST /things", In: shape("a/models.Thing"), Out: &out},
			{Kind: "action", Name: "PATCH /things/{id}", In: wire.Shape{Is: "object", Fields: append([]wire.FieldShape{{Name: "id", Shape: shape("id")}}, fields...)}, Out: &out},
			{Kind: "action", Name: "DELETE /things/{thing}", In: wire.Shape{Is: "object", Fields: []wire.FieldShape{{Name: "thing", Shape: shape("id")}, {Name: "reason", Shape: shape("string")}}}, Out: &out},
			{Kind: "cursor", Name: "things.all", In: wire.Shape{Is: "object", Fields: []wire.FieldShape{{Name: "n", Shape: shape("int")}}}, Out: &out, Narrow: []string{"state"}},
			{Kind: "value", Name: "things.count", In: wire.Shape{Is: "object"}},
			{Kind: "handler", Name: "POST /stripe", In: shape("any")},
			{Kind: "handler", Name: "/files/{path...}", In: shape("any")},
			{Kind: "handler", Name: "GET /a-b/{$}", In: shape("any")},
			{Kind: "handler", Name: "GET /a/b/{$}", In: shape("any")},
		},
	})
	patch := document.Paths.Value("/things/{id}").Patch
	if got := patch.Parameters.GetByInAndName("path", "id"); got == nil || !got.Required {
		t.Errorf("the id of a PATCH is %v", got)
	}
	body := patch.RequestBody.Value.Content["application/json"].Schema.Value
	if body.Properties["id"] != nil || body.Properties["string"] == nil {
		t.Error("the body of a PATCH has the fields that are not in its path")
	}
	// {thing} has the same place as {id}, and a document has one name for it.
	if got := document.Paths.Value("/things/{id}").Delete.Parameters.GetByInAndName("path", "id"); got == nil {
		t.Error("the DELETE has no id in its path")
	}
}

// TestTheDocumentSaysWhatIsAccepted compares the schema of an input with values.
func TestTheDocumentSaysWhatIsAccepted(t *testing.T) {
	document := check(t, wire.Schema{
		Types: []wire.NamedType{{Name: "a.New", Fields: []wire.FieldShape{
			{Name: "title", Shape: shape("string"), Required: true},
			{Name: "views", Shape: shape("int64")},
			{Name: "rank", Shape: wire.Shape{Is: "int", Null: true}, Clear: true},
			{Name: "stars", Shape: wire.Shape{Is: "int", Null: true}},
			{Name: "state", Shape: wire.Shape{Is: "string", Null: true}, Clear: true, Values: []string{"open"}},
		}}},
		Routes: []wire.RouteSchema{{Kind: "action", Name: "POST /things", In: shape("a.New")}},
	})
	body := document.Paths.Value("/things").Post.RequestBody.Value.Content["application/json"].Schema.Value
	for text, ok := range map[string]bool{
		`{"title":"a"}`:                     true,
		`{"title":"a","views":"900719925"}`: true,
		`{"title":"a","views":7}`:           true,
		`{"title":"a","rank":null}`:         true,
		`{"title":"a","rank":3}`:            true,
		`{"title":"a","stars":3}`:           true,
		`{"title":"a","stars":null}`:        false,
		`{"title":"a","rank":"3"}`:          false,
		`{"title":"a","state":null}`:        true,
		`{"title":"a","state":"open"}`:      true,
		`{}`:                                false,
		`{"title":null}`:                    false,
		`{"title":"a","views":"many"}`:      false,
		`{"title":"a","state":"shut"}`:      false,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if err := body.VisitJSON(value); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
