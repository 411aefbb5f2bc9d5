package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// The schema bucket records what each bucket of records and each index was built for.
// If that differs from what a model declares now, the bucket is built again. Buckets
// of models that the store was opened without stay unchanged.

// hides reports whether a field that was public by the signature is public no longer.
func (t *table) hides(signature string) bool {
	public, _, _ := strings.Cut(signature, ";")
	for name := range strings.FieldsSeq(public) {
		if f := t.model.Field(name); f == nil || f.Private {
			return true
		}
	}
	return false
}

// wanted returns the signature that each of the table's buckets should have.
func (t *table) wanted() map[string]string {
	wanted := map[string]string{string(t.bucket): t.model.Signature()}
	for _, x := range t.indexes {
		wanted[string(x.bucket)] = x.signature()
	}
	return wanted
}

// stale returns the names of the indexes in the file that the model no longer has, or
// declares differently, and how many of the table's buckets are up to date.
func (t *table) stale(btx *bolt.Tx) (indexes [][]byte, good int) {
	wanted := t.wanted()
	schema := btx.Bucket(schemaBucket)
	if string(schema.Get(t.bucket)) == wanted[string(t.bucket)] {
		good++
	}
	prefix := []byte("indexes/" + t.model.Name + ".")
	c := schema.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if wanted[string(k)] == string(v) {
			good++
		} else {
			indexes = append(indexes, bytes.Clone(k))
		}
	}
	return indexes, good
}

// fits reports whether the file's buckets are as the models declare them, and the
// records fit.
func (s *Store) fits(btx *bolt.Tx) bool {
	for _, t := range s.tables {
		if stale, good := t.stale(btx); len(stale) > 0 || good != 1+len(t.indexes) || !t.surveyed(btx) {
			return false
		}
	}
	return true
}

// fit makes the file's buckets as the models declare them.
func (s *Store) fit(btx *bolt.Tx) error {
	for _, m := range s.allModels() {
		if err := s.tables[m].fit(btx); err != nil {
			return err
		}
	}
	return nil
}

// fit makes the table's buckets as its model declares them.
func (t *table) fit(btx *bolt.Tx) error {
	stale, _ := t.stale(btx)
	if err := t.drop(btx, stale); err != nil {
		return err
	}
	split, hides, err := t.fitBucket(btx)
	if err != nil {
		return err
	}
	if hides {
		if err := clearLog(btx); err != nil {
			return err
		}
	}
	r := &renewal{table: t, split: split, indexes: t.missing(btx)}
	if !t.surveyTaken {
		if t.survey, t.unfit = nil, nil; !t.surveyed(btx) {
			r.survey = &record.Survey{Model: t.model}
		}
	}
	if err := r.run(btx); err != nil || r.survey == nil {
		return err
	}
	again, err := r.examined(btx)
	if err != nil || !again {
		return err
	}
	if err := t.drop(btx, t.built(btx)); err != nil {
		return err
	}
	return (&renewal{table: t, indexes: t.missing(btx)}).run(btx)
}

// missing returns the indexes that the file does not have.
func (t *table) missing(btx *bolt.Tx) (indexes []*index) {
	for _, x := range t.indexes {
		if btx.Bucket(x.bucket) == nil {
			indexes = append(indexes, x)
		}
	}
	return indexes
}

// drop removes indexes.
func (t *table) drop(btx *bolt.Tx, names [][]byte) error {
	for _, name := range names {
		if err := drop(btx, name); err != nil {
			return err
		}
	}
	return nil
}

// drop removes an index.
func drop(btx *bolt.Tx, name []byte) error {
	if err := btx.DeleteBucket(name); err != nil {
		return err
	}
	return btx.Bucket(schemaBucket).Delete(name)
}

// fitBucket creates the bucket of the table's records. If it exists and the fields have
// changed, the records must be split again, and if one that was public is private now, the log,
// whose records show it, must be cleared.
func (t *table) fitBucket(btx *bolt.Tx) (split, hides bool, err error) {
	schema := btx.Bucket(schemaBucket)
	found := schema.Get(t.bucket)
	switch {
	case string(found) == t.model.Signature():
		return false, false, nil
	case found == nil:
		if _, err := btx.CreateBucket(t.bucket); err != nil {
			return false, false, err
		}
	default:
		split, hides = true, t.hides(string(found))
	}
	return split, hides, schema.Put(t.bucket, []byte(t.model.Signature()))
}

// each calls fn with all records of the table, by id.
func (t *table) each(btx *bolt.Tx, fn func(*record.Image) error) error {
	return btx.Bucket(t.bucket).ForEach(func(k, v []byte) error {
		image, err := t.image(record.ID(k), bytes.Clone(v))
		if err != nil {
			return err
		}
		return fn(image)
	})
}

// A renewal goes through a table's records once, for all that their model declares anew.
type renewal struct {
	*table
	split   bool           // the fields are private or public anew
	survey  *record.Survey // examines the records; nil: they were
	indexes []*index       // to be built

	entries [][]entry // of indexes
}

