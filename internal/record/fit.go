package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// An UnfitError reports that a stored record does not fit its model: the struct has
// changed since. [Image.Fits] says when that is so.
type UnfitError struct {
	Model    *Model
	ID       ID
	Problems *Problems // by field; without the stored values, which not everybody may see
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("%s/%s does not fit %s: %s", e.Model.Name, e.ID, e.Model.Type, e.Problems)
}

// Fits reports whether the stored record fits the struct. A record that does not fit
// is in no list and no index. Its fields that fit have their values, and the others
// are null, until an update sets them.
func (i *Image) Fits() bool {
	if i.known {
		return true
	}
	i.once.Do(i.decode)
	return i.err == nil
}

// KnownToFit records that the image fits its model, so that [Image.Fits] need not decode it. It must be called before the image is shared.
func (i *Image) KnownToFit() { i.known = true }

// decodeFields decodes each field on its own, so that the value of one field does not
// depend on whether the others fit. It notes those that do not.
func (i *Image) decodeFields() any {
	record := i.Model.New()
	problems := &Problems{}
	known, _, err := i.Model.members(i.JSON, i.Private)
	if err != nil {
		problems.Add("", "is not a JSON object")
	}
	i.unfit = map[*Field]bool{}
	for name, value := range known {
		f := i.Model.byName[name]
		if !i.Model.restore(record, f, value) {
			i.unfit[f] = true
			problems.Add(name, "is "+f.typeWithArticle()+"; the stored value is not")
		}
	}
	i.err = &UnfitError{i.Model, i.ID, problems}
	return record
}

// restore sets the field of record, a *T, as json.Unmarshal sets it in a stored record.
func (m *Model) restore(record any, f *Field, value json.RawMessage) bool {
	one, err := json.Marshal(map[string]json.RawMessage{f.Name: value})
	other := m.New()
	if err != nil || json.Unmarshal(one, other) != nil {
		return false
	}
	m.CopyFields(record, other, []*Field{f})
	return true
}

// Mend lets fn change a copy of a record that does not fit. fn is called twice, with
// different values in the fields that do not fit: what it leaves different it has not
// set. Mend adds a problem for each of those, and returns the first copy.
func (i *Image) Mend(fn func(record any) error, problems *Problems) (any, error) {
	i.once.Do(i.decode)
	var copies [2]any
	for n := range copies {
		own := Image{Model: i.Model, ID: i.ID, JSON: i.JSON, Private: i.Private}
		copies[n] = own.decodeFields()
		base, _ := i.Model.pointer(copies[n])
		for f := range own.unfit {
			if n == 1 {
				setOther(f.at(base))
			}
		}
		if err := fn(copies[n]); err != nil {
			return nil, err
		}
	}
	first, _ := i.Model.pointer(copies[0])
	second, _ := i.Model.pointer(copies[1])
	for _, f := range i.Model.Fields {
		if i.unfit[f] && !reflect.DeepEqual(f.get(first), f.get(second)) {
			problems.Add(f.Name, "must be set: it is "+f.typeWithArticle()+", and the stored value is not")
		}
	}
	return copies[0], nil
}

// setOther sets v, which is zero, to another value.
func setOther(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("?")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Interface:
		if reflect.TypeFor[string]().Implements(v.Type()) {
			v.Set(reflect.ValueOf("?"))
		}
	case reflect.Array:
		if v.Len() > 0 {
			setOther(v.Index(0))
		}
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.Unix(0, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				setOther(v.Field(i))
				return
			}
		}
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// A Misfit is a field that does not fit in some records of a model.
type Misfit struct {
	Field   string // its name in JSON; "" is the record as a whole
	Problem string
	Records int
	First   []ID // the first of them
}

// A Survey counts the records of a model that do not fit it, or break one of its tags'
// rules, by field.
type Survey struct {
	Model   *Model
	Records int  // that were added
	Broken  int  // that do not fit, or break a rule
	Unfit   []ID // that do not fit

	misfits map[string]*Misfit
}

