package scaffolds

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A field is one NAME:TYPE argument of a generator.
type field struct {
	Go    string // Title, AuthorID
	JSON  string // title, authorId
	Label string // Title, Author
	Kind  string // string, text, enum, list, int, float, bool, time, ref, file, image
	Type  string // in the model
	Tags  string // the struct tag in the model

	Ref     *model // of a ref: the model that it refers to
	Choices string // of a ref: the page's field that holds the records to choose from

	name                    name
	index, unique, required bool
	Optional                bool     // of a number: it may be null
	private                 bool     // in the model only: clients neither see nor send it
	values                  []string // of an enum
	onDelete                string   // of a ref: refuse, cascade or clear
}

const fieldForm = "a field is NAME:TYPE, as in title:string, author:ref=users or 'state:enum(open,done)'"

// goTypes maps the types of fields to types of Go.
var goTypes = map[string]string{
	"string": "string", "text": "string", "enum": "string", "list": "[]string", "int": "int", "float": "float64", "bool": "bool", "time": "time.Time", "ref": "tower.ID", "password": "string", "file": "tower.File", "image": "tower.File",
}

// typeAliases maps the names that other frameworks and databases use to ours.
var typeAliases = map[string]string{
	"str": "string", "varchar": "string", "integer": "int", "number": "int", "int64": "int", "bigint": "int", "decimal": "float",
	"float64": "float", "double": "float", "boolean": "bool", "datetime": "time", "timestamp": "time", "date": "time",
	"references": "ref", "belongs_to": "ref", "reference": "ref",
}

// reservedFields are the fields of tower.Record, and its name.
var reservedFields = wordSet("id createdAt updatedAt record")

// secretWords are names of fields that nobody but the application should see.
var secretWords = wordSet("password passwd passphrase secret token apikey key")

// passwordWords are names of secrets that are stored as their hash only.
var passwordWords = wordSet("password passwd passphrase")

// secretWord returns the word that makes a field of that name a secret, "" if none does:
// password_hash is one if it is text, and not if it is a time.
func (n name) secretWord(kind string) string {
	holdsText := kind == "string" || kind == "text" || kind == "list"
	for _, word := range n {
		if holdsText && passwordWords[singularize(word)] {
			return singularize(word)
		}
	}
	if last := singularize(n[len(n)-1]); secretWords[last] {
		return last
	}
	return ""
}

// unsupported says why a field of that name or type is not generated.
func unsupported(label, word string) string {
	if passwordWords[word] {
		return fmt.Sprintf("it would be stored and sent as plain text; %s:password stores its hash, where no client sees it", label)
	}
	return fmt.Sprintf("it would be sent to everyone; keep it from clients with %s:string:private, or store the hash of a secret that people type with %[1]s:password", label)
}

// parseFields reads the fields of the model own. It looks up the models that they
// refer to in known.
func parseFields(args []string, own model, known []model) ([]field, error) {
	var fields []field
	for _, arg := range args {
		f, err := parseField(arg, own, known)
		if err != nil {
			return nil, err
		}
		for _, other := range fields {
			if other.Go == f.Go {
				return nil, fmt.Errorf("field %q: there is already a field %s", arg, f.JSON)
			}
		}
		fields = append(fields, f)
	}
	if label := labelOf(fields); label != nil {
		label.required = true
	}
	for i := range fields {
		fields[i].Tags = fields[i].tags()
	}
	nameChoices(fields, own.Type)
	return fields, nil
}

