package store

import (
	"bytes"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

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

// examine finds the records that do not fit the model. It reports whether the indexes
// must be built again, because other records may have fitted before.
func (t *table) examine(btx *bolt.Tx) (again bool, err error) {
	t.survey, t.unfit = nil, nil
	schema := btx.Bucket(schemaBucket)
	before := schema.Get(t.fitsKey())
	if t.surveyed(btx) {
		return false, nil
	}
	survey := &record.Survey{Model: t.model}
	err = btx.Bucket(t.bucket).ForEach(func(k, v []byte) error {
		image, err := decodeRecord(t.model, record.ID(k), bytes.Clone(v))
		if err == nil {
			survey.Add(image)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	signature, brokenBefore := t.model.FitSignature(), bytes.HasPrefix(before, []byte(brokenMark))
	if survey.Broken > 0 {
		t.survey = survey
		signature = brokenMark + signature
	}
	if len(survey.Unfit) > 0 {
		t.unfit = map[record.ID]bool{}
		for _, id := range survey.Unfit {
			t.unfit[id] = true
		}
	}
	again = (len(survey.Unfit) > 0 || brokenBefore) && string(before) != signature
	return again, schema.Put(t.fitsKey(), []byte(signature))
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
