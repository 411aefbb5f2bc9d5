package scaffolds

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A resource describes a model and its controller, for the templates in resource/.
type resource struct {
	Module string
	Stored []field // of the model
	Fields []field // of those, the ones that clients see and send

	Type       string // BlogPost
	Var        string // BlogPosts, the model
	Recent     string // RecentBlogPosts, its scope
	Collection string // blog_posts
	Local      string // blogPost, a record in generated code

	Controller string // BlogPosts
	Item       string // BlogPost, the prefix of the controller's types
	Path       string // blog_posts, in addresses and in views/
	File       string // blog_post
	Partial    string // blog_post: the partial that shows a record in a list
	routing           // blogPosts, on r

	Human    string // blog post
	Humans   string // blog posts
	Title    string // Blog posts
	TitleOne string // Blog post

	Fixtures []fixture // records that the test creates first
}

// A fixture is a record that another record refers to.
type fixture struct {
	Type, Model, Var string
	Values           string // of its composite literal

	collection string
}

// newResource reads the arguments NAME FIELD….
func newResource(p *project, args []string) (*resource, error) {
	n, err := modelName(args)
	if err != nil {
		return nil, err
	}
	known, err := p.models()
	if err != nil {
		return nil, err
	}
	many := n.plural()
	r := &resource{
		Module: p.module,
		Type:   n.goName(), Var: many.goName(), Recent: "Recent" + many.goName(), Collection: many.snake(),
		Local:      n.local("Record", "ctx c in out err context time tower models password plain"),
		Controller: many.goName(), Item: n.goName(), Path: many.snake(), File: n.snake(), Partial: n.snake(),
		routing: routing{Route: many.local("Routes", "tower controllers")},
		Human:   n.human(), Humans: many.human(), Title: many.title(), TitleOne: n.title(),
	}
	if r.Var == r.Type {
		// Singular and plural are the same word, and Go needs two names.
		r.Var += "Records"
		r.Item += "Record"
	}
	if r.Partial == "form" || r.Partial == "detail" {
		r.Partial += "_item" // beside _form.html and _detail.html
	}
	if r.Stored, err = parseFields(args[1:], model{Type: r.Type, Var: r.Var, Collection: r.Collection}, known); err != nil {
		return nil, err
	}
	r.Fields = slices.DeleteFunc(slices.Clone(r.Stored), func(f field) bool { return f.private })
	for i, f := range r.Fields {
		if f.Ref != nil && f.Ref.Collection == r.Collection {
			r.Fields[i].Ref.Page = true
			if label := r.Label(); label != nil {
				r.Fields[i].Ref.Label, r.Fields[i].Ref.LabelJSON = label.Go, label.JSON
			}
		}
	}
	for _, f := range r.Refs() {
		if !f.Required() && !p.isPlain(*f.Ref) {
			continue // the test leaves the field empty
		}
		before := slices.Clone(r.Fixtures)
		err := r.addFixture(*f.Ref, known)
		if err != nil && f.Required() {
			return nil, fmt.Errorf("field %s:ref:required: %w", f.name.snake(), err)
		}
		if err != nil {
			r.Fixtures = before
		}
	}
	return r, nil
}

// modelName reads the name of a model. It turns a plural into the singular.
func modelName(args []string) (name, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("the name is missing; for example: tower generate scaffold Post title:string body:text")
	}
	n, err := parseName("model", args[0])
	if err != nil {
		return nil, err
	}
	n = n.singular()
	if err := n.checkWord("model", args[0]); err != nil {
		return nil, err
	}
	if err := n.plural().checkFile("model", args[0]); err != nil {
		return nil, err
	}
	if many := n.plural().snake(); reservedCollections[many] {
		return nil, fmt.Errorf("model %q: its collection would be called %q, which tower's messages use as a key; choose another name, as in %s",
			args[0], many, name{"my", n.snake()}.goName())
	}
	return n, nil
}

// Label returns the field whose value represents a record in lists, or nil.
func (r *resource) Label() *field { return labelOf(r.Fields) }

// Heading returns the label if it is short enough for a heading, or nil.
func (r *resource) Heading() *field {
	if label := r.Label(); label != nil && label.Kind == "string" {
		return label
	}
	return nil
}

// Required returns the first required field, or nil.
func (r *resource) Required() *field {
	for i, f := range r.Fields {
		if f.Required() {
			return &r.Fields[i]
		}
	}
	return nil
}

// Refs returns the fields that refer to other records.
func (r *resource) Refs() []field {
	var refs []field
	for _, f := range r.Fields {
		if f.Kind == "ref" {
			refs = append(refs, f)
		}
	}
	return refs
}

// Named returns the fields that refer to records with a label.
func (r *resource) Named() []field {
	return slices.DeleteFunc(r.Refs(), func(f field) bool { return f.Ref.Label == "" })
}

// Passwords returns the fields that are stored as a hash.
func (r *resource) Passwords() []field {
	return slices.DeleteFunc(slices.Clone(r.Stored), func(f field) bool { return f.Kind != "password" })
}

// Including returns the line that includes the records of a ref in a scope.
func (r *resource) Including(scope string, f field) string {
	return fmt.Sprintf("%s = %[1]s.Include(&models.%s.Fields.%s)", scope, r.Var, f.Go)
}