// run goes through the records, and builds the indexes.
func (r *renewal) run(btx *bolt.Tx) error {
	if !r.split && r.survey == nil && len(r.indexes) == 0 {
		return nil
	}
	var moved []*record.Image
	bucket := btx.Bucket(r.bucket)
	if err := bucket.ForEach(func(k, v []byte) error {
		image, err := decodeRecord(r.model, record.ID(k), bytes.Clone(v)) // it is not known yet whether it fits
		if err != nil {
			return err
		}
		changed, err := r.add(image)
		if changed {
			moved = append(moved, image)
		}
		return err
	}); err != nil {
		return err
	}
	for _, image := range moved {
		if err := bucket.Put([]byte(image.ID), appendRecord(nil, image)); err != nil {
			return err
		}
	}
	return r.build(btx)
}

// add takes a record, the next one by id. It reports whether that is to be stored differently.
func (r *renewal) add(image *record.Image) (changed bool, err error) {
	if r.entries == nil {
		r.entries = make([][]entry, len(r.indexes))
	}
	if r.survey != nil {
		r.survey.Add(image)
	}
	for i, x := range r.indexes {
		if e := x.entry(image); e.key != nil {
			r.entries[i] = append(r.entries[i], e)
		}
	}
	if !r.split {
		return false, nil
	}
	public, private, err := r.model.Split(image.JSON, image.Private)
	if err != nil || bytes.Equal(public, image.JSON) && bytes.Equal(private, image.Private) {
		return false, err
	}
	image.JSON, image.Private = public, private
	return true, nil
}

// build stores the indexes of the records that were added. It puts keys in order, because bbolt
// keeps what one transaction puts into a page in a sorted list.
func (r *renewal) build(btx *bolt.Tx) error {
	if r.entries == nil { // there are no records
		r.entries = make([][]entry, len(r.indexes))
	}
	for i, x := range r.indexes {
		if err := r.buildIndex(btx, x, r.entries[i]); err != nil {
			return err
		}
		r.entries[i] = nil
	}
	return nil
}

func (t *table) buildIndex(btx *bolt.Tx, x *index, entries []entry) error {
	bucket, err := btx.CreateBucket(x.bucket)
	if err != nil {
		return err
	}
	bucket.FillPercent = appendFill
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for i, e := range entries {
		if i > 0 && bytes.Equal(e.key, entries[i-1].key) {
			return t.notUnique(btx, x, entries[i-1].value, e.value)
		}
		if err := bucket.Put(e.key, e.value); err != nil {
			return err
		}
	}
	return btx.Bucket(schemaBucket).Put(x.bucket, []byte(x.signature()))
}

// notUnique returns an error that names two records with the same value in a unique
// field.
func (t *table) notUnique(btx *bolt.Tx, x *index, a, b []byte) error {
	image, err := decodeRecord(t.model, record.ID(a), btx.Bucket(t.bucket).Get(a))
	if err != nil {
		return err
	}
	values := []string{image.Value(x.field).String()}
	for _, f := range x.more {
		values = append(values, image.Value(f).String())
	}
	return fmt.Errorf("%s of %[2]s cannot be unique: %[2]s/%[3]s and %[2]s/%[4]s both have %[5]s; change one of them first",
		x.name(), t.model.Name, a, b, strings.Join(values, " and "))
}

// When a model's types or rules have changed, its records are examined as the store is
// opened: those that do not fit are in no index and in no list. The schema bucket has
// what the records of a model were examined for, and whether all fitted. If some did
// not, they are examined again when the store is opened again.

const fitsPrefix = "fits/"

func (t *table) fitsKey() []byte { return []byte(fitsPrefix + t.model.Name) }

// surveyed reports whether all records are known to fit the model.
func (t *table) surveyed(btx *bolt.Tx) bool {
	return string(btx.Bucket(schemaBucket).Get(t.fitsKey())) == t.model.FitSignature()
}

// examined keeps what the survey has found. It reports whether indexes that were there before
// must be built again, because other records may have fitted then.
func (r *renewal) examined(btx *bolt.Tx) (again bool, err error) {
	schema := btx.Bucket(schemaBucket)
	before := schema.Get(r.fitsKey())
	brokenBefore := bytes.HasPrefix(before, []byte(brokenMark))
	signature := r.found(r.survey)
	again = (len(r.survey.Unfit) > 0 || brokenBefore) && string(before) != signature
	return again, schema.Put(r.fitsKey(), []byte(signature))
}

// found keeps what a survey of all records has found. It returns what the schema bucket
// states of it.
func (t *table) found(survey *record.Survey) (signature string) {
	if survey.Broken == 0 {
		return t.model.FitSignature()
	}
	t.survey = survey
	if len(survey.Unfit) > 0 {
		t.unfit = map[record.ID]bool{}
		for _, id := range survey.Unfit {
			t.unfit[id] = true
		}
	}
	return brokenMark + t.model.FitSignature()
}

// brokenMark stands before a signature that not all records fitted.
const brokenMark = "broken\n"

// built returns the names of the table's indexes in the file.
func (t *table) built(btx *bolt.Tx) (names [][]byte) {
	prefix := []byte("indexes/" + t.model.Name + ".")
	c := btx.Bucket(schemaBucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		names = append(names, bytes.Clone(k))
	}
	return names
}

// Surveys returns what was found when the store was opened, of each model with records
// that do not fit it or break a rule of its tags.
func (s *Store) Surveys() []*record.Survey {
	var all []*record.Survey
	for _, m := range s.options.Models {
		if t := s.tables[m]; t.survey != nil {
			all = append(all, t.survey)
		}
	}
	return all
}
