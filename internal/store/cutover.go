package store

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// The indexes of the build that comes are prepared too, so that it takes everything over in
// a time that hardly depends on the number of records. What an index has of a row is
// computed by the process that knows the model, and kept beside the row: the entries.
// Keys of an index come in any order, and writing them so would write each of its pages
// again and again. So an index is built in the order of its keys, a run at a time, each by
// one look through the entries; it has all keys up to its last one. Rows that are prepared
// again change it up to there. A build that was interrupted goes on behind the last key.

const (
	entriesPrefix = "entries/" // id → the entries of a prepared row
	brokenPrefix  = "broken/"  // ids of prepared rows that do not fit, or break a rule
	builtPrefix   = "built/"   // index → builtMark or takenMark

	builtMark = "built"
	takenMark = "taken" // two rows have one value of a unique index: it is built at the cutover, which names them

	indexRun   = 200_000 // keys that one look through the entries finds
	indexBatch = 10_000  // keys that are written in one transaction
)

// The kinds of entries.
const (
	noEntry = iota
	plainEntry
	uniqueEntry
)

// Index fills in the entries of rows that were prepared for the table's model.
func (t Table) Index(rows []Row) {
	if t.Model == nil {
		return
	}
	indexes := newTable(t.Model).indexes
	for i := range rows {
		row := &rows[i]
		if row.Version == 0 {
			continue
		}
		image := &record.Image{Model: t.Model, ID: row.ID, Version: row.Version, JSON: row.Public}
		if len(row.Private) > 0 {
			image.Private = row.Private
		}
		survey := record.Survey{Model: t.Model}
		survey.Add(image)
		row.Entries = []byte{byte(survey.Broken)}
		for _, x := range indexes {
			switch e := x.entry(image); {
			case e.key == nil:
				row.Entries = append(row.Entries, noEntry)
			case e.value == nil:
				row.Entries = appendText(append(row.Entries, plainEntry), e.key)
			default:
				row.Entries = appendText(append(row.Entries, uniqueEntry), e.key)
			}
		}
	}
}

// decodeEntries calls fn with each entry of a row, by the number of its index.
func decodeEntries(id, data []byte, fn func(i int, e entry) error) error {
	if len(data) == 0 {
		return nil
	}
	for i, rest := 0, data[1:]; len(rest) > 0; i++ {
		kind := rest[0]
		rest = rest[1:]
		if kind == noEntry {
			continue
		}
		e := entry{}
		var err error
		if e.key, rest, err = cutText(rest); err != nil {
			return err
		}
		if kind == uniqueEntry {
			e.value = id
		}
		if err := fn(i, e); err != nil {
			return err
		}
	}
	return nil
}

// A preparedTable is what has been prepared of a table, in a transaction that writes.
type preparedTable struct {
	prepared, rows, entries, broken *bolt.Bucket
	indexes                         []preparedIndex
	made                            *madeRecords // of the records; nil: they make none
}

// A preparedIndex is an index that is being built, or has been. It has all entries of the
// rows up to its last key.
type preparedIndex struct {
	name   []byte
	bucket *bolt.Bucket // nil: not begun
	last   []byte       // nil: there is no end
}

func builtKey[T ~string | ~[]byte](index T) []byte { return append([]byte(builtPrefix), index...) }

func openPrepared(prepared *bolt.Bucket, t Table) (*preparedTable, error) {
	p := &preparedTable{prepared: prepared}
	for _, b := range [...]struct {
		prefix string
		into   **bolt.Bucket
	}{{recordsPrefix, &p.rows}, {entriesPrefix, &p.entries}, {brokenPrefix, &p.broken}} {
		bucket, err := prepared.CreateBucketIfNotExists([]byte(b.prefix + t.To))
		if err != nil {
			return nil, err
		}
		bucket.FillPercent = appendFill
		*b.into = bucket
	}
	for _, name := range t.Indexes {
		x := preparedIndex{name: []byte(name), bucket: prepared.Bucket([]byte(name))}
		switch mark := string(prepared.Get(builtKey(name))); {
		case mark == takenMark: // the rows change now
			if err := prepared.Delete(builtKey(name)); err != nil {
				return nil, err
			}
		case x.bucket != nil && mark == "":
			last, _ := x.bucket.Cursor().Last()
			x.last = append([]byte{}, last...)
		}
		p.indexes = append(p.indexes, x)
	}
	if len(t.Makes) == 0 {
		return p, nil
	}
	var err error
	p.made, err = openMade(prepared, t)
	return p, err
}

// replace stores rows in the place of those that were prepared of the same records.
func (p *preparedTable) replace(rows []Row) error {
	for _, row := range rows { // first all old ones, so that rows may exchange values that are unique
		id := []byte(row.ID)
		if err := decodeEntries(id, p.entries.Get(id), p.take); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if err := p.put(row); err != nil {
			return err
		}
	}
	if p.made != nil {
		return p.made.replace(rows)
	}
	return nil
}