func parseField(arg string, own model, known []model) (field, error) {
	bad := func(format string, values ...any) (field, error) {
		return field{}, fmt.Errorf("field %q: %s", arg, fmt.Sprintf(format, values...))
	}
	label, rest, typed := strings.Cut(arg, ":")
	if !typed || label == "" || rest == "" {
		return bad("%s", fieldForm)
	}
	n, err := parseName("field", label)
	if err != nil {
		return field{}, err
	}
	parts := strings.Split(rest, ":")
	if word := n.secretWord(parts[0]); word != "" && parts[0] != "password" && !slices.Contains(parts[1:], "private") {
		return bad("%s", unsupported(label, word))
	}
	kind, target, targeted := strings.Cut(parts[0], "=")
	var values []string
	if list, ok := strings.CutPrefix(kind, "enum("); ok {
		if values, err = enumValues(list); err != nil {
			return bad("%v", err)
		}
		kind = "enum"
	}
	f := field{name: n, Kind: kind, Type: goTypes[kind], values: values}
	if f.Type == "" {
		if secretWords[kind] {
			return bad("%s", unsupported(label, kind))
		}
		if word, ok := typeAliases[kind]; ok {
			return bad("the type is called %s, not %s; use %s:%s", word, kind, label, word)
		}
		return bad("there is no type %q; the types are string, text, enum, list, int, float, bool, time, ref, file, image and password", kind)
	}
	if kind == "enum" && values == nil {
		return bad("an enum lists its values, as in '%s:enum(open,done)'", label)
	}
	if kind != "ref" && targeted {
		return bad("only a ref names a model, as in %s:ref=%s", label, target)
	}

	if kind == "password" && len(parts) > 1 {
		return bad("a password has no options: it is never sent, and no two hashes are the same")
	}
	options := map[string]bool{}
	for _, option := range parts[1:] {
		switch {
		case kind == "ref" && (option == "refuse" || option == "cascade" || option == "clear"):
			if f.onDelete != "" {
				return bad("%s and %s are two answers to one question: what deleting the other record does", f.onDelete, option)
			}
			f.onDelete = option
		case !slices.Contains([]string{"index", "unique", "required", "optional", "private"}, option):
			return bad("there is no option %q; the options are index, unique, required, optional and private, and of a ref refuse, cascade and clear", option)
		case options[option]:
			return bad("%s is given twice", option)
		}
		options[option] = true
	}
	switch {
	case options["optional"] && options["required"]:
		return bad("required and optional are two answers to one question: whether it may be empty")
	case options["optional"] && kind == "bool":
		return bad("a check box is checked or not; for three answers, use an enum")
	case options["optional"] && kind != "int" && kind != "float":
		return bad("a %s may be empty unless it is required; leave optional out", kind)
	case options["required"] && slices.Contains([]string{"bool", "int", "float"}, kind):
		return bad("a %s always has a value, so it cannot be required; a string, text, enum, list, time or ref can", kind)
	case options["private"] && (options["required"] || options["unique"]):
		return bad("no client sends a private field, so it cannot be required or unique: the pages could create no record")
	case (options["index"] || options["unique"]) && kind == "text":
		return bad("text is too long for an index; use string")
	case (options["index"] || options["unique"]) && kind == "list":
		return bad("a list has no index; for values to search, generate a model of their own and a ref")
	case (options["index"] || options["unique"]) && (kind == "file" || kind == "image"):
		return bad("a file has no index")
	case options["unique"] && kind == "enum":
		return bad("a unique enum would allow only one record for each value; use index")
	case f.onDelete == "clear" && options["required"]:
		return bad("a required ref cannot be cleared; use refuse or cascade")
	case options["unique"] && kind == "bool":
		return bad("a unique bool would allow only two records; use index")
	}

	if kind == "ref" {
		if len(n) > 1 && n[len(n)-1] == "id" {
			n = n[:len(n)-1]
			f.name = n
		}
		if f.Ref, err = findRef(arg, n, target, own, known); err != nil {
			return field{}, err
		}
		if f.Ref.Collection == own.Collection && options["required"] {
			return bad("each %s would require another, so the first could not be created", own.Type)
		}
		f.Go, f.JSON = append(slices.Clone(n), "id").goName(), append(slices.Clone(n), "id").camel()
	} else {
		f.Go, f.JSON = n.goName(), n.camel()
	}
	if reservedFields[f.JSON] {
		return bad("every record already has the field %s; choose another name", f.JSON)
	}
	f.Label = n.title()
	f.index, f.unique, f.required, f.private = options["index"], options["unique"], options["required"], options["private"]
	if f.Optional = options["optional"]; f.Optional {
		f.Type = "*" + f.Type
	}
	return f, nil
}

