package scaffolds

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// makeFields adds fields to a model, and to the controller and the pages of its
// scaffold if there are some. The arguments are a name and fields.
func makeFields(p *project, args []string) (*generation, error) {
	if len(args) < 2 {
		return nil, fmt.Errorf("the field is missing; for example: tower generate field Task due:time")
	}
	r, err := newResource(p, args[:1])
	if err != nil {
		return nil, err
	}
	known, err := p.models()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(known, func(m model) bool { return m.Type == r.Type })
	if i < 0 {
		return nil, fmt.Errorf("there is no model %s in models/; generate it first: tower generate scaffold %s %s", r.Type, r.Type, strings.Join(args[1:], " "))
	}
	r.Var = known[i].Var
	g := &generation{kind: "field", name: r.Type}
	for _, arg := range args[1:] {
		f, err := parseField(arg, known[i], known)
		if err != nil {
			return nil, err
		}
		if err := f.checkAdded(arg, known[i]); err != nil {
			return nil, err
		}
		f.Tags = f.tags()
		if err := g.addField(p, r, f); err != nil {
			return nil, err
		}
		known[i].fields = append(known[i].fields, modelField{name: f.Column(), json: f.JSON})
	}
	return g, nil
}

// checkAdded refuses a field that the model has, and one that stored records do not fit.
func (f field) checkAdded(arg string, m model) error {
	for _, other := range m.fields {
		if other.name == f.Column() || other.json == f.JSON {
			return fmt.Errorf("field %q: %s already has a field %s; nothing was changed", arg, m.Type, other.json)
		}
	}
	if f.required || f.unique {
		return fmt.Errorf("field %q: records that are stored have no value in a new field, so it cannot be required or unique; add it without, and the rule to %s when every record has a value", arg, m.file)
	}
	return nil
}

// addField adds the insertions of one field, each where the scaffold would have put it.
func (g *generation) addField(p *project, r *resource, f field) error {
	file, err := p.declares("models", r.Type)
	if err != nil {
		return err
	}
	g.insertField(r, f, intoStruct(file, r.Type, f.Column(), f.Type, f.Tags))
	if f.Kind == "password" {
		g.insertField(r, f, insertion{file: file, text: f.Methods(r.Local, r.Type), imports: passwordPackage, at: endOf})
	}
	if f.private {
		return nil
	}
	input := r.Item + "Input"
	file, err = p.declares("controllers", input)
	if err != nil {
		return err
	}
	views := "views/" + r.Path + "/"
	form, err := p.read(views + "_form.html")
	switch {
	case err != nil:
		return err
	case file == "" && form == nil:
		return nil // a model without a scaffold
	case file == "":
		file = "controllers/" + r.Path + ".go"
	}
	g.insertField(r, f, intoStruct(file, input, f.Go, f.InputType(), f.InputTags()))
	if f.Ref != nil {
		if err := g.addChoices(p, r, file, &f); err != nil {
			return err
		}
	}
	for _, view := range []struct{ file, template, before, after string }{
		{views + "_form.html", "resource/views/_form.html", "", `^\s*\{\{\s*\.(Input|TextArea|Select) .*\}\}\s*$`},
		{views + "_detail.html", "resource/views/_detail.html", `^\s*(<dt>Created</dt>|</dl>)\s*$`, ""},
		{views + "_" + r.Partial + ".html", "resource/views/_item.html", `^\s*\{\{time \.CreatedAt .*\}\}\s*$`, ""},
	} {
		text, err := r.linesOf(view.template, f)
		if err != nil {
			return err
		}
		if text != "" {
			g.insertField(r, f, intoView(view.file, text, view.before, view.after))
		}
	}
	return nil
}

// addChoices adds to the controller of a scaffold what the field of a ref needs: the
// records to choose from, and the records that are referred to in what cursors send. It
// names the choices.
func (g *generation) addChoices(p *project, r *resource, file string, f *field) error {
	page := r.Item + "Page"
	taken, err := p.structFields(file, page)
	if err != nil {
		return err
	}
	for _, in := range g.insertions { // of fields before this one
		for _, name := range in.declares {
			taken[name] = true
		}
	}
	f.nameChoices(taken)
	g.insertField(r, *f, insertion{file: file, text: "\t" + f.PageLine() + "\n", declares: []string{f.Choices}, at: func(text []byte) (int, error) {
		return structEnd(file, text, page, f.Choices)
	}})
	g.insertField(r, *f, intoMethod(file, r.Controller, "form", "out", f.Loading()+"\n"))
	if f.Ref.Label == "" {
		return nil // nothing shows the record
	}
	g.insertField(r, *f, intoMethod(file, r.Controller, "All", "list", "\t"+r.Including("list", *f)+"\n"))
	g.insertField(r, *f, intoMethod(file, r.Controller, "One", "one", "\t"+r.Including("one", *f)+"\n"))
	return nil
}