// take removes an entry of a row from its index.
func (p *preparedTable) take(i int, e entry) error {
	if i >= len(p.indexes) {
		return errDamaged
	}
	switch x := &p.indexes[i]; {
	case x.bucket == nil:
		return nil
	case e.value != nil && !bytes.Equal(x.bucket.Get(e.key), e.value):
		return nil
	default:
		return x.bucket.Delete(e.key)
	}
}

func (p *preparedTable) put(row Row) error {
	id := []byte(row.ID)
	if row.Version == 0 {
		return errors.Join(p.rows.Delete(id), p.entries.Delete(id), p.broken.Delete(id))
	}
	if err := p.rows.Put(id, appendRecord(nil, &record.Image{Version: row.Version, JSON: row.Public, Private: row.Private})); err != nil {
		return err
	}
	if len(row.Entries) == 0 {
		return nil
	}
	err := p.entries.Put(id, row.Entries)
	if err == nil && row.Entries[0] != 0 {
		err = p.broken.Put(id, nil)
	} else if err == nil {
		err = p.broken.Delete(id)
	}
	if err != nil {
		return err
	}
	return decodeEntries(id, row.Entries, p.add)
}

// add adds an entry to its index, if that has been built as far. If another row has the
// value of a unique index, perhaps one that will be prepared again, the index is begun again.
func (p *preparedTable) add(i int, e entry) error {
	if i >= len(p.indexes) {
		return errDamaged
	}
	x := &p.indexes[i]
	if x.bucket == nil || x.last != nil && bytes.Compare(e.key, x.last) > 0 {
		return nil
	}
	if e.value != nil {
		if other := x.bucket.Get(e.key); other != nil && !bytes.Equal(other, e.value) {
			x.bucket = nil
			return errors.Join(p.prepared.DeleteBucket(x.name), p.prepared.Delete(builtKey(x.name)))
		}
	}
	return x.bucket.Put(e.key, e.value)
}

// PrepareIndexes builds a part of the indexes of the rows that were prepared by key, in
// several transactions. It reports whether there is no more to build.
func (s *Store) PrepareIndexes(key string, t Table) (done bool, err error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	run := &indexRunner{most: s.indexRun}
	err = s.read(func(btx *bolt.Tx) error {
		prepared := preparedOf(btx, key)
		if prepared == nil {
			return nil
		}
		for i, name := range t.Indexes {
			if prepared.Get(builtKey(name)) == nil {
				run.name = []byte(name)
				return run.find(prepared, []byte(entriesPrefix+t.To), i)
			}
		}
		return nil
	})
	if err == nil && run.name != nil {
		err = run.write(s, key)
	}
	if err != nil {
		return false, fmt.Errorf("prepare the indexes of %s: %w", t.To, err)
	}
	return run.name == nil, nil
}

// An indexRunner finds the next keys of an index, and writes them.
type indexRunner struct {
	most  int // entries that it finds
	name  []byte
	found entryHeap
	ended bool // there are no more
	taken bool // two rows have one value
}

// find finds the first entries of index i behind its last key.
func (r *indexRunner) find(prepared *bolt.Bucket, entries []byte, i int) error {
	var last, lastValue []byte
	if bucket := prepared.Bucket(r.name); bucket != nil {
		last, lastValue = bucket.Cursor().Last()
	}
	r.ended = true
	rows := prepared.Bucket(entries)
	if rows == nil {
		return nil
	}
	return rows.ForEach(func(id, data []byte) error {
		return decodeEntries(id, data, func(n int, e entry) error {
			if n != i {
				return nil
			}
			if order := bytes.Compare(e.key, last); last != nil && order <= 0 {
				r.taken = r.taken || order == 0 && !bytes.Equal(e.value, lastValue)
				return nil
			}
			r.add(e)
			return nil
		})
	})
}

func (r *indexRunner) add(e entry) {
	if len(r.found) == r.most {
		r.ended = false
		if r.found[0].compare(e) <= 0 {
			return
		}
		heap.Pop(&r.found)
	}
	heap.Push(&r.found, entry{bytes.Clone(e.key), bytes.Clone(e.value)})
}

func (r *indexRunner) write(s *Store, key string) error {
	slices.SortFunc(r.found, entry.compare)
	for first := true; first || len(r.found) > 0; first = false {
		batch := r.found[:min(indexBatch, len(r.found))]
		r.found = r.found[len(batch):]
		err := s.update(func(btx *bolt.Tx) error { return r.append(preparedOf(btx, key), batch) })
		if err != nil || r.taken {
			return err
		}
	}
	return nil
}

// append adds entries behind the last key of the index.
func (r *indexRunner) append(prepared *bolt.Bucket, batch []entry) error {
	bucket, err := prepared.CreateBucketIfNotExists(r.name)
	if err != nil {
		return err
	}
	bucket.FillPercent = appendFill
	for i, e := range batch {
		if r.taken = r.taken || e.value != nil && (i > 0 && bytes.Equal(e.key, batch[i-1].key) || i == 0 && bucket.Get(e.key) != nil); r.taken {
			break
		}
		if err := bucket.Put(e.key, e.value); err != nil {
			return err
		}
	}
	switch {
	case r.taken:
		return errors.Join(prepared.DeleteBucket(r.name), prepared.Put(builtKey(r.name), []byte(takenMark)))
	case r.ended && len(r.found) == 0:
		return prepared.Put(builtKey(r.name), []byte(builtMark))
	}
	return nil
}

