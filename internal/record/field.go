package record

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Field is one field of a model, as its tags declare it.
type Field struct {
	Name   string // its name in JSON
	GoName string
	Kind   Kind
	Elem   Kind   // kind of a List's elements
	Ref    string // name of the model that the field refers to; "" if it is not a reference

	// OnDelete is what the deletion of the record that a reference leads to does:
	// [Refuse], [Cascade] or [ClearRef]; "" leaves the reference as it is.
	OnDelete string

	Index    bool // the field has an index
	Unique   bool // the field has an index with each value once
	Sparse   bool // its index has no entry for a record in which it is empty; see [Field.Indexes]
	Private  bool // the field is stored but never sent to clients
	Required bool // the field must not be zero
	Grouped  bool // the field is part of a [Group]

	File *FileRules // nil unless the field is a file

	Was    []string // names in JSON that the field had before
	Column string   // the name that the field's column shall have in a table; "" follows from Name

	offset  uintptr
	pointer bool   // the field is a pointer to its value
	raw     bool   // it is a json.RawMessage
	plain   bool   // its value in the struct is what decoding its JSON gives
	quoted  []byte // its name in JSON, with the colon
	typ     reflect.Type
	tag     string       // the json tag
	rules   string       // the validate tag
	groups  []string     // the groups that the tower tag names: "team+user"
	layout  reflect.Kind // kind of the value behind the pointer, or of a list's elements
	peeks   bool         // see canPeek
	zero    Value        // of a record that does not have the member
}

var columnName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// What the deletion of a record does to the references that lead to it.
const (
	Refuse   = "refuse"  // it is refused
	Cascade  = "cascade" // it deletes the records that refer to it
	ClearRef = "clear"   // it empties the references
)

// A Group is several fields whose values together are unique. A record in which one of
// them is null conflicts with no other.
type Group struct {
	Name   string // their names in JSON: "team+user"
	Fields []*Field
}

var (
	timeType = reflect.TypeFor[time.Time]()
	idType   = reflect.TypeFor[ID]()
)

// TypeName returns the field's type for display: "string", "ref" and so on.
func (f *Field) TypeName() string {
	if f.Ref != "" {
		return "ref"
	}
	return f.Kind.String()
}

// Type returns the field's Go type.
func (f *Field) Type() reflect.Type { return f.typ }

// Rules returns the field's validate tag.
func (f *Field) Rules() string { return f.rules }

// Zero returns the value of a record in which the field is not set.
func (f *Field) Zero() Value { return f.zero }

// Indexes reports whether the field's index has the records with a value. If it is sparse,
// it has those with values above the zero one.
func (f *Field) Indexes(v Value) bool { return !f.Sparse || v.Compare(f.zero) > 0 }

// typeWithArticle returns the field's type with an indefinite article.
func (f *Field) typeWithArticle() string {
	if f.Ref != "" {
		return "an id of " + f.Ref
	}
	return f.Kind.withArticle()
}

func newField(sf reflect.StructField, offset uintptr) (*Field, error) {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	if name == "" {
		name = sf.Name
	}
	f := &Field{Name: name, GoName: sf.Name, offset: offset, typ: sf.Type, tag: sf.Tag.Get("json")}
	base := sf.Type
	if base.Kind() == reflect.Pointer {
		f.pointer, base = true, base.Elem()
	}
	switch {
	case IsFile(base) && f.pointer:
		return nil, fmt.Errorf("field %s: a file is no pointer; the zero File is none", f.GoName)
	case !IsFile(base) && HoldsFile(base):
		return nil, fmt.Errorf("field %s: a file is a field of the record itself; several are records of a model of their own", f.GoName)
	}
	switch base.Kind() {
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return nil, fmt.Errorf(`field %s: a %s cannot be stored; json:"-" leaves it out`, f.GoName, base)
	}
	f.layout, f.Kind = base.Kind(), kindOf(base)
	if f.Kind == List {
		f.layout, f.Elem = base.Elem().Kind(), kindOf(base.Elem())
		if f.pointer || f.Elem >= List {
			f.Kind, f.Elem = Object, Null
		}
	}
	f.rules = sf.Tag.Get("validate")
	for rule := range strings.SplitSeq(f.rules, ",") {
		f.Required = f.Required || rule == "required"
	}
	tag := sf.Tag.Get("tower")
	if IsFile(base) {
		var err error
		if f.File, tag, err = ParseFileRules(tag); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.GoName, err)
		}
	}
	return f, f.readTag(tag)
}