// Uses reports whether the fields that clients send need a package.
func (r *resource) Uses(pkg string) bool { return use(r.Fields, pkg) }

// Stores reports whether the fields of the model need a package.
func (r *resource) Stores(pkg string) bool { return use(r.Stored, pkg) }

func use(fields []field, pkg string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return strings.HasPrefix(f.Type, pkg+".") })
}

// FixturesUse reports whether the fixtures need a package.
func (r *resource) FixturesUse(pkg string) bool {
	for _, n := range r.Fixtures {
		if strings.Contains(n.Values, pkg+".") {
			return true
		}
	}
	return false
}

// Sample returns a valid input of Create: the required fields, or else the first
// field, and the refs to fixtures.
func (r *resource) Sample() string {
	var in []string
	for i, f := range r.Fields {
		if f.Required() || r.Required() == nil && i == 0 || r.fixtureOf(f) != nil {
			in = append(in, fmt.Sprintf("%q: %s", f.JSON, r.sample(f)))
		}
	}
	return strings.Join(in, ", ")
}

// fixtureOf returns the fixture that a field refers to, nil if it refers to none.
func (r *resource) fixtureOf(f field) *fixture {
	i := slices.IndexFunc(r.Fixtures, func(n fixture) bool { return f.Ref != nil && n.collection == f.Ref.Collection })
	if i < 0 {
		return nil
	}
	return &r.Fixtures[i]
}

// Referred returns the fixtures that fields of the record refer to.
func (r *resource) Referred() []fixture {
	return slices.DeleteFunc(slices.Clone(r.Fixtures), func(n fixture) bool {
		return !slices.ContainsFunc(r.Refs(), func(f field) bool { return f.Ref.Collection == n.collection })
	})
}

// Keeps reports whether a fixture cannot be deleted while the record refers to it.
func (r *resource) Keeps(n fixture) bool {
	return slices.ContainsFunc(r.Stored, func(f field) bool {
		return f.Ref != nil && f.Ref.Collection == n.collection && !f.private && cmp.Or(f.onDelete, "refuse") == "refuse"
	})
}

func (r *resource) sample(f field) string {
	switch f.Kind {
	case "int", "float":
		return "1"
	case "bool":
		return "true"
	case "enum":
		return strconv.Quote(f.values[0])
	case "password":
		return `"correct horse"`
	case "list":
		return `[]string{"Hello"}`
	case "file", "image":
		return "nil"
	case "time":
		return `"2030-01-02T15:04:05Z"`
	case "ref":
		if n := r.fixtureOf(f); n != nil {
			return n.Var + ".ID"
		}
		return `""`
	}
	return `"Hello"`
}

// plainRules are the rules that the values of fixtures follow.
var plainRules = wordSet("required max omitempty omitzero oneof")

// isPlain reports whether a fixture of a model is surely valid: the model is in models/, has
// no rules but plain ones, and refers to nothing that it requires.
func (p *project) isPlain(m model) bool {
	text, err := p.read(m.file)
	if m.file == "" || err != nil || strings.Contains(string(text), ") Validate(") {
		return false
	}
	return !slices.ContainsFunc(m.fields, func(f modelField) bool {
		for rule := range strings.SplitSeq(f.validate, ",") {
			if name, _, _ := strings.Cut(rule, "="); name != "" && !plainRules[name] {
				return true
			}
		}
		return requires(f.validate) && (f.ref != "" || f.kind != "string" && f.kind != "time.Time")
	})
}

// addFixture adds a fixture of a model, after the fixtures that it requires. above
// are the collections that led to it.
func (r *resource) addFixture(m model, known []model, above ...string) error {
	if slices.Contains(above, m.Collection) {
		return fmt.Errorf("%s require each other, so none of them can be created first", strings.Join(above, " and "))
	}
	if slices.ContainsFunc(r.Fixtures, func(n fixture) bool { return n.collection == m.Collection }) {
		return nil
	}
	var values []string
	for _, f := range m.fields {
		value := ""
		switch {
		case f.kind == "string" && f.oneOf() != "" && requires(f.validate):
			value = strconv.Quote(f.oneOf())
		case f.kind == "string" && (requires(f.validate) || f.name == m.Label):
			value = `"Ada"`
		case f.kind == "time.Time" && requires(f.validate):
			value = "time.Now()"
		case f.ref != "" && requires(f.validate):
			i := slices.IndexFunc(known, func(k model) bool { return k.Collection == f.ref })
			if i < 0 {
				return fmt.Errorf("%s requires one of %s, which is not in models/", m.Type, f.ref)
			}
			if err := r.addFixture(known[i], known, append(above, m.Collection)...); err != nil {
				return err
			}
			value = varOf(known[i]) + ".ID"
		default:
			continue
		}
		values = append(values, f.name+": "+value)
	}
	r.Fixtures = append(r.Fixtures, fixture{Type: m.Type, Model: m.Var, Var: varOf(m), Values: strings.Join(values, ", "), collection: m.Collection})
	return nil
}

func varOf(m model) string {
	n, err := parseName("model", m.Type)
	if err != nil {
		return "needed"
	}
	return n.local("Record", "t app visitor other live got id status body page http strings time models towertest")
}

func requires(validate string) bool {
	return wordSet(strings.ReplaceAll(validate, ",", " "))["required"]
}