var enumValue = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// enumValues reads the values of an enum, as in open,done).
func enumValues(text string) ([]string, error) {
	list, closed := strings.CutSuffix(text, ")")
	if !closed {
		return nil, fmt.Errorf("the values of an enum end with ), as in enum(open,done)")
	}
	values := strings.Split(list, ",")
	if len(values) < 2 {
		return nil, fmt.Errorf("an enum has at least two values, as in enum(open,done)")
	}
	for i, value := range values {
		switch {
		case !enumValue.MatchString(value):
			return nil, fmt.Errorf("%q cannot be a value of an enum; use letters, digits, - and _", value)
		case slices.Contains(values[:i], value):
			return nil, fmt.Errorf("the value %s is given twice", value)
		}
	}
	return values, nil
}

// findRef returns the model that a ref field refers to.
func findRef(arg string, n name, target string, own model, known []model) (*model, error) {
	wanted := n.plural().snake()
	if target != "" {
		t, err := parseName("field", target)
		if err != nil {
			return nil, err
		}
		wanted = t.singular().plural().snake()
	}
	for _, m := range append([]model{own}, known...) {
		if m.Collection == wanted || m.Collection == target {
			return &m, nil
		}
	}
	one, err := parseName("field", wanted)
	if err != nil {
		return nil, err
	}
	message := fmt.Sprintf("field %q: there is no model %s in models/; generate it first: tower generate scaffold %s name:string", arg, wanted, one.singular().goName())
	if target == "" && len(known) > 0 {
		message += fmt.Sprintf("; or name another: %s:ref=%s", n.snake(), known[0].Collection)
	}
	return nil, fmt.Errorf("%s", message)
}

// LabelPair returns the label argument of a form's field if the label contains an
// initialism. Tower derives every other label from the field's name.
func (f field) LabelPair() string {
	for _, word := range f.name {
		if initialisms[word] {
			return fmt.Sprintf(" \"label\" %q", f.Label)
		}
	}
	return ""
}

// Required reports whether a record must have a value in the field. A unique field
// is required too, because two records without a value would conflict.
func (f field) Required() bool {
	return f.required || f.unique && slices.Contains([]string{"string", "time", "ref"}, f.Kind)
}

// Column returns the name of the field in the model: a password is stored as its hash.
func (f field) Column() string {
	if f.Kind == "password" {
		return f.Go + "Hash"
	}
	return f.Go
}

// InputTags returns the struct tag of the field in the controller's input.
func (f field) InputTags() string {
	if f.Kind == "password" {
		return fmt.Sprintf(`json:%q validate:"omitzero,min=8,max=200"`, f.JSON)
	}
	if rules := f.fileRules(); rules != "" {
		return fmt.Sprintf("json:%q tower:%q", f.JSON, rules)
	}
	return fmt.Sprintf("json:%q", f.JSON)
}

// fileRules returns what the tower tag of a file states, "" for another field.
func (f field) fileRules() string {
	switch f.Kind {
	case "file":
		return "max=10MB"
	case "image":
		return "max=10MB,accept=image/png image/jpeg image/gif image/webp"
	}
	return ""
}

