package scaffolds

import (
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
)

// A generation holds what a generator makes of its arguments.
type generation struct {
	kind, name string
	files      []file
	insertions []insertion
	more       *generation // that needs what this one makes; nil: nothing
}

// A file is a generated file. Its name is its path in the application.
type file struct {
	name string
	text []byte
}

// A generator makes a generation of its arguments, and reads the name in them.
type generator struct {
	make func(p *project, args []string) (*generation, error)
	name func(args []string) (string, error)
}

var generators = map[string]generator{
	"scaffold":   {makeScaffold, inGo(modelName)},
	"model":      {makeModel, inGo(modelName)},
	"controller": {makeController, inGo(controllerName)},
	"field":      {makeFields, fieldName},
	"mail":       {makeMail, inGo(mailName)},
	"auth":       {makeAuth, authEntry},
	"migration":  {makeMigration, inGo(migrationName)},
	"deploy":     {makeDeploy, deployName},
}

// inGo returns a function that reads a name as it is in Go.
func inGo(read func(args []string) (name, error)) func(args []string) (string, error) {
	return func(args []string) (string, error) {
		n, err := read(args)
		if err != nil {
			return "", err
		}
		return n.goName(), nil
	}
}

// Kinds returns the names of the generators.
func Kinds() []string { return slices.Sorted(maps.Keys(generators)) }

func findGenerator(text string) (generator, error) {
	g, ok := generators[text]
	if !ok {
		return generator{}, fmt.Errorf("there is no generator %q; the generators are %s", text, strings.Join(Kinds(), ", "))
	}
	return g, nil
}

// Generate plans what a generator adds to the application in folder. Kind is one
// of Kinds; args are a name and then fields (scaffold, model, field), as in
// Post title:string, or pages (controller), or flags (auth): --passkey, --totp, --api, --teams. A file that exists with other content
// is a conflict, unless force is set. Generate itself writes nothing.
func Generate(folder, kind string, args []string, force bool) (*Plan, error) {
	maker, err := findGenerator(kind)
	if err != nil {
		return nil, err
	}
	p, err := openProject(folder)
	if err != nil {
		return nil, err
	}
	g, err := maker.make(p, args)
	if err != nil {
		return nil, err
	}
	return g.planned(p, folder, force)
}

// planned returns the plan of a generation.
func (g *generation) planned(p *project, folder string, force bool) (*Plan, error) {
	m, before, err := p.manifest()
	if err != nil {
		return nil, err
	}
	plan := newPlan(folder)
	for ; g != nil; g = g.more {
		if err := g.checkNames(p, m); err != nil {
			return nil, err
		}
		if err := g.plan(p, plan, m, force); err != nil {
			return nil, err
		}
	}
	return plan, m.record(plan, before)
}

func makeModel(p *project, args []string) (*generation, error) {
	r, err := newResource(p, args)
	if err != nil {
		return nil, err
	}
	g := &generation{kind: "model", name: r.Type}
	return g, g.addModel(r)
}

func (g *generation) addModel(r *resource) error {
	g.insertions = append(g.insertions, intoModels(r.Var))
	return g.add("models/"+r.File+".go", "resource/model.go.tmpl", r)
}

func makeScaffold(p *project, args []string) (*generation, error) {
	r, err := newResource(p, args)
	if err != nil {
		return nil, err
	}
	if len(r.Fields) == 0 {
		return nil, fmt.Errorf("scaffold %s: it has no fields; for example: tower generate scaffold %s title:string", r.Type, r.Type)
	}
	g := &generation{kind: "scaffold", name: r.Type}
	if err := g.addModel(r); err != nil {
		return nil, err
	}
	views := "views/" + r.Path + "/"
	for _, f := range [][2]string{
		{"controllers/" + r.Path + ".go", "resource/controller.go.tmpl"},
		{views + "index.html", "resource/views/index.html"},
		{views + "show.html", "resource/views/show.html"},
		{views + "new.html", "resource/views/new.html"},
		{views + "edit.html", "resource/views/edit.html"},
		{views + "_" + r.Partial + ".html", "resource/views/_item.html"},
		{views + "_detail.html", "resource/views/_detail.html"},
		{views + "_form.html", "resource/views/_form.html"},
		{r.Path + "_test.go", "resource/test.go.tmpl"},
	} {
		if err := g.add(f[0], f[1], r); err != nil {
			return nil, err
		}
	}
	if err := g.addRoutes(p, "resource/routes.tmpl", &r.routing, r); err != nil {
		return nil, err
	}
	layout, err := p.read(layoutFile)
	if err != nil {
		return nil, err
	}
	if link, ok := intoLayout(layout, "/"+r.Path, r.Title); ok {
		g.insertions = append(g.insertions, link)
	}
	return g, nil
}

