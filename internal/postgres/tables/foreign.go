package tables

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Shape counts, in SQL, the changes of the tables. [Changed] adds one.
const (
	Shape   = "SELECT version FROM tower.shape"
	Changed = "UPDATE tower.shape SET version = version + 1"
)

// Waiting is an expression: whether other programs have written what has no number. It reads one
// entry of an index: of a table that has just been emptied, much else is there still.
const Waiting = "(SELECT n FROM tower.inbox ORDER BY n LIMIT 1) IS NOT NULL"

// MaxForeign is how many records of other programs one turn takes at most.
const MaxForeign = 5000

// Foreign reads the oldest of what other programs have written: $1 records at most. Rows conflict
// under locks that are held until the end of a transaction, so the writes of each record are in
// their order, and the last write of a transaction says which one comes first. A transaction of
// which more follows waits for that, unless there is nothing else to take: then a part of it is
// taken.
const Foreign = `WITH ahead AS MATERIALIZED (SELECT n, xid FROM tower.inbox ORDER BY n LIMIT 2 * $1::bigint),
	head AS MATERIALIZED (SELECT n, xid, model, id, fresh FROM tower.inbox ORDER BY n LIMIT $1),
	span AS (SELECT xid, max(n) AS last FROM ahead GROUP BY xid),
	whole AS (SELECT xid FROM span WHERE last <= (SELECT max(n) FROM head))
	SELECT h.n, h.xid::text, h.model, h.id, h.fresh::text FROM head h JOIN span s USING (xid)
	WHERE xid IN (SELECT xid FROM whole) OR NOT EXISTS (SELECT FROM whole) ORDER BY s.last, h.n`

// An Inbox is what other programs have written, as a turn found it.
type Inbox struct {
	All   []store.Foreign
	taken []int64 // the numbers of the rows
}

// ReadForeign reads the answer to [Foreign].
func (s *Set) ReadForeign(rows pgx.Rows) (*Inbox, error) {
	in := &Inbox{}
	var n int64
	var xid, name, id, last string
	var fresh *string
	_, err := pgx.ForEachRow(rows, []any{&n, &xid, &name, &id, &fresh}, func() error {
		t := s.Named(name)
		if t == nil {
			return fmt.Errorf("another program has written to the table %s, whose model this build does not have", name)
		}
		if xid != last {
			last, in.All = xid, append(in.All, nil)
		}
		in.taken = append(in.taken, n)
		f := &in.All[len(in.All)-1]
		*f = append(*f, t.foreign(record.ID(id), fresh))
		return nil
	})
	return in, err
}

// Adopt queues the statements that take what the inbox has out of the database's, and that fail
// if another program has written a record of the commits since. It comes after [Set.Write].
func (in *Inbox) Adopt(batch *pgx.Batch, commits []store.Appended) {
	if len(in.taken) > 0 {
		batch.Queue("DELETE FROM tower.inbox WHERE n = ANY($1::bigint[])", in.taken)
	}
	var names, ids []string
	for i := range commits {
		if commits[i].Adopted {
			continue // a later change of the record has its own row
		}
		for _, c := range commits[i].Changes {
			names, ids = append(names, snake(c.Model.Name)), append(ids, string(c.ID))
		}
	}
	if len(ids) > 0 {
		batch.Queue("SELECT tower.guard($1::text[], $2::text[])", names, ids)
	}
}

// foreign returns a record as another program has left its row.
func (t *Table) foreign(id record.ID, fresh *string) store.ForeignRecord {
	r := store.ForeignRecord{Model: t.Model.Name, ID: id}
	r.Image = func(_ *record.Model, before *record.Image) (*record.Image, error) {
		if fresh == nil {
			return nil, nil
		}
		return t.image(id, []byte(*fresh), before)
	}
	return r
}