func (f *Field) readTag(tag string) error {
	if tag == "" {
		return nil
	}
	for word := range strings.SplitSeq(tag, ",") {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "index":
			f.Index = true
		case "unique":
			if f.Unique = f.Unique || value == ""; value != "" {
				f.groups = append(f.groups, value)
			}
		case "delete":
			if f.OnDelete = value; value != Refuse && value != Cascade && value != ClearRef {
				return fmt.Errorf("field %s: delete=%s is not one of delete=refuse, delete=cascade, delete=clear", f.GoName, value)
			}
		case "sparse":
			f.Sparse = true
		case "private":
			f.Private = true
		case "variants":
			if f.File == nil {
				return fmt.Errorf("field %s: variants= is for files", f.GoName)
			}
			var err error
			if f.File.Variants, err = parseVariants(value); err != nil {
				return fmt.Errorf("field %s: %w", f.GoName, err)
			}
		case "was":
			if value == "" || value == f.Name || slices.Contains(f.Was, value) {
				return fmt.Errorf("field %s: was=%s does not name an earlier name of the field", f.GoName, value)
			}
			f.Was = append(f.Was, value)
		case "column":
			if f.Column = value; !columnName.MatchString(value) {
				return fmt.Errorf("field %s: column=%s: a column's name consists of lower-case letters, digits and _, at most 63, and begins with a letter", f.GoName, value)
			}
		case "ref":
			f.Ref = value
			if f.typ != idType || value == "" {
				return fmt.Errorf(`field %s: a reference is a tower.ID with tower:"ref=MODEL"`, f.GoName)
			}
		default:
			return fmt.Errorf("field %s: tower tag %q is not one of index, unique, unique=FIELD+FIELD, sparse, private, was=FIELD, column=NAME, ref=MODEL, delete=refuse, delete=cascade, delete=clear", f.GoName, word)
		}
	}
	switch {
	case f.OnDelete != "" && f.Ref == "":
		return fmt.Errorf(`field %s: delete=%s is for a reference: tower:"ref=MODEL,delete=%s"`, f.GoName, f.OnDelete, f.OnDelete)
	case f.OnDelete == ClearRef && f.Required:
		return fmt.Errorf("field %s: it is required, so delete=clear would always be refused", f.GoName)
	case f.OnDelete != "":
		f.Index = f.Index || !f.Unique // a deletion looks for the records that refer to it
	}
	if (f.Index || f.Unique) && f.Kind >= List {
		return fmt.Errorf("field %s: %s cannot be indexed", f.GoName, f.Kind.withArticle())
	}
	switch {
	case f.Sparse && !f.Index && !f.Unique:
		return fmt.Errorf(`field %s: sparse is for the index of the field: tower:"index,sparse"`, f.GoName)
	case f.Sparse && !f.pointer && f.Kind != Time && f.Ref == "" && (f.Kind != String || f.Unique):
		return fmt.Errorf("field %s: sparse is for what can be null, and for a text that is not unique", f.GoName)
	}
	return nil
}

func kindOf(t reflect.Type) Kind {
	if t == timeType {
		return Time
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Uint
	case reflect.Float32, reflect.Float64:
		return Float
	case reflect.String:
		return String
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return Object // JSON encodes it as text, not as a list
		}
		return List
	default:
		return Object
	}
}
