package tables

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Write queues the statements that make the changes of commits in the tables, in one batch
// of a transaction: at most three for each model. Of a record that several commits change
// the last one counts.
func (s *Set) Write(batch *pgx.Batch, commits []store.Appended) error {
	g, err := s.gather(commits)
	if err != nil {
		return err
	}
	for _, m := range g.order {
		if err := g.models[m].queue(batch); err != nil {
			return err
		}
	}
	g.exact.queue(batch)
	return nil
}

// A group is what several commits leave of the records that they change.
type group struct {
	models map[*record.Model]*changes
	order  []*record.Model
	exact  exactRows
}

// changes are those of one model.
type changes struct {
	table *Table
	exact *exactRows
	net   map[record.ID]*net
	order []record.ID
}

// A net is the change of a record from before the group to after it.
type net struct {
	before, after *record.Image
	seq           uint64 // of the last commit
	adopted       bool   // the row is as another program left it
}

func (s *Set) gather(commits []store.Appended) (*group, error) {
	g := &group{models: map[*record.Model]*changes{}}
	for i := range commits {
		c := &commits[i]
		for j := range c.Changes {
			change := &c.Changes[j]
			of := g.models[change.Model]
			if of == nil {
				t := s.byModel[change.Model]
				if t == nil {
					return nil, fmt.Errorf("model %s has no table", change.Model.Name)
				}
				of = &changes{table: t, exact: &g.exact, net: map[record.ID]*net{}}
				g.models[change.Model], g.order = of, append(g.order, change.Model)
			}
			n := of.net[change.ID]
			if n == nil {
				n = &net{before: change.Before}
				of.net[change.ID], of.order = n, append(of.order, change.ID)
			}
			n.after, n.seq, n.adopted = change.After, c.Seq, c.Adopted
		}
	}
	return g, nil
}

// queue queues the statements of one model.
func (c *changes) queue(batch *pgx.Batch) error {
	gone := c.arrange()
	rows := c.table.newRows()
	fresh := true // the rows, so that none can be there
	var adopted []string
	var adoptedAt []int64
	for _, id := range c.order {
		n := c.net[id]
		if n.after == nil {
			c.exact.drop(c.table, id)
			if !n.adopted {
				gone = append(gone, string(id))
			}
			continue
		}
		into := rows
		if n.adopted {
			into = c.table.newRows() // it is only asked where the record is kept
			adopted, adoptedAt = append(adopted, string(id)), append(adoptedAt, int64(n.seq))
		}
		fresh = fresh && (n.before == nil || n.adopted)
		where, err := into.add(n.after, n.seq)
		if err != nil {
			return err
		}
		switch {
		case where != inTable:
			c.exact.put(c.table, n.after, n.seq)
		case n.before != nil || n.adopted:
			c.exact.drop(c.table, id)
		}
		if where == inExact && n.before != nil && !n.adopted {
			gone = append(gone, string(id))
		}
	}
	if len(gone) > 0 {
		batch.Queue(c.table.deleteSQL(), gone)
	}
	if len(rows.ids) > 0 {
		sql := c.table.insertSQL()
		if !fresh {
			sql += c.table.orUpdateSQL()
		}
		batch.Queue(sql, rows.params()...)
	}
	if len(adopted) > 0 {
		batch.Queue(adoptedSQL, c.table.Name, adopted, adoptedAt)
	}
	return nil
}

const adoptedSQL = `INSERT INTO tower.adopted (model, id, seq) SELECT $1, * FROM unnest($2::text[], $3::bigint[])
	ON CONFLICT (model, id) DO UPDATE SET seq = excluded.seq`

func (t *Table) deleteSQL() string {
	return "DELETE FROM " + t.sql() + " WHERE id = ANY($1::text[])"
}

// insertSQL writes rows.
func (t *Table) insertSQL() string {
	var names, params, parts, values []string
	for _, c := range t.Columns {
		names = append(names, quote(c.Name))
		var from []string
		for _, array := range c.codec.params() {
			part := fmt.Sprintf("c%d", len(params)+1)
			params = append(params, fmt.Sprintf("$%d::%s", len(params)+1, array))
			parts, from = append(parts, part), append(from, "r."+part)
		}
		values = append(values, c.codec.write(from))
	}
	return fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT %s, r.seq FROM unnest(%s, $%d::bigint[]) AS r (%s, seq)",
		t.sql(), strings.Join(names, ", "), seqColumn, strings.Join(values, ", "), strings.Join(params, ", "), len(params)+1,
		strings.Join(parts, ", "))
}

