package scaffolds

import (
	"bytes"
	"fmt"
	"go/ast"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

const (
	migrationsFile = "migrations/migrations.go"
	mainFile       = "main.go"
)

// A migration describes a generated migration, for the templates in migration/.
type migration struct {
	ID  string
	Var string
	*wire.SuggestedMigration
}

// GenerateMigration plans a migration with the given steps, which may be nil. The time
// becomes a part of its id.
func GenerateMigration(folder, name string, at time.Time, steps *wire.SuggestedMigration) (*Plan, error) {
	p, err := openProject(folder)
	if err != nil {
		return nil, err
	}
	g, err := newMigration(p, []string{name}, at, steps)
	if err != nil {
		return nil, err
	}
	return g.planned(p, folder, false)
}

func makeMigration(p *project, args []string) (*generation, error) {
	return newMigration(p, args, time.Now(), nil)
}

func migrationName(args []string) (name, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("the name is missing; for example: tower generate migration rename_title")
	}
	if len(args) > 1 {
		return nil, fmt.Errorf("migration %s: %q is too much: it has a name only", args[0], args[1])
	}
	return parseName("migration", args[0])
}

func newMigration(p *project, args []string, at time.Time, steps *wire.SuggestedMigration) (*generation, error) {
	n, err := migrationName(args)
	if err != nil {
		return nil, err
	}
	if steps == nil {
		steps = &wire.SuggestedMigration{}
	}
	id := at.UTC().Format("20060102150405") + "_" + n.snake()
	m := migration{ID: id, Var: n.goName(), SuggestedMigration: steps}
	slices.Sort(m.Imports)
	g := &generation{kind: "migration", name: n.goName()}
	list, err := p.read(migrationsFile)
	if err != nil {
		return nil, err
	}
	if list == nil {
		if list, err = render("migration/migrations.go.tmpl", nil); err != nil {
			return nil, err
		}
	}
	program, err := p.read(mainFile)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(program, []byte("Migrations:")) {
		g.insertions = append(g.insertions, intoConfig("Migrations: migrations.All(),", p.module+"/migrations"))
	}
	g.insertions = append(g.insertions, intoList(migrationsFile, "All", "tower.Migration", m.Var, list))
	return g, g.add("migrations/"+id+".go", "migration/migration.go.tmpl", m)
}

// intoConfig adds a field to the tower.Config that Config in main.go returns.
func intoConfig(line, imports string) insertion {
	return insertion{file: mainFile, text: "\t\t" + line + "\n", imports: imports, shared: true, at: func(text []byte) (int, error) {
		set, body, err := function(mainFile, text, "Config")
		if err != nil {
			return 0, fmt.Errorf("%w; add %s to your tower.Config by hand, then try again", err, line)
		}
		if ret := lastReturn(body); ret != nil {
			if config, ok := ret.Results[0].(*ast.CompositeLit); ok {
				return ownLine(set, config.Rbrace, "struct", mainFile, text)
			}
		}
		return 0, fmt.Errorf("%s: Config should end with return tower.Config{…}; add %s to it by hand, then try again", mainFile, line)
	}}
}