// maxFirst is how many ids a misfit names.
const maxFirst = 3

// Add examines a stored record.
func (s *Survey) Add(image *Image) {
	s.Records++
	problems := s.problems(image)
	if len(problems) == 0 {
		return
	}
	s.Broken++
	if !image.Fits() {
		s.Unfit = append(s.Unfit, image.ID)
	}
	for field, problem := range problems {
		m := s.misfits[field]
		if m == nil {
			m = &Misfit{Field: field, Problem: problem}
			if s.misfits == nil {
				s.misfits = map[string]*Misfit{}
			}
			s.misfits[field] = m
		}
		if m.Records++; len(m.First) < maxFirst {
			m.First = append(m.First, image.ID)
		}
	}
}

func (s *Survey) problems(image *Image) map[string]string {
	found := map[string]string{}
	record, err := image.Record()
	if unfit, ok := err.(*UnfitError); ok { //nolint:errorlint // it comes from decode
		for field, problems := range unfit.Problems.Map() {
			found[field] = strings.Join(problems, ", ")
		}
		return found
	}
	for _, name := range image.nulls() {
		found[name] = "cannot be null"
	}
	problems := &Problems{}
	if checkTags(record, problems) == nil {
		for field, problem := range problems.Map() {
			found[field] = strings.Join(problem, ", ")
		}
	}
	return found
}

// nulls returns the names of the fields that are stored as null and cannot be.
func (i *Image) nulls() (names []string) {
	if !strings.Contains(string(i.JSON), "null") && !strings.Contains(string(i.Private), "null") {
		return nil
	}
	known, _, err := i.Model.members(i.JSON, i.Private)
	for name, value := range known {
		if err == nil && isNull(value) && !Nullable(i.Model.byName[name].typ) {
			names = append(names, name)
		}
	}
	return names
}

// Misfits returns what was found, by field.
func (s *Survey) Misfits() []Misfit {
	var all []Misfit
	for _, name := range slices.Sorted(maps.Keys(s.misfits)) {
		all = append(all, *s.misfits[name])
	}
	return all
}

// String describes what was found: "2 of 7 posts do not fit Post: views is an int; the
// stored value is not (01J…, 01J…)".
func (s *Survey) String() string {
	parts := make([]string, 0, len(s.misfits))
	for _, m := range s.Misfits() {
		ids := make([]string, len(m.First))
		for i, id := range m.First {
			ids[i] = string(id)
		}
		list := strings.Join(ids, ", ")
		if m.Records > len(ids) {
			list += fmt.Sprintf(" and %d more", m.Records-len(ids))
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", m.Field, m.Problem, list))
	}
	return fmt.Sprintf("%d of %d %s do not fit %s: %s", s.Broken, s.Records, s.Model.Name, s.Model.Type, strings.Join(parts, "; "))
}

// FitSignature describes what determines whether a stored record fits the model: the
// types and tags of all fields, and of the structs that they are made of.
func (m *Model) FitSignature() string {
	var b strings.Builder
	for _, f := range m.Fields {
		fmt.Fprintf(&b, "%s %q %q ", f.Name, f.tag, f.rules)
		describeType(&b, f.typ, map[reflect.Type]bool{})
		b.WriteByte('\n')
	}
	return b.String()
}

func describeType(b *strings.Builder, t reflect.Type, seen map[reflect.Type]bool) {
	fmt.Fprintf(b, "%s %s", t, t.Kind())
	if seen[t] || t == timeType {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		b.WriteByte(' ')
		describeType(b, t.Elem(), seen)
	case reflect.Struct:
		b.WriteString("{")
		for _, f := range JSONFields(t) {
			fmt.Fprintf(b, "%s %q ", f.JSONName, f.Tag)
			describeType(b, f.Type, seen)
			b.WriteByte(';')
		}
		b.WriteString("}")
	}
}
