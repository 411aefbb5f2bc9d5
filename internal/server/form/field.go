package form

import (
	"cmp"
	"fmt"
	"html/template"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/towerkit/tower/internal/record"
)

// A field is a field of a form: a label, a control and its problem.
type field struct {
	zone        *time.Location
	name, label string
	stored      any    // the value of the record's field
	value       string // as the control shows it
	rules       string // the validate tag
	kind        reflect.Kind
	attrs       []attribute // attributes of the control
	own         []attribute // attributes that the view sets
	problem     template.HTML
	invalid     bool
}

type attribute struct {
	name  string
	value any // true: the name alone; false: left out
}

// Input returns a field of a form: a label, an <input> for the record's field with that
// name, and its problem. The type of the record's field determines the type of the input:
// checkbox for a bool, number for numbers, datetime-local for a time, otherwise text. The
// rules required and max of the record's field become attributes, and a number that is no
// pointer is required. A text with the rule
// oneof becomes a <select> of its values, unless the view sets a type. A list becomes a text
// with one line for each element. In a form that was refused, the input keeps the value that
// was sent. Without a record, nil, the input is an empty text.
//
//	{{.Input "title" .Data.Post}}
//	{{.Input "stars" .Data.Post "label" "Number of stars" "min" 0}}
//
// Pairs of name and value set attributes of the input, or its label, "label". Otherwise the
// label is made from the name: "startsAt" becomes Starts at, and "authorId" Author.
func (s *State) Input(name string, record any, pairs ...any) (template.HTML, error) {
	f, err := s.newField(name, record, pairs)
	if err != nil {
		return "", err
	}
	switch {
	case f.kind == reflect.Bool:
		return f.checkbox(), nil
	case f.kind == reflect.Slice && reflect.TypeOf(f.stored).Elem().Kind() != reflect.Uint8:
		return f.lines(), nil
	case f.kind == reflect.String && f.rule("oneof") != "" && !f.sets("type"):
		return f.choice(words(f.rule("oneof"))), nil
	case f.kind == reflect.Struct: // a time.Time
		f.attr("type", "datetime-local")
		f.attr("step", "any")
		s.showZone(f)
	case f.kind == reflect.Float32, f.kind == reflect.Float64:
		f.attr("type", "number")
		f.attr("step", "any")
	case reflect.Int <= f.kind && f.kind <= reflect.Uint64:
		f.attr("type", "number")
		f.attr("step", "1")
	default:
		f.attr("type", "text")
		if most := f.rule("max"); most != "" && f.kind == reflect.String {
			f.attr("maxlength", most)
		}
	}
	if slices.Contains(f.attrs, attribute{"type", "password"}) { // passwords are never sent back
		return f.element(`<input`+f.attributes()+`>`, ""), nil
	}
	f.attr("value", f.value)
	return f.element(`<input`+f.attributes()+`>`, f.keep(oneLine.Replace)), nil
}

// showZone says in which zone the box of a time shows it: what was sent in that of the form
// that was sent, and what is stored, data-time, in the browser's.
func (s *State) showZone(f *field) {
	switch {
	case s != nil && s.Zone != nil:
	case s != nil && len(s.Values[f.name]) > 0:
		if zone := s.Values.Get(zoneName(f.name)); zone != "" {
			f.attr("data-zone", zone)
		}
	default:
		f.attr("data-time", exactTime(f.stored))
	}
}