// An entryHeap has its last entry first.
type entryHeap []entry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return h[i].compare(h[j]) > 0 }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(e any)        { *h = append(*h, e.(entry)) }
func (h *entryHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// compare orders entries by key, then by value.
func (e entry) compare(other entry) int {
	if order := bytes.Compare(e.key, other.key); order != 0 {
		return order
	}
	return bytes.Compare(e.value, other.value)
}

// cutOver takes the prepared buckets over. It must come first in its transaction, because
// a bucket that was written to cannot be moved. The indexes are built afterwards.
func (s *Store) cutOver(btx *bolt.Tx, c *Cutover) error {
	for _, t := range c.Tables {
		prepared := preparedOf(btx, c.Key)
		name := []byte(recordsPrefix + t.To)
		if btx.Bucket([]byte(recordsPrefix+t.From)) == nil && !t.Made {
			continue
		}
		switch {
		case t.Made && (hasRecords(btx, t.From) || hasRecords(btx, t.To)):
			return fmt.Errorf("%s cannot be made of other records: there are some", t.To)
		case t.From != t.To && hasRecords(btx, t.To):
			return fmt.Errorf("%s cannot be renamed to %s: there are records of %[2]s", t.From, t.To)
		}
		if err := errors.Join(dropTable(btx, t.From), dropTable(btx, t.To)); err != nil {
			return err
		}
		if prepared == nil || prepared.Bucket(name) == nil { // there are no records
			if _, err := btx.CreateBucket(name); err != nil {
				return err
			}
			if t.Model != nil {
				if err := btx.Bucket(schemaBucket).Put(name, []byte(t.Model.Signature())); err != nil {
					return err
				}
			}
			continue
		}
		records := prepared.Bucket(name).Stats().KeyN
		c.count(t, records)
		if err := s.takeOver(btx, prepared, t, records); err != nil {
			return fmt.Errorf("take over what was prepared of %s: %w", t.To, err)
		}
	}
	for _, model := range c.Drop {
		if err := dropTable(btx, model); err != nil {
			return err
		}
	}
	if len(c.Tables)+len(c.Drop) == 0 {
		return nil
	}
	return errors.Join(unprepare(btx), clearLog(btx))
}

// takeOver moves the records of a table and its indexes to where they are served.
func (s *Store) takeOver(btx *bolt.Tx, prepared *bolt.Bucket, t Table, records int) error {
	name := []byte(recordsPrefix + t.To)
	if err := btx.MoveBucket(name, prepared, nil); err != nil || t.Model == nil {
		return err
	}
	schema, table := btx.Bucket(schemaBucket), s.tables[t.Model]
	if err := schema.Put(name, []byte(t.Model.Signature())); err != nil {
		return err
	}
	for _, x := range table.indexes {
		if string(prepared.Get(builtKey(x.bucket))) != builtMark {
			continue
		}
		if err := btx.MoveBucket(x.bucket, prepared, nil); err != nil {
			return err
		}
		if err := schema.Put(x.bucket, []byte(x.signature())); err != nil {
			return err
		}
	}
	return table.takeSurvey(btx, prepared.Bucket([]byte(brokenPrefix+t.To)), records)
}

// takeSurvey keeps what was found as the records were prepared, which were so many.
func (t *table) takeSurvey(btx *bolt.Tx, broken *bolt.Bucket, records int) error {
	survey := &record.Survey{Model: t.model}
	if err := broken.ForEach(func(id, _ []byte) error {
		image, err := decodeRecord(t.model, record.ID(id), bytes.Clone(btx.Bucket(t.bucket).Get(id)))
		if err == nil {
			survey.Add(image)
		}
		return err
	}); err != nil {
		return err
	}
	survey.Records, t.surveyTaken = records, true
	return btx.Bucket(schemaBucket).Put(t.fitsKey(), []byte(t.found(survey)))
}

// count adds the records of a table to the migrations that went through it.
func (c *Cutover) count(t Table, records int) {
	for i := range c.Done {
		if slices.ContainsFunc(c.Done[i].Effects, func(e Effect) bool { return e.Model == t.From || e.Model == t.To }) {
			c.Done[i].Records += records
		}
	}
}

// dropTable removes the records of a model and their indexes, if there are any.
func dropTable(btx *bolt.Tx, model string) error {
	schema := btx.Bucket(schemaBucket)
	var names [][]byte
	prefix := []byte("indexes/" + model + ".")
	c := schema.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		names = append(names, bytes.Clone(k))
	}
	for _, name := range append(names, []byte(recordsPrefix+model)) {
		if btx.Bucket(name) != nil {
			if err := btx.DeleteBucket(name); err != nil {
				return err
			}
		}
		if err := schema.Delete(name); err != nil {
			return err
		}
	}
	return schema.Delete([]byte("fits/" + model))
}
