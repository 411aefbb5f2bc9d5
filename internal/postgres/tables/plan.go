package tables

import (
	"fmt"
	"slices"
	"strings"
)

// A Statement is one step of a plan.
type Statement struct {
	SQL   string
	Says  string // what it does, as a sentence
	Needs bool   // the models do not fit the tables without it
	Alone bool   // it cannot run in a transaction
}

// A Plan is what brings the tables of a database in line with the models. Nothing in it
// loses a value: a field that goes keeps its column.
type Plan struct {
	Statements []Statement
	Problems   []string // what somebody must settle first
	Hints      []string // what may have happened instead, so that other statements are the right ones
}

// Fits reports whether nodes with these models can use the tables as they are.
func (p *Plan) Fits() bool {
	return len(p.Problems) == 0 && !slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.Needs })
}

func (p *Plan) add(needs bool, sql, says string, args ...any) {
	p.Statements = append(p.Statements, Statement{SQL: sql, Says: fmt.Sprintf(says, args...), Needs: needs})
}

// stamp is what the comment on an index, a check or a trigger that tower has made begins
// with. What follows is how it was defined, because PostgreSQL spells definitions anew.
const stamp = "tower: "

// Plan compares what a database has with what the models need.
func (s *Set) Plan(found *Found) *Plan {
	p := &Plan{}
	if found.Support < supportVersion {
		p.add(true, support, "makes the tables and functions that tower itself needs")
	}
	if s.Schema != "public" && !found.Schema {
		p.add(true, "CREATE SCHEMA "+quote(s.Schema), "makes the schema of the tables")
	}
	for _, t := range s.Tables {
		if in := found.Tables[t.Name]; in == nil {
			t.create(p)
		} else {
			t.change(p, in)
		}
	}
	return p
}

// create plans a new table.
func (t *Table) create(p *Plan) {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (\n", t.sql())
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "\t%s %s,\n", quote(c.Name), c.definition())
	}
	fmt.Fprintf(&b, "\t%s bigint NOT NULL DEFAULT 0,\n\tPRIMARY KEY (id)\n)", seqColumn)
	p.add(true, b.String(), "makes the table of %s", t.Model.Name)
	p.add(false, comment("COLUMN "+t.sql()+"."+seqColumn, "the commit that wrote the row"), "says what the column is")
	for _, c := range t.Columns {
		t.describe(p, c)
		t.addCheck(p, c)
	}
	for _, x := range t.Indexes {
		p.add(true, x.create(t, false), "makes an index")
		p.add(false, comment("INDEX "+quote(t.schema, x.Name), stamp+x.definition()), "says what made it")
	}
	t.addTriggers(p, nil)
}

func (t *Table) describe(p *Plan, c *Column) {
	if c.Comment != "" {
		p.add(false, comment("COLUMN "+t.sql()+"."+quote(c.Name), c.Comment), "says what the column refers to")
	}
}

func (t *Table) addCheck(p *Plan, c *Column) {
	if c.Check == "" {
		return
	}
	name := t.checkName(c)
	p.add(false, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (tower.own() OR %s) NOT VALID", t.sql(), quote(name), c.Check),
		"lets no other program write to %s what the field cannot hold, or its rules refuse; rows that are there stay as they are", c.Name)
	p.add(false, comment("CONSTRAINT "+quote(name)+" ON "+t.sql(), stamp+c.Check), "says what made it")
}

func (t *Table) checkName(c *Column) string { return shortened(t.Name + "_" + c.Name + "_check") }