func makeController(p *project, args []string) (*generation, error) {
	c, err := newPagesController(p, args)
	if err != nil {
		return nil, err
	}
	g := &generation{kind: "controller", name: c.Controller}
	if err := g.add("controllers/"+c.Path+".go", "pages/controller.go.tmpl", c); err != nil {
		return nil, err
	}
	for _, page := range c.Pages {
		if err := g.add(page.View, "pages/page.html", page); err != nil {
			return nil, err
		}
	}
	if err := g.add(c.Path+"_test.go", "pages/test.go.tmpl", c); err != nil {
		return nil, err
	}
	return g, g.addRoutes(p, "pages/routes.tmpl", &c.routing, c)
}

func (g *generation) add(name, template string, data any) error {
	text, err := render(template, data)
	if err != nil {
		return err
	}
	g.files = append(g.files, file{name, text})
	return nil
}

// routing holds the names of two variables in routes.go: the controller, and the
// router that it is mounted on.
type routing struct{ Route, Router string }

// addRoutes renders the routes, with the name that the application gives its router.
func (g *generation) addRoutes(p *project, template string, in *routing, data any) error {
	routes, err := p.read(routesFile)
	if err != nil {
		return err
	}
	if in.Router, _, _, err = routerName(routes); err != nil {
		return err
	}
	if in.Route == in.Router {
		in.Route += "Routes"
	}
	block, err := render(template, data)
	if err != nil {
		return err
	}
	g.insertions = append(g.insertions, intoRoutes(in.Route, string(block)))
	return nil
}

// checkNames refuses a generation whose code would declare a name that the
// application declares already: in another file, or in a file of the same name
// that was not generated.
func (g *generation) checkNames(p *project, m *manifest) error {
	for _, f := range g.files {
		if path.Ext(f.name) != ".go" {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, f.name, f.text, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("generated %w", err)
		}
		others, err := p.sources(path.Dir(f.name), true)
		if err != nil {
			return err
		}
		for _, other := range others {
			if other.name == f.name {
				there, err := p.read(f.name)
				if err != nil {
					return err
				}
				if m.owner(f.name) != nil || sameText(there, f.text) {
					continue // generated before: the plan compares them
				}
			}
			theirs := other.declared()
			ours := source{f.name, parsed, set}.declared()
			for _, name := range slices.Sorted(maps.Keys(ours)) {
				if at, taken := theirs[name]; taken {
					return fmt.Errorf("%s %s: %s:%d already declares %s; choose another name, or remove it", g.kind, g.name, at.Filename, at.Line, name)
				}
			}
		}
	}
	return nil
}

// plan adds the steps that turn the application into what was generated.
func (g *generation) plan(p *project, plan *Plan, m *manifest, force bool) error {
	e := m.claim(g.kind, g.name)
	for _, f := range g.files {
		before, err := p.read(f.name)
		if err != nil {
			return err
		}
		if bare := m.withoutLines(f.name, before); sameText(bare, f.text) {
			before = f.text // others have only added lines
		}
		if plan.write(f.name, before, f.text, force) {
			if other := m.owner(f.name); other != nil {
				delete(other.Files, f.name)
			}
			e.Files[f.name] = hash(f.text)
		}
	}
	type place struct{ owner, file string }
	made, old := map[place]blocks{}, map[place]blocks{}
	for _, in := range g.insertions {
		e := e
		if in.owner != "" {
			e = m.claim(g.kind, in.owner)
		}
		text, err := p.read(in.file)
		if err != nil {
			return err
		}
		// Another insertion may have changed the file in this plan.
		i := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Path == in.file && s.changes() })
		if i >= 0 {
			text = plan.Steps[i].after
		}
		at := place{in.owner, in.file}
		var earlier blocks
		if _, again := old[at]; !again {
			earlier = e.Lines[in.file]
			old[at] = earlier
		}
		step, err := in.step(text, earlier)
		if err != nil {
			return err
		}
		switch {
		case step.Verb == Create, step.Verb == Insert && !in.shared, step.Verb == Identical && slices.Contains(old[at], in.text):
			made[at] = append(made[at], in.text)
			e.Lines[in.file] = made[at]
		case step.Verb == Keep:
			made[at] = append(made[at], old[at]...)
		}
		if step.Verb == Insert {
			m.changed(in.file, step.before, step.after)
		}
		switch {
		case i < 0:
			plan.Steps = append(plan.Steps, step)
		case step.Verb == Insert:
			plan.Steps[i].after = step.after
		}
	}
	return nil
}

// step returns the step that makes an insertion into a file. It replaces earlier, the lines
// that the same generator inserted before.
func (in insertion) step(text []byte, earlier blocks) (Step, error) {
	if text == nil && in.fresh != nil {
		after, err := in.into(in.fresh)
		return Step{Verb: Create, Path: in.file, after: after}, err
	}
	if out, edited := removeLines(text, in.text); len(edited) == 0 && len(out) < len(text) {
		return Step{Verb: Identical, Path: in.file}, nil
	}
	base := text
	if len(earlier) > 0 {
		out, edited := earlier.removedFrom(text)
		if len(edited) > 0 && len(out) < len(text) {
			return Step{Verb: Keep, Path: in.file, Note: "its lines were edited"}, nil
		}
		base = out
	}
	after, err := in.into(base)
	if err != nil {
		return Step{}, err
	}
	return Step{Verb: Insert, Path: in.file, before: text, after: after}, nil
}