// image returns the record of a row that PostgreSQL has turned into JSON. What before has of
// fields that no column holds it has as well. A value that the field cannot hold stays as it
// is, and the record does not fit its model.
func (t *Table) image(id record.ID, row []byte, before *record.Image) (*record.Image, error) {
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(row, &columns); err != nil {
		return nil, err
	}
	rec := t.Model.New()
	nested, odd := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for _, c := range t.Columns {
		raw := columns[c.Name]
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		if c.Type == "jsonb" {
			nested[c.Field.Name] = raw
		}
		if err := setJSON(t.Model.Place(rec, c.Field), raw, c); err != nil {
			odd[c.Field.Name] = raw
		}
	}
	kept, err := t.kept(before, nested)
	if err != nil {
		return nil, err
	}
	image, err := t.Model.Freeze(rec, kept)
	if err != nil {
		return nil, err
	}
	if len(odd) == 0 {
		return image, nil
	}
	whole, err := record.ParseRaw(id, image.JSON, image.Private)
	if err != nil {
		return nil, err
	}
	for name, raw := range odd {
		whole.Members[name] = raw
	}
	odder := &record.Image{Model: t.Model, ID: id}
	odder.JSON, odder.Private, err = whole.Encode(t.Model)
	return odder, err
}

// kept returns an image that has, of what no field names, what the new record shall have: at
// the top what the old one has, and within objects what the row has.
func (t *Table) kept(before *record.Image, nested map[string]json.RawMessage) (*record.Image, error) {
	kept := &record.Image{Model: t.Model}
	private := map[string]json.RawMessage{}
	if before != nil && before.Private != nil {
		if err := json.Unmarshal(before.Private, &private); err != nil {
			return nil, err
		}
	}
	public := map[string]json.RawMessage{}
	for _, f := range t.Model.Fields {
		delete(private, f.Name)
		if raw, has := nested[f.Name]; has {
			public[f.Name] = raw
		}
	}
	var err error
	if kept.JSON, err = json.Marshal(public); err == nil && len(private) > 0 {
		kept.Private, err = json.Marshal(private)
	}
	return kept, err
}

var errSpelling = errors.New("it is spelled in another way")

// setJSON sets a field to what a column has, as to_jsonb spells it.
func setJSON(field reflect.Value, raw json.RawMessage, c *Column) error {
	switch c.Type {
	case "jsonb":
		return json.Unmarshal(raw, field.Addr().Interface())
	case "bytea":
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		digits, isHex := strings.CutPrefix(text, `\x`)
		bytes, err := hex.DecodeString(digits)
		if !isHex || err != nil {
			return errors.Join(errSpelling, err)
		}
		return (&bytesCell{bytes}).set(field)
	}
	if c.Field.Kind != record.List {
		if field.Kind() == reflect.Pointer {
			own := reflect.New(field.Type().Elem())
			if err := setScalar(own.Elem(), raw, c.Field.Kind); err != nil {
				return err
			}
			field.Set(own)
			return nil
		}
		return setScalar(field, raw, c.Field.Kind)
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return err
	}
	own := reflect.MakeSlice(field.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := setScalar(own.Index(i), element, c.Field.Elem); err != nil {
			return err
		}
	}
	field.Set(own)
	return nil
}

func setScalar(v reflect.Value, raw json.RawMessage, kind record.Kind) error {
	if string(raw) == "null" {
		return errSpelling
	}
	switch kind {
	case record.Bool:
		var b bool
		err := json.Unmarshal(raw, &b)
		v.SetBool(b)
		return err
	case record.Int, record.Uint, record.Float:
		return record.SetNumber(v, string(raw))
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if kind == record.String {
		v.SetString(text)
		return nil
	}
	years := 0
	if before, isBefore := strings.CutSuffix(text, " BC"); isBefore {
		text, years = before, -1 // the year 0 is 1 before Christ
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return err
	}
	if years != 0 {
		at = time.Date(1-at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), at.Location())
	}
	return setTime(v, at)
}
