package scaffolds

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// TypesFile is where tower writes the types of an application for editors and tsc.
const TypesFile = "app/tower.d.ts"

const tsconfigFile = "tsconfig.json"

const typesHeader = "// What this application declares in Go, for TypeScript, and the library that reads it.\n" +
	"// Written by tower: do not edit. It is right to commit it.\n"

// Types plans the TypeScript declarations of the application in folder: the schema's
// and the library's, by module name. The declarations of a binding, such as
// tower/react, are added only if the application's package.json names react. Types
// also plans a tsconfig.json if the application has none.
func Types(folder string, schema wire.Schema, library map[string]string, force bool) (*Plan, error) {
	p := &project{folder: folder}
	frameworks, err := p.frameworks()
	if err != nil {
		return nil, err
	}
	files, err := trees.ReadFile("types/files.d.ts")
	if err != nil {
		return nil, err
	}
	text := typesHeader + newTypeScript(schema).String() + "\n" + string(files)
	for _, name := range slices.Sorted(maps.Keys(library)) {
		_, framework, isBinding := strings.Cut(name, "/")
		if !isBinding || frameworks[framework] {
			text += "\n" + ambient(name, library[name])
		}
	}
	plan, err := p.planDerived(TypesFile, []byte(text), typesHeader, force)
	if err != nil {
		return nil, err
	}
	return plan, p.planTSConfig(plan)
}

// OpenAPIFile is where tower writes an application's OpenAPI document.
const OpenAPIFile = "openapi.json"

// OpenAPI plans the OpenAPI document of the application in folder. The document contains
// mark, by which an earlier document is known to be tower's.
func OpenAPI(folder string, document []byte, mark string, force bool) (*Plan, error) {
	return (&project{folder: folder}).planDerived(OpenAPIFile, document, mark, force)
}

// planDerived plans a file that follows from the application's code. It replaces the file
// without asking if mark shows that tower wrote it.
func (p *project) planDerived(name string, text []byte, mark string, force bool) (*Plan, error) {
	plan := newPlan(p.folder)
	before, err := p.read(name)
	if err != nil {
		return nil, err
	}
	if before != nil && !sameText(before, text) && bytes.Contains(before, []byte(mark)) {
		plan.Steps = append(plan.Steps, Step{Verb: Update, Path: name, before: before, after: text})
	} else {
		plan.write(name, before, text, force)
	}
	return plan, nil
}

// planTSConfig adds a tsconfig.json, unless the application has one.
func (p *project) planTSConfig(plan *Plan) error {
	for _, name := range []string{tsconfigFile, "app/" + tsconfigFile} {
		if text, err := p.read(name); err != nil || text != nil {
			return err
		}
	}
	text, err := trees.ReadFile("types/" + tsconfigFile)
	if err == nil {
		plan.write("app/"+tsconfigFile, nil, text, false)
	}
	return err
}

// frameworks returns the packages that the application's package.json names.
func (p *project) frameworks() (map[string]bool, error) {
	text, err := p.read("package.json")
	if err != nil || text == nil {
		return nil, err
	}
	var named struct{ Dependencies, DevDependencies map[string]any }
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, fmt.Errorf("read package.json: %w", err)
	}
	found := map[string]bool{}
	for name := range maps.Keys(named.Dependencies) {
		found[name] = true
	}
	for name := range maps.Keys(named.DevDependencies) {
		found[name] = true
	}
	return found, nil
}

// ambient turns the declarations of a module into an ambient module declaration.
func ambient(name, declarations string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "declare module %q {\n", name)
	for line := range strings.Lines(declarations) {
		if line != "\n" {
			line = "  " + line
		}
		b.WriteString(line)
	}
	b.WriteString("}\n")
	return b.String()
}