// exactTime returns a time as JSON has it; "" for nil and the zero time.
func exactTime(value any) string {
	if at, isPointer := value.(*time.Time); isPointer && at != nil {
		value = *at
	}
	at, isTime := value.(time.Time)
	if !isTime || at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// oneLine does what a browser does to the value of an <input>.
var oneLine = strings.NewReplacer("\r", "", "\n", "")

// lines returns the HTML of the whole field of a list: a <textarea>.
func (f *field) lines() template.HTML {
	f.attr("rows", max(3, strings.Count(f.value, "\n")+2))
	f.attr("placeholder", "one per line")
	return f.element(`<textarea`+f.attributes()+">\n"+template.HTMLEscapeString(f.value)+`</textarea>`, f.keep(nil))
}

// keep returns the hidden input with the exact value of the record's field, if the
// control cannot show it. shown returns what the browser shows of a text, nil for all
// of it.
func (f *field) keep(shown func(string) string) template.HTML {
	box := Text(f.stored, f.zone)
	if shown != nil {
		box = shown(box)
	}
	name, text, needed := Keep(f.name, box, f.stored, f.zone)
	if !needed {
		return ""
	}
	return template.HTML(fmt.Sprintf("\n  "+`<input type="hidden" name="%s" value="%s">`, template.HTMLEscapeString(name), template.HTMLEscapeString(text)))
}

// TextArea is [State.Input] for a text of several lines.
//
//	{{.TextArea "body" .Data.Post "rows" 10}}
func (s *State) TextArea(name string, record any, pairs ...any) (template.HTML, error) {
	f, err := s.newField(name, record, pairs)
	if err != nil {
		return "", err
	}
	f.attr("rows", 6)
	if most := f.rule("max"); most != "" {
		f.attr("maxlength", most)
	}
	// A browser drops the first line break of the text.
	return f.element(`<textarea`+f.attributes()+">\n"+template.HTMLEscapeString(f.value)+`</textarea>`, f.keep(nil)), nil
}

// Select is [State.Input] for a reference. It offers a choice of records, each shown by its
// field label. The value is kept even if it is none of the choices.
//
//	{{.Select "authorId" .Data.Post .Data.Authors "name"}}
func (s *State) Select(name string, record, choices any, label string, pairs ...any) (template.HTML, error) {
	f, err := s.newField(name, record, pairs)
	if err != nil {
		return "", err
	}
	options, err := f.options(choices, label)
	if err != nil {
		return "", fmt.Errorf("select %s: %w", name, err)
	}
	return f.choice(options), nil
}

// File returns a field of a form for a file: a label, an <input> that takes the types that the
// tag of the record's field accepts, and its problem. Beside it stands the name of the file that
// the record has, or that a form that was refused has already sent, which is kept.
//
//	{{.File "cover" .Data.Post}}
func (s *State) File(name string, rec any, pairs ...any) (template.HTML, error) {
	f, err := s.newField(name, rec, pairs)
	if err != nil {
		return "", err
	}
	f.attr("type", "file")
	current, sent := "", ""
	if rec != nil {
		rules, err := fileRules(rec, name)
		if err != nil {
			return "", err
		}
		f.attr("accept", cmp.Or(strings.Join(rules.Accept, ","), "*/*"))
		f.attr("data-max", rules.Max)
		if file := reflect.ValueOf(f.stored).Convert(reflect.TypeFor[record.File]()).Interface().(record.File); file.URL != "" {
			current = fmt.Sprintf("\n  "+`<a href="%s">%s</a>`, template.HTMLEscapeString(file.URL), template.HTMLEscapeString(file.Name))
			f.attr("required", false)
		}
	}
	if s != nil && s.Values.Get(name) != "" {
		sent = fmt.Sprintf("\n  "+`<input type="hidden" name="%s" value="%s">`, template.HTMLEscapeString(name), template.HTMLEscapeString(s.Values.Get(name)))
		f.attr("required", false)
	}
	return f.element(`<input`+f.attributes()+`>`, template.HTML(sent+current)), nil
}

// fileRules returns the rules of a record's field, which must be a file.
func fileRules(rec any, name string) (*record.FileRules, error) {
	value, tag, err := fieldOf(rec, name)
	if err != nil || !record.IsFile(reflect.TypeOf(value)) {
		return nil, fmt.Errorf("field %s of a form: it is a %T, and no file", name, value)
	}
	rules, _, err := record.ParseFileRules(tag.Get("tower"))
	return rules, err
}

// An option is a value that a select offers, and the text that it shows.
type option struct{ value, text string }

// words returns an option for each value of a rule oneof.
func words(values string) []option {
	var options []option
	for _, quoted := range oneOfValue.FindAllString(values, -1) {
		value := strings.ReplaceAll(quoted, "'", "")
		options = append(options, option{value, value})
	}
	return options
}

// oneOfValue matches a value of the rule oneof: a word, or text in quotes.
var oneOfValue = regexp.MustCompile(`'[^']*'|\S+`)

// options returns an option for each record of choices.
func (f *field) options(choices any, label string) ([]option, error) {
	list := reflect.ValueOf(choices)
	if list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("its choices are a %T, not a list of records", choices)
	}
	options := make([]option, 0, list.Len())
	for i := range list.Len() {
		choice := list.Index(i).Interface()
		id, _, err := fieldOf(choice, "id")
		if err != nil {
			return nil, err
		}
		text, _, err := fieldOf(choice, label)
		if err != nil {
			return nil, err
		}
		options = append(options, option{fmt.Sprint(id), textOf(text)})
	}
	return options, nil
}