// Methods returns the methods of a model, the type typ, for a password.
func (f field) Methods(local, typ string) string {
	words := f.name.human()
	return fmt.Sprintf(`
// Set%[1]s stores the hash of a %[2]s. An empty text, which an empty box of a form sends,
// keeps the one that is there.
func (%[3]s *%[4]s) Set%[1]s(plain string) (err error) {
	if plain != "" {
		%[3]s.%[1]sHash, err = password.Hash(plain)
	}
	return err
}

// Check%[1]s reports whether plain is the %[2]s. Call it within [tower.Connection.Guess].
func (%[3]s *%[4]s) Check%[1]s(plain string) bool {
	return password.Matches(%[3]s.%[1]sHash, plain)
}
`, f.Go, words, local, typ)
}

// InputType returns the type of the field in the controller's input.
func (f field) InputType() string {
	if value, optional := strings.CutPrefix(f.Type, "*"); optional {
		return "tower.Optional[" + value + "]"
	}
	return "*" + f.Type
}

func (f field) tags() string {
	var rules, store []string
	if f.Kind == "ref" {
		store = append(store, "ref="+f.Ref.Collection, "delete="+cmp.Or(f.onDelete, "refuse"))
	}
	switch {
	case f.unique:
		store = append(store, "unique")
	case f.index || f.Kind == "ref":
		store = append(store, "index")
	}
	if f.private {
		store = append(store, "private")
	}
	if rules := f.fileRules(); rules != "" {
		store = append(store, rules)
	}
	switch {
	case f.Required() && f.Kind == "list":
		rules = append(rules, "min=1")
	case f.Required():
		rules = append(rules, "required")
	case f.Kind == "enum":
		rules = append(rules, "omitempty")
	}
	switch f.Kind {
	case "string":
		rules = append(rules, "max=200")
	case "enum":
		rules = append(rules, "oneof="+strings.Join(f.values, " "))
	case "list":
		rules = append(rules, "max=100", "dive", "max=200")
	}
	name := f.JSON
	if f.Kind == "password" {
		name, store = name+"Hash", []string{"private"}
	}
	if f.Kind == "time" {
		name += ",omitzero" // the zero time is no value, not the year 1
	}
	tags := fmt.Sprintf("json:%q", name)
	if len(store) > 0 {
		tags += fmt.Sprintf(" tower:%q", strings.Join(store, ","))
	}
	if len(rules) > 0 {
		tags += fmt.Sprintf(" validate:%q", strings.Join(rules, ","))
	}
	return tags
}

// labelOf returns the field whose value represents a record in lists and choices:
// the first string, or else the first text. It returns nil if there is neither.
func labelOf(fields []field) *field {
	for _, kind := range []string{"string", "text"} {
		if i := slices.IndexFunc(fields, func(f field) bool { return f.Kind == kind && !f.private }); i >= 0 {
			return &fields[i]
		}
	}
	return nil
}

// nameChoices names the lists of records to choose from: Authors for AuthorID.
func nameChoices(fields []field, own string) {
	taken := map[string]bool{own: true}
	for i, f := range fields {
		if f.Kind == "ref" && !f.private {
			fields[i].nameChoices(taken)
		}
	}
}

// nameChoices names the list of records to choose from, by no taken name.
func (f *field) nameChoices(taken map[string]bool) {
	f.Choices = f.name.plural().goName()
	if taken[f.Choices] {
		f.Choices = f.name.goName() + "Choices"
	}
	taken[f.Choices] = true
}

// PageLine returns the line that declares the choices in the data of a page.
func (f field) PageLine() string {
	return fmt.Sprintf("%s []*models.%s // the choices for %s", f.Choices, f.Ref.Type, f.JSON)
}

// Loading returns the lines that load the choices, by their label.
func (f field) Loading() string {
	sorted := ""
	if f.Ref.Label != "" {
		sorted = fmt.Sprintf(".Asc(&models.%s.Fields.%s)", f.Ref.Var, f.Ref.Label)
	}
	return fmt.Sprintf("\tif out.%s, err = tower.VisibleAll(ctx, c, models.%s.All()%s.Limit(500)); err != nil {\n\t\treturn out, err\n\t}", f.Choices, f.Ref.Var, sorted)
}
