package wire

// A Schema is what an application declares, in terms of JSON: the inputs and outputs of
// its routes, and its records without private fields. Code for clients is generated
// from it.
type Schema struct {
	Types  []NamedType   `json:"types"`  // by name
	Models []ModelShape  `json:"models"` // in the application's order
	Routes []RouteSchema `json:"routes"` // actions, cursors and handlers, in the order of their declaration
}

// A NamedType is a Go struct that other types refer to.
type NamedType struct {
	Name   string       `json:"name"` // with its package's path, "example.com/blog/models.Post"
	Fields []FieldShape `json:"fields"`
}

// A ModelShape describes the records of a model.
type ModelShape struct {
	Name   string `json:"name"`
	Record Shape  `json:"record"`
}

// A RouteSchema is an action, a cursor or a handler.
type RouteSchema struct {
	Kind   string   `json:"kind"` // action, handler, cursor, or value: a cursor that carries one
	Name   string   `json:"name"` // "POST /posts", "posts.published"
	In     Shape    `json:"in"`
	Out    *Shape   `json:"out,omitempty"`    // of an action, or a cursor's record
	Narrow []string `json:"narrow,omitempty"` // the fields that a client may narrow a cursor by
}

// A Shape is a type of values. Is is one of
//
//	bool, int, int64, float, string, id, time, any
//	list, map      of the shape Of; a map's keys are strings
//	object         with Fields
//	file           in an input the text that an upload has answered, else what a record has of a file
//
// or the name of a type. int64 is an integer that a client's numbers may not represent.
type Shape struct {
	Is     string       `json:"is"`
	Of     *Shape       `json:"of,omitempty"`
	Fields []FieldShape `json:"fields,omitempty"`
	Null   bool         `json:"null,omitempty"` // it may be null
}

// A FieldShape is a field of an object, by its JSON name.
type FieldShape struct {
	Name string `json:"name"`
	Shape
	Ref      string   `json:"ref,omitempty"`      // the model whose id it is
	Values   []string `json:"values,omitempty"`   // the only values that it may have
	Required bool     `json:"required,omitempty"` // an input must have it
	Clear    bool     `json:"clear,omitempty"`    // an input may set it to null
	Omitted  bool     `json:"omitted,omitempty"`  // an output lacks it if it is empty
}