// choice returns the HTML of the whole field of a select.
func (f *field) choice(options []option) template.HTML {
	var b strings.Builder
	chosen := false
	for _, o := range options {
		selected := ""
		if o.value == f.value {
			selected, chosen = " selected", true
		}
		fmt.Fprintf(&b, "\n    "+`<option value="%s"%s>%s</option>`, template.HTMLEscapeString(o.value), selected, template.HTMLEscapeString(o.text))
	}
	none := "\n    " + `<option value="">—</option>`
	if !chosen && f.value != "" {
		value := template.HTMLEscapeString(f.value)
		none += fmt.Sprintf("\n    "+`<option value="%s" selected hidden>%s</option>`, value, value)
	}
	return f.element(`<select`+f.attributes()+`>`+none+b.String()+"\n  </select>", f.keep(nil))
}

// field returns the form field for a record's field.
func (s *State) newField(name string, record any, pairs []any) (*field, error) {
	f := &field{zone: s.zone(), name: name, label: labelFor(name)}
	var value any
	if record != nil {
		member, tag, err := fieldOf(record, name)
		if err != nil {
			return nil, fmt.Errorf("field %s of a form: %w", name, err)
		}
		value, f.rules = member, tag.Get("validate")
		f.stored = member
		f.kind = kindOf(member)
	}
	f.value = s.Value(name, value)
	f.problem = s.Problem(name)
	f.invalid = s != nil && len(s.Problems[name]) > 0
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("field %s of a form: attributes are pairs of name and value; one is missing", name)
	}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		switch {
		case !ok || !attributeName.MatchString(key) || strings.HasPrefix(key, "on"):
			return nil, fmt.Errorf("field %s of a form: %v cannot be an attribute", name, pairs[i])
		case key == "label":
			f.label = fmt.Sprint(pairs[i+1])
		default:
			f.own = append(f.own, attribute{key, pairs[i+1]})
		}
	}
	f.attr("id", name)
	f.attr("name", name)
	return f, nil
}

// attributeName matches the attributes that a view may set. Scripts belong in app/ or
// public/, not in attributes such as onclick.
var attributeName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// attr adds an attribute of the control. The view's own value wins.
func (f *field) attr(name string, value any) {
	i := slices.IndexFunc(f.own, func(a attribute) bool { return a.name == name })
	if i >= 0 {
		value = f.own[i].value
		f.own = slices.Delete(f.own, i, i+1)
	}
	f.attrs = append(f.attrs, attribute{name, value})
}

// sets reports whether the view sets an attribute.
func (f *field) sets(name string) bool {
	return slices.ContainsFunc(f.own, func(a attribute) bool { return a.name == name })
}