// orUpdateSQL follows insertSQL where rows may be there. It names the columns that this build
// knows: others keep what they have.
func (t *Table) orUpdateSQL() string {
	var set []string
	for _, c := range t.Columns {
		if c.Name != "id" {
			set = append(set, quote(c.Name)+" = excluded."+quote(c.Name))
		}
	}
	return fmt.Sprintf(" ON CONFLICT (id) DO UPDATE SET %s, %s = excluded.%[2]s", strings.Join(set, ", "), seqColumn)
}

func (r *rows) params() []any {
	var all []any
	for _, l := range r.columns {
		all = append(all, l.params()...)
	}
	return append(all, r.seqs)
}

// arrange orders the records so that one which gives up a unique value comes before the one
// that gets it: PostgreSQL checks each row as it is written. Of records that exchange values
// in a circle, arrange returns one, whose row must be deleted first.
func (c *changes) arrange() (first []string) {
	giver := map[string]record.ID{}
	for n, columns := range c.uniques() {
		for _, id := range c.order {
			if image := c.net[id].before; image != nil {
				if key := uniqueKey(n, columns, image); key != "" {
					giver[key] = id
				}
			}
		}
	}
	if len(giver) == 0 {
		return nil
	}
	a := &arrangement{changes: c, giver: giver, state: map[record.ID]visit{}}
	for _, id := range c.order {
		a.visit(id)
	}
	c.order = a.order
	return a.first
}

func (c *changes) uniques() (all [][]*Column) {
	for _, x := range c.table.Indexes {
		if x.Unique {
			all = append(all, x.Columns)
		}
	}
	return all
}

// uniqueKey returns the values that a record must have alone; "" if one of them is null, or
// the record does not fit.
func uniqueKey(n int, columns []*Column, image *record.Image) string {
	if !image.Fits() {
		return ""
	}
	key := []byte{byte(n)}
	for _, c := range columns {
		v := image.Value(c.Field)
		if v.IsNull() {
			return ""
		}
		key = v.AppendKey(key)
	}
	return string(key)
}

type arrangement struct {
	changes *changes
	giver   map[string]record.ID // by the unique key that the record has before
	state   map[record.ID]visit
	order   []record.ID
	first   []string
}

type visit int

const (
	begun visit = iota + 1
	ended
	parted // begun, and its row is deleted first
)

func (a *arrangement) visit(id record.ID) {
	if a.state[id] != 0 {
		return
	}
	a.state[id] = begun
	if n := a.changes.net[id]; n.after != nil {
		for i, columns := range a.changes.uniques() {
			key := uniqueKey(i, columns, n.after)
			from, given := a.giver[key]
			if key == "" || !given || from == id {
				continue
			}
			if a.visit(from); a.state[from] == begun {
				a.state[from], a.first = parted, append(a.first, string(from))
			}
		}
	}
	a.state[id] = ended
	a.order = append(a.order, id)
}

// exactRows are the changes of the table of exact bytes.
type exactRows struct {
	models, ids         []string
	seqs                []int64
	publics, privates   [][]byte
	goneModels, goneIDs []string
}

func (e *exactRows) put(t *Table, image *record.Image, seq uint64) {
	e.models, e.ids, e.seqs = append(e.models, t.Name), append(e.ids, string(image.ID)), append(e.seqs, int64(seq))
	e.publics, e.privates = append(e.publics, bytes.Clone(image.JSON)), append(e.privates, bytes.Clone(image.Private))
}

func (e *exactRows) drop(t *Table, id record.ID) {
	e.goneModels, e.goneIDs = append(e.goneModels, t.Name), append(e.goneIDs, string(id))
}

func (e *exactRows) queue(batch *pgx.Batch) {
	if len(e.goneIDs) > 0 {
		batch.Queue(`DELETE FROM tower.exact e USING unnest($1::text[], $2::text[]) AS r(model, id) WHERE e.model = r.model AND e.id = r.id`,
			e.goneModels, e.goneIDs)
	}
	if len(e.ids) > 0 {
		batch.Queue(`INSERT INTO tower.exact (model, id, seq, public, private) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])
			ON CONFLICT (model, id) DO UPDATE SET seq = excluded.seq, public = excluded.public, private = excluded.private`,
			e.models, e.ids, e.seqs, e.publics, e.privates)
	}
}
