package scaffolds

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Destroy plans the removal of what Generate wrote for the same kind and name. A
// file that was edited since is kept, and the plan names it, unless force is set.
// An inserted line is removed if it is still as it was inserted. Destroy itself
// removes nothing.
func Destroy(folder, kind string, args []string, force bool) (*Plan, error) {
	g, err := findGenerator(kind)
	if err != nil {
		return nil, err
	}
	p, err := openProject(folder)
	if err != nil {
		return nil, err
	}
	n, err := g.name(args)
	if err != nil {
		return nil, err
	}
	m, before, err := p.manifest()
	if err != nil {
		return nil, err
	}
	e := m.find(kind, n)
	if e == nil {
		return nil, m.notGenerated(kind, n)
	}
	m.take(e)
	plan := newPlan(folder)
	if !force {
		if err := e.checkReferences(p, m, plan); err != nil {
			return nil, err
		}
	}
	if err := e.planFiles(p, m, plan, force); err != nil {
		return nil, err
	}
	if err := e.planLines(p, m, plan); err != nil {
		return nil, err
	}
	return plan, m.record(plan, before)
}

func (m *manifest) notGenerated(kind, name string) error {
	if len(m.Generated) == 0 {
		return fmt.Errorf("%s %s was not generated here: %s is empty", kind, name, manifestName)
	}
	var known []string
	for _, e := range m.Generated {
		known = append(known, e.Kind+" "+e.Name)
	}
	return fmt.Errorf("%s %s was not generated here; these were: %s", kind, name, strings.Join(known, ", "))
}

// checkReferences adds a conflict for each model that refers to a removed model,
// and for a scaffold whose model is removed.
func (e *entry) checkReferences(p *project, m *manifest, plan *Plan) error {
	models, err := p.models()
	if err != nil {
		return err
	}
	for _, lost := range models {
		if e.Files[lost.file] == "" {
			continue
		}
		for _, other := range models {
			if e.Files[other.file] != "" {
				continue // it is removed, too
			}
			for _, f := range other.fields {
				if f.ref == lost.Collection && other.Collection != lost.Collection {
					plan.Steps = append(plan.Steps, Step{Verb: Conflict, Path: other.file, Note: fmt.Sprintf("%s.%s refers to %s", other.Type, f.name, lost.Collection)})
				}
			}
		}
		if scaffold := m.find("scaffold", e.Name); scaffold != nil && scaffold != e {
			plan.Steps = append(plan.Steps, Step{Verb: Conflict, Path: lost.file, Note: fmt.Sprintf("scaffold %s uses it; destroy the scaffold first", e.Name)})
		}
	}
	return nil
}

func (e *entry) planFiles(p *project, m *manifest, plan *Plan, force bool) error {
	for _, name := range slices.Sorted(maps.Keys(e.Files)) {
		text, err := p.read(name)
		if err != nil {
			return err
		}
		step := Step{Verb: Remove, Path: name, before: text}
		switch {
		case text == nil:
			step.Verb, step.Note = Keep, "it does not exist any more"
		case hash(text) != e.Files[name] && !force:
			step.Verb, step.Note = Keep, "it was edited; --force removes it"
		case hash(text) != e.Files[name]:
			step.Note = "it was edited"
		}
		plan.Steps = append(plan.Steps, step)
		if step.Verb == Remove || text == nil {
			delete(e.Files, name)
			for _, other := range m.Generated {
				delete(other.Lines, name)
			}
		}
	}
	return nil
}

func (e *entry) planLines(p *project, m *manifest, plan *Plan) error {
	for _, name := range slices.Sorted(maps.Keys(e.Lines)) {
		text, err := p.read(name)
		if err != nil {
			return err
		}
		out, edited := e.Lines[name].removedFrom(text)
		if path.Ext(name) == ".go" && len(edited) > 0 && parses(text) && !parses(out) {
			out, edited = text, []string{"its lines were edited, and the file would be no Go without the rest of them"}
		}
		if len(out) < len(text) {
			if path.Ext(name) == ".go" {
				out = formatted(text, withoutUnused(text, out))
			}
			m.changed(name, text, out)
			plan.Steps = append(plan.Steps, Step{Verb: Update, Path: name, Note: "its lines are removed", before: text, after: out})
		}
		if len(edited) > 0 {
			plan.Steps = append(plan.Steps, Step{Verb: Keep, Path: name, Note: "lines that were edited since:\n" + strings.Join(edited, "\n")})
		}
		delete(e.Lines, name)
	}
	return nil
}
