package openapi

import (
	"net/http"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// addCursor describes how a cursor, or a value, is read over HTTP.
func (d *document) addCursor(route wire.RouteSchema) {
	controller, name, _ := strings.Cut(route.Name, ".")
	pattern := "/_tower/read/" + controller + "/" + name
	operation := d.operation("read", route.Name)
	operation["summary"] = "Reads " + route.Name
	operation["description"] = "Answers with the state after a commit; with wait, when the state is another than after since. " +
		"With Accept: text/event-stream, the changes follow as events."
	inputs, _ := d.components.fieldsOf(route.In)
	for _, field := range inputs {
		if isScalar(field.Shape) && !isReadParameter(field.Name) { // others go into in
			d.addParameter(operation, "query", field)
		}
	}
	for _, own := range readParameters {
		if own.narrows && len(route.Narrow) == 0 {
			continue
		}
		operation["parameters"] = append(operation["parameters"].([]any), object{
			"name": own.name, "in": "query", "schema": object{"type": own.is}, "description": own.about,
		})
	}
	answer := []wire.FieldShape{
		{Name: "at", Shape: wire.Shape{Is: "string"}, Omitted: true},
		{Name: "cursor", Shape: wire.Shape{Is: "string"}},
		{Name: "model", Shape: wire.Shape{Is: "string"}},
	}
	if route.Kind == "value" {
		answer = append(answer, wire.FieldShape{Name: "value", Shape: wire.Shape{Is: "any"}})
	} else {
		answer = append(answer, wire.FieldShape{Name: "records", Shape: wire.Shape{Is: "list", Of: route.Out}},
			wire.FieldShape{Name: "included", Omitted: true,
				Shape: wire.Shape{Is: "map", Of: &wire.Shape{Is: "list", Of: &wire.Shape{Is: "any"}}}})
	}
	content := object{"application/json": object{"schema": d.components.object(answer, false)}, "text/event-stream": object{"schema": object{"type": "string"}}}
	operation["responses"] = object{
		"200":     object{"description": "The state after a commit.", "headers": object{"ETag": object{"schema": object{"type": "string"}}}, "content": content},
		"204":     object{"description": "The state is still the one at since."},
		"304":     object{"description": "The state is the one of If-None-Match."},
		"default": reference("responses", "Error"),
	}
	d.put(pattern, operation, http.MethodGet)
}

// readParameters are the parameters of a reading that are not inputs of the cursor.
var readParameters = []struct {
	name, is, about string
	narrows         bool
}{
	{"in", "string", "the whole input as JSON, in place of one parameter for each field", false},
	{"where", "string", "further conditions, as JSON", true},
	{"order", "string", "fields to order by, each after a - if it descends, with commas between them", true},
	{"limit", "integer", "the largest number of records", true},
	{"since", "string", "the position of an earlier answer: its \"at\"", false},
	{"wait", "string", "how long to wait for a change after since, in seconds or as 30s", false},
}

func isReadParameter(name string) bool {
	for _, own := range readParameters {
		if own.name == name {
			return true
		}
	}
	return false
}

func isScalar(shape wire.Shape) bool { return scalars[shape.Is] != nil }
