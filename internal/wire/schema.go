package wire

// A Schema is what an application declares, as JSON has it: what its routes take
// and give, and its records without their private fields. Code for a client is
// generated from it.
type Schema struct {
	Types  []NamedType   `json:"types"`  // by name
	Models []ModelShape  `json:"models"` // as the application lists them
	Routes []RouteSchema `json:"routes"` // actions and cursors, as they were declared
}

// A NamedType is a Go struct that others refer to.
type NamedType struct {
	Name   string       `json:"name"` // with its package's path, "example.com/blog/models.Post"
	Fields []FieldShape `json:"fields"`
}

// A ModelShape says what the records of a model are.
type ModelShape struct {
	Name   string `json:"name"`
	Record Shape  `json:"record"`
}

// A RouteSchema is an action or a cursor.
type RouteSchema struct {
	Kind   string   `json:"kind"` // action, cursor, or value: a cursor that carries one
	Name   string   `json:"name"` // "POST /posts", "posts.published"
	In     Shape    `json:"in"`
	Out    *Shape   `json:"out,omitempty"`    // of an action; a cursor's record
	Narrow []string `json:"narrow,omitempty"` // the fields that a client may narrow a cursor by
}

// A Shape is a type of values. Is is one of
//
//	bool, int, int64, float, string, id, time, any
//	list, map      of the shape Of; a map's keys are strings
//	object         with Fields
//
// or the name of a type. int64 is a whole number that may be too large for a
// client's numbers.
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
	Values   []string `json:"values,omitempty"`   // the only ones that it may have
	Required bool     `json:"required,omitempty"` // in an input it must be there
	Omitted  bool     `json:"omitted,omitempty"`  // in an output it is missing when it is empty
}