func (t *Table) addTriggers(p *Plan, found map[string]string) {
	for _, g := range t.triggers() {
		if found[g.name] == stamp+g.definition {
			continue
		}
		if _, there := found[g.name]; there {
			p.add(true, fmt.Sprintf("DROP TRIGGER %s ON %s", g.name, t.sql()), "makes room for the trigger as it is now")
		}
		p.add(true, "CREATE TRIGGER "+g.name+" "+g.definition, "notices what other programs write")
		p.add(true, fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", t.sql(), g.name), "also what replication writes")
		p.add(true, comment("TRIGGER "+g.name+" ON "+t.sql(), stamp+g.definition), "says what made it")
	}
}

func comment(on, text string) string { return "COMMENT ON " + on + " IS " + literal(text) }

// definition returns what distinguishes the index from others of its name.
func (x *Index) definition() string {
	names := make([]string, len(x.Columns))
	for i, c := range x.Columns {
		names[i] = quote(c.Name)
	}
	text := "(" + strings.Join(names, ", ") + ")"
	if x.Where != "" {
		text += " WHERE " + x.Where
	}
	if x.Unique {
		text = "unique " + text
	}
	return text
}

func (x *Index) create(t *Table, concurrently bool) string {
	sql := "CREATE "
	if x.Unique {
		sql += "UNIQUE "
	}
	sql += "INDEX "
	if concurrently {
		sql += "CONCURRENTLY "
	}
	return sql + quote(x.Name) + " ON " + t.sql() + " " + strings.TrimPrefix(x.definition(), "unique ")
}

// change plans what a table that is there lacks.
func (t *Table) change(p *Plan, in *FoundTable) {
	known := map[string]bool{seqColumn: true}
	t.findRenamed(p, in)
	if in.Columns[seqColumn] == nil {
		p.add(true, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s bigint NOT NULL DEFAULT 0", t.sql(), seqColumn), "adds the column of commits")
	}
	for _, c := range t.Columns {
		known[c.Name] = true
		t.changeColumn(p, c, in)
	}
	for _, name := range sorted(in.Columns) {
		if c := in.Columns[name]; !known[name] && c.NotNull && !c.Default {
			p.Problems = append(p.Problems, fmt.Sprintf("the column %s of the table %s must have a value, and no field of %s gives it one: ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
				name, t.Name, t.Model.Type, t.sql(), quote(name)))
		}
	}
	t.changeIndexes(p, in)
	t.changeChecks(p, in)
	t.addTriggers(p, in.Triggers)
}

// findRenamed looks for columns that may have been renamed by hand: one is missing, and there is
// one of its type that no field has.
func (t *Table) findRenamed(p *Plan, in *FoundTable) {
	for _, c := range t.Columns {
		if in.Columns[c.Name] != nil {
			continue
		}
		for _, name := range sorted(in.Columns) {
			if t.column(name) == nil && name != seqColumn && in.Columns[name].Type == c.Type {
				p.Hints = append(p.Hints, fmt.Sprintf("if the column %s of the table %s was renamed to %s, do not add it: ALTER TABLE %s RENAME COLUMN %s TO %s; or give the field %s the tag tower:\"column=%s\"",
					c.Name, t.Name, name, t.sql(), quote(name), quote(c.Name), c.Field.GoName, name))
			}
		}
	}
}

func (t *Table) changeColumn(p *Plan, c *Column, in *FoundTable) {
	alter := fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ", t.sql(), quote(c.Name))
	found := in.Columns[c.Name]
	if found == nil {
		p.add(true, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.sql(), quote(c.Name), c.definition()),
			"adds the column of the field %s; %s are not rewritten", c.Field.Name, in.rows())
		t.describe(p, c)
		return
	}
	switch {
	case found.Type == c.Type:
	case found.Type == "bigint" && c.Type == "numeric(20,0)":
		p.add(true, alter+"TYPE "+c.Type, "widens the column; %s are rewritten, and the table is locked meanwhile", in.rows())
	default:
		p.Problems = append(p.Problems, fmt.Sprintf("the column %s of the table %s is %s, and the field %s of %s needs %s: give the field a column of its own with the tag tower:\"column=NAME\", or change the column by hand",
			c.Name, t.Name, found.Type, c.Field.GoName, t.Model.Type, c.Type))
		return
	}
	if found.NotNull && !c.NotNull {
		p.add(true, alter+"DROP NOT NULL", "allows null in the column, as the field does; no row is rewritten")
	}
	if found.Default && c.Default == "" {
		p.add(false, alter+"DROP DEFAULT", "makes null what a new row has if nothing else is said")
	}
	if !found.Default && c.Default != "" {
		p.add(false, alter+"SET DEFAULT "+c.Default, "sets what a new row has if nothing else is said")
	}
	if c.Comment != "" && found.Comment != c.Comment {
		t.describe(p, c)
	}
}

func (t *Table) changeIndexes(p *Plan, in *FoundTable) {
	wanted := map[string]bool{}
	for _, x := range t.Indexes {
		wanted[x.Name] = true
		found, there := in.Indexes[x.Name]
		if there && found.Valid && found.Comment == stamp+x.definition() {
			continue
		}
		if there {
			t.dropIndex(p, x.Name, "makes room for the index as it is now")
		}
		says := "makes an index over %s; others write meanwhile"
		if x.Unique {
			says = "makes a unique index over %s; it fails if two have the same, and others write meanwhile"
		}
		p.Statements = append(p.Statements,
			Statement{SQL: x.create(t, true), Says: fmt.Sprintf(says, in.rows()), Needs: x.Unique, Alone: true},
			Statement{SQL: comment("INDEX "+quote(t.schema, x.Name), stamp+x.definition()), Says: "says what made it"})
	}
	for _, name := range sorted(in.Indexes) {
		if !wanted[name] && strings.HasPrefix(in.Indexes[name].Comment, stamp) {
			t.dropIndex(p, name, "drops an index that the model has no more; no value is lost")
		}
	}
}

func (t *Table) dropIndex(p *Plan, name, says string) {
	p.Statements = append(p.Statements, Statement{SQL: "DROP INDEX CONCURRENTLY IF EXISTS " + quote(t.schema, name), Says: says, Alone: true})
}

func (t *Table) changeChecks(p *Plan, in *FoundTable) {
	wanted := map[string]string{}
	for _, c := range t.Columns {
		if c.Check != "" {
			wanted[t.checkName(c)] = stamp + c.Check
		}
	}
	for _, name := range sorted(in.Checks) {
		if made := in.Checks[name]; strings.HasPrefix(made, stamp) && made != wanted[name] {
			p.add(false, fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", t.sql(), quote(name)), "drops a rule that the field has no more, or has otherwise")
		}
	}
	for _, c := range t.Columns {
		if c.Check != "" && in.Checks[t.checkName(c)] != stamp+c.Check {
			t.addCheck(p, c)
		}
	}
}
