package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// Info is what the document says of the application itself.
type Info struct {
	Title   string
	Version string // of the application's code; "" is 0
	URL     string // where the application is served; "": the document's own address
}

// Mark is in each document that tower wrote.
const Mark = `"x-generator": "tower"`

// object is a JSON object.
type object = map[string]any

// Document returns the document as indented JSON. Actions and handlers have the paths of
// their routes, and cursors and values those at which they are read.
func Document(schema wire.Schema, info Info) ([]byte, error) {
	d := &document{schema: schema, components: newComponents(schema), paths: object{}, spelled: map[string]string{}, operations: map[string]bool{}}
	for _, route := range schema.Routes {
		switch route.Kind {
		case "action":
			d.addAction(route)
		case "handler":
			d.addHandler(route)
		default:
			d.addCursor(route)
		}
	}
	if info.Version == "" {
		info.Version = "0"
	}
	out := object{
		"openapi":    "3.0.3",
		"info":       object{"title": info.Title, "version": info.Version, "x-generator": "tower"},
		"paths":      d.paths,
		"components": object{"schemas": d.components.schemas(), "responses": object{"Error": errorResponse}},
	}
	if info.URL != "" {
		out["servers"] = []any{object{"url": info.URL}}
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return append(data, '\n'), nil
}

// errorResponse is the answer to a request that failed.
var errorResponse = object{
	"description": "The request failed.",
	"content": object{"application/json": object{"schema": object{
		"type": "object", "required": []string{"error"},
		"properties": object{"error": object{
			"type": "object", "required": []string{"code", "message"},
			"properties": object{
				"code":    object{"type": "string", "description": "the kind of the error, for programs"},
				"message": object{"type": "string", "description": "the reason, for people"},
				"problems": object{"type": "object", "description": "what is wrong with each field of the input",
					"additionalProperties": object{"type": "array", "items": object{"type": "string"}}},
			},
		}},
	}}},
}

type document struct {
	schema     wire.Schema
	components *components
	paths      object
	spelled    map[string]string // paths as they were first spelled, by their shape: /posts/{}
	operations map[string]bool   // the ids that are taken
}

// methods are those that a document can describe.
var methods = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodHead, http.MethodPatch, http.MethodTrace}

func (d *document) addAction(route wire.RouteSchema) {
	method, pattern, _ := strings.Cut(route.Name, " ")
	operation := d.operation(method, pattern)
	inputs, _ := d.components.fieldsOf(route.In)
	inPath := d.parametersOf(pattern, operation, inputs)
	rest := without(inputs, inPath)
	switch {
	case len(rest) == 0:
	case method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete:
		for _, field := range rest {
			d.addParameter(operation, "query", field)
		}
	case len(inPath) == 0:
		operation["requestBody"] = jsonBody(d.components.input(route.In))
	default:
		operation["requestBody"] = jsonBody(d.components.object(rest, true))
	}
	operation["parameters"] = append(operation["parameters"].([]any), object{
		"name": "Idempotency-Key", "in": "header", "schema": object{"type": "string"},
		"description": "a ULID that the client chose; a request that is sent again with it takes effect once",
	})
	success := object{"description": "The action was performed."}
	if route.Out != nil {
		success["content"] = object{"application/json": object{"schema": d.components.output(*route.Out)}}
	}
	operation["responses"] = object{"2XX": success, "default": reference("responses", "Error")}
	d.put(pattern, operation, method)
}

func (d *document) addHandler(route wire.RouteSchema) {
	method, pattern, found := strings.Cut(route.Name, " ")
	on := []string{method}
	if !found { // it answers any method
		pattern, on = route.Name, methods
	}
	for _, one := range on {
		operation := d.operation(one, pattern)
		d.parametersOf(pattern, operation, nil)
		operation["responses"] = object{"default": object{"description": "The handler writes its answer itself.", "content": object{"*/*": object{"schema": object{}}}}}
		d.put(pattern, operation, one)
	}
}

// without returns the fields that have none of the names.
func without(fields []wire.FieldShape, names map[string]bool) []wire.FieldShape {
	var rest []wire.FieldShape
	for _, field := range fields {
		if !names[field.Name] {
			rest = append(rest, field)
		}
	}
	return rest
}

func jsonBody(schema object) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema}}}
}

func reference(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// operation returns an operation with an id of its own and without parameters.
func (d *document) operation(method, pattern string) object {
	id := strings.ToLower(method)
	for _, word := range strings.FieldsFunc(pattern, func(r rune) bool { return !isLetter(r) }) {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	for n := 2; d.operations[id]; n++ {
		id = fmt.Sprintf("%s%d", strings.TrimRight(id, "0123456789"), n)
	}
	d.operations[id] = true
	return object{"operationId": id, "parameters": []any{}}
}

func isLetter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// put adds an operation to the path of a pattern.
func (d *document) put(pattern string, operation object, method string) {
	path := d.path(pattern)
	if d.paths[path] == nil {
		d.paths[path] = object{}
	}
	d.paths[path].(object)[strings.ToLower(method)] = operation
}

// path returns a pattern as a path of the document, with the names of parameters as in the
// first pattern of that shape: a document may not have both /posts/{id} and /posts/{post}.
func (d *document) path(pattern string) string {
	path, shape := "", ""
	for i, part := range segments(pattern) {
		if i > 0 {
			path, shape = path+"/", shape+"/"
		}
		if name, ok := wildcard(part); ok {
			path, shape = path+"{"+name+"}", shape+"{}"
			continue
		}
		path, shape = path+part, shape+part
	}
	if first := d.spelled[shape]; first != "" {
		return first
	}
	d.spelled[shape] = path
	return path
}

// segments splits a pattern at its slashes. The {$} of a pattern is no part of its path.
func segments(pattern string) []string {
	return strings.Split(strings.TrimSuffix(pattern, "{$}"), "/")
}

// wildcard returns the name of a segment such as {id} or {path...}.
func wildcard(segment string) (name string, ok bool) {
	if !strings.HasPrefix(segment, "{") || !strings.HasSuffix(segment, "}") {
		return "", false
	}
	return strings.TrimSuffix(strings.Trim(segment, "{}"), "..."), true
}

// parametersOf adds the parameters in a path to an operation, and returns the names that the
// pattern has for them.
func (d *document) parametersOf(pattern string, operation object, inputs []wire.FieldShape) map[string]bool {
	names := map[string]bool{}
	spelled := segments(d.path(pattern))
	for i, segment := range segments(pattern) {
		name, ok := wildcard(segment)
		if !ok {
			continue
		}
		names[name] = true
		field := wire.FieldShape{Name: name, Shape: wire.Shape{Is: "string"}}
		for _, input := range inputs {
			if input.Name == name {
				field = input
			}
		}
		field.Name, _ = wildcard(spelled[i])
		field.Null = false
		d.addParameter(operation, "path", field)
	}
	return names
}

func (d *document) addParameter(operation object, in string, field wire.FieldShape) {
	operation["parameters"] = append(operation["parameters"].([]any), object{
		"name": field.Name, "in": in, "required": in == "path" || field.Required, "schema": d.components.field(field, true),
	})
}