// rule returns the value of a rule in the validate tag: "200" for max=200.
func (f *field) rule(name string) string {
	for rule := range strings.SplitSeq(f.rules, ",") {
		if rule == "dive" {
			break // the rules after it are for elements
		}
		if key, value, _ := strings.Cut(rule, "="); key == name {
			return value
		}
	}
	return ""
}

func (f *field) required() bool { return slices.Contains(strings.Split(f.rules, ","), "required") }

// alwaysNumber reports whether the record's field holds a number, which cannot be empty.
func (f *field) alwaysNumber() bool {
	return reflect.Int <= f.kind && f.kind <= reflect.Float64 && reflect.TypeOf(f.stored).Kind() != reflect.Pointer
}

// attributes returns the attributes of the control as HTML.
func (f *field) attributes() string {
	f.attr("required", f.required() && f.kind != reflect.Bool || f.alwaysNumber())
	if f.invalid {
		f.attr("aria-invalid", "true")
	}
	f.attr("aria-describedby", problemID(f.name))
	var b strings.Builder
	for _, a := range append(f.attrs, f.own...) {
		switch a.value {
		case false:
		case true:
			b.WriteString(" " + a.name)
		default:
			fmt.Fprintf(&b, ` %s="%s"`, a.name, template.HTMLEscapeString(textOf(a.value)))
		}
	}
	return b.String()
}

// element returns the HTML of the whole field with a control and the hidden input
// beside it.
func (f *field) element(control string, kept template.HTML) template.HTML {
	return template.HTML(fmt.Sprintf("<div class=\"field\">\n  <label for=\"%s\">%s</label>\n  %s%s\n  %s\n</div>",
		f.id(), template.HTMLEscapeString(f.label), control, kept, f.problem))
}

// checkbox returns the HTML of the whole field of a bool. A browser sends the hidden input
// if the box is not checked.
func (f *field) checkbox() template.HTML {
	name := template.HTMLEscapeString(f.name)
	f.attr("type", "checkbox")
	f.attr("value", "true")
	f.attr("checked", f.value == "true")
	box := func(text string) string { return cmp.Or(text, "false") }
	return template.HTML(fmt.Sprintf("<div class=\"field check\">\n  <input type=\"hidden\" name=\"%s\" value=\"false\">\n  <input%s>%s\n  <label for=\"%s\">%s</label>\n  %s\n</div>",
		name, f.attributes(), f.keep(box), f.id(), template.HTMLEscapeString(f.label), f.problem))
}

// id returns the control's id, its first attribute, escaped.
func (f *field) id() string {
	return template.HTMLEscapeString(textOf(f.attrs[0].value))
}

// textOf returns a value as a control shows it.
func textOf(value any) string { return Text(value, time.UTC) }

// problemID returns the id of the element that shows the problem of a field.
func problemID(field string) string { return field + "-problem" }

// labelFor returns the label for a field's name: Starts at for startsAt, Author for
// authorId.
func labelFor(name string) string {
	var b strings.Builder
	for i, r := range strings.TrimSuffix(strings.TrimSuffix(name, "Id"), "_id") {
		switch {
		case i == 0:
			r = unicode.ToUpper(r)
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		case r == '_' || r == '-':
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fieldOf returns the value and the tag of a record's field, by its JSON name.
func fieldOf(rec any, name string) (any, reflect.StructTag, error) {
	at := reflect.Indirect(reflect.ValueOf(rec))
	if at.Kind() == reflect.Struct {
		if m, found := record.JSONFieldsByName(at.Type())[name]; found && !m.BehindPointer {
			return at.FieldByIndex(m.Path).Interface(), m.Tag, nil
		}
	}
	return nil, "", fmt.Errorf("a %T has no field %q", rec, name)
}

// kindOf returns the kind of a value, or of the value that a pointer points to. It is
// Invalid for structs other than time.Time.
func kindOf(value any) reflect.Kind {
	t := reflect.TypeOf(value)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		return reflect.Invalid
	}
	return t.Kind()
}