// structFields returns the names of the fields of a struct in a Go file, none if it is
// not there.
func (p *project) structFields(file, typeName string) (map[string]bool, error) {
	names := map[string]bool{}
	text, err := p.read(file)
	if err != nil || text == nil {
		return names, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("%w; fix that first: the generator reads this file", err)
	}
	if found := structIn(parsed, typeName); found != nil {
		for _, f := range found.Fields.List {
			for _, id := range f.Names {
				names[id.Name] = true
			}
		}
	}
	return names, nil
}

// structIn returns a struct that a file declares, nil if it does not.
func structIn(file *ast.File, typeName string) (found *ast.StructType) {
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == typeName {
			found, _ = spec.Type.(*ast.StructType)
		}
		return true
	})
	return found
}

// insertField adds an insertion of a field. If there is no place for the lines, the
// error has them.
func (g *generation) insertField(r *resource, f field, in insertion) {
	at := in.at
	in.owner = r.Type + "." + f.name.goName()
	in.at = func(text []byte) (int, error) {
		line, err := at(text)
		if err != nil {
			err = fmt.Errorf("%w; nothing was changed; add this to %s by hand, and try again:\n%s", err, in.file, in.text)
		}
		return line, err
	}
	g.insertions = append(g.insertions, in)
}

// declares returns the file in a folder that declares a type, "" if none does.
func (p *project) declares(folder, typeName string) (string, error) {
	sources, err := p.sources(folder, false)
	if err != nil {
		return "", err
	}
	for _, s := range sources {
		if _, found := s.declared()[typeName]; found {
			return s.name, nil
		}
	}
	return "", nil
}

// linesOf returns the lines that a field adds to a view of a scaffold.
func (r *resource) linesOf(template string, f field) (string, error) {
	label := field{Go: "Label", JSON: "label", Kind: "string"}
	var lines [2][]string
	for i, fields := range [][]field{{label}, {label, f}} {
		with := *r
		with.Fields = fields
		text, err := render(template, &with)
		if err != nil {
			return "", err
		}
		lines[i] = strings.SplitAfter(string(text), "\n")
	}
	without, with := lines[0], lines[1]
	at := 0
	for at < len(without) && without[at] == with[at] {
		at++
	}
	return strings.Join(with[at:at+len(with)-len(without)], ""), nil
}

func structLine(name, typ, tags string) string {
	return fmt.Sprintf("\t%s %s `%s`\n", name, typ, tags)
}

// intoStruct adds a field at the end of a struct.
func intoStruct(file, typeName, name, typ, tags string) insertion {
	in := insertion{file: file, text: structLine(name, typ, tags), at: func(text []byte) (int, error) {
		return structEnd(file, text, typeName, name)
	}}
	if strings.HasSuffix(typ, "time.Time") {
		in.imports = "time"
	}
	return in
}

// structEnd returns the number of the line that ends a struct without that field.
func structEnd(file string, text []byte, typeName, name string) (int, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if text == nil || err != nil {
		return 0, fmt.Errorf("%s cannot be read as Go, or is missing", file)
	}
	found := structIn(parsed, typeName)
	if found == nil {
		return 0, fmt.Errorf("%s declares no struct %s", file, typeName)
	}
	for _, f := range found.Fields.List {
		for _, id := range f.Names {
			if id.Name == name {
				return 0, fmt.Errorf("%s:%d: %s already has another field %s", file, set.Position(id.Pos()).Line, typeName, name)
			}
		}
	}
	return ownLine(set, found.Fields.Closing, "struct", file, text)
}

// passwordPackage is what a model with a password imports.
const passwordPackage = towerModule + "/password"

// endOf returns the number of the line after the last one.
func endOf(text []byte) (int, error) { return strings.Count(string(text), "\n") + 1, nil }

// intoView adds lines before the first line that matches before, or after the last one
// that matches after.
func intoView(file, lines, before, after string) insertion {
	return insertion{file: file, text: lines, at: func(text []byte) (int, error) {
		if text == nil {
			return 0, fmt.Errorf("%s is missing", file)
		}
		number, last := 0, 0
		for line := range strings.Lines(string(text)) {
			number++
			if before != "" && regexp.MustCompile(before).MatchString(line) {
				return number, nil
			}
			if after != "" && regexp.MustCompile(after).MatchString(line) {
				last = number
			}
		}
		if last == 0 {
			return 0, fmt.Errorf("%s has no line where the scaffold puts a field", file)
		}
		return last + 1, nil
	}}
}

// fieldName reads the arguments NAME FIELD of destroy, as in Task due.
func fieldName(args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("name a model and one field; for example: tower destroy field Task due")
	}
	m, err := modelName(args)
	if err != nil {
		return "", err
	}
	label, _, _ := strings.Cut(args[1], ":")
	f, err := parseName("field", label)
	if err != nil {
		return "", err
	}
	return m.goName() + "." + f.goName(), nil
}
