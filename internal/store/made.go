package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A migration can make records of a new model from those of another one. Several may make the
// same, so each that is made is kept with the id of the record that it was made of, and the
// first of an id is prepared. If the record that it was made of changes or goes, the next
// one takes its place.

const (
	madePrefix  = "made/"  // id of a made record ‖ id of the record that it was made of → the made record
	makesPrefix = "makes/" // id → the keys of what was made of the record, each preceded by its table
)

// madeRecords are the records that were made of those of one table.
type madeRecords struct {
	makes  *bolt.Bucket
	tables []*preparedTable
	made   []*bolt.Bucket // by table
}

func openMade(prepared *bolt.Bucket, t Table) (*madeRecords, error) {
	m := &madeRecords{}
	var err error
	if m.makes, err = prepared.CreateBucketIfNotExists([]byte(makesPrefix + t.To)); err != nil {
		return nil, err
	}
	for _, to := range t.Makes {
		made, err := prepared.CreateBucketIfNotExists([]byte(madePrefix + to.To))
		if err != nil {
			return nil, err
		}
		table, err := openPrepared(prepared, to)
		if err != nil {
			return nil, err
		}
		m.made, m.tables = append(m.made, made), append(m.tables, table)
	}
	return m, nil
}

// replace stores what rows make in the place of what was made of the same records.
func (m *madeRecords) replace(rows []Row) error {
	touched := make([]map[record.ID]bool, len(m.tables))
	for i := range touched {
		touched[i] = map[record.ID]bool{}
	}
	for _, row := range rows {
		err := m.take(row.ID, touched)
		if err == nil {
			err = m.put(row, touched)
		}
		if err != nil {
			return err
		}
	}
	for i, ids := range touched {
		var firsts []Row
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			first, err := m.first(i, id)
			if err != nil {
				return err
			}
			firsts = append(firsts, first)
		}
		if err := m.tables[i].replace(firsts); err != nil {
			return err
		}
	}
	return nil
}

// take removes what was made of a record.
func (m *madeRecords) take(id record.ID, touched []map[record.ID]bool) error {
	for keys := m.makes.Get([]byte(id)); len(keys) > 0; {
		table, size := binary.Uvarint(keys)
		if size <= 0 || table >= uint64(len(m.made)) || len(keys) < size+record.IDSize {
			return errDamaged
		}
		made := bytes.Clone(keys[size : size+record.IDSize])
		keys = keys[size+record.IDSize:]
		touched[table][record.ID(made)] = true
		if err := m.made[table].Delete(append(made, id...)); err != nil {
			return err
		}
	}
	return nil
}

func (m *madeRecords) put(row Row, touched []map[record.ID]bool) error {
	if len(row.Made) == 0 {
		return m.makes.Delete([]byte(row.ID))
	}
	var keys []byte
	for _, made := range row.Made {
		if made.Table >= len(m.made) || len(made.ID) != record.IDSize {
			return errDamaged
		}
		touched[made.Table][made.ID] = true
		keys = append(binary.AppendUvarint(keys, uint64(made.Table)), made.ID...)
		data := appendText(binary.BigEndian.AppendUint64(nil, row.Version), made.Entries)
		data = append(appendText(data, made.Public), made.Private...)
		if err := m.made[made.Table].Put([]byte(made.ID+row.ID), data); err != nil {
			return err
		}
	}
	return m.makes.Put([]byte(row.ID), keys)
}

// first returns the row of a made record; one with Version 0 if nothing makes it any more.
func (m *madeRecords) first(table int, id record.ID) (Row, error) {
	k, v := m.made[table].Cursor().Seek([]byte(id))
	if !bytes.HasPrefix(k, []byte(id)) {
		return Row{ID: id}, nil
	}
	row := Row{ID: id, Version: recordVersion(v)}
	if row.Version == 0 {
		return Row{}, errShort
	}
	var rest []byte
	var err, err2 error
	row.Entries, rest, err = cutText(bytes.Clone(v[8:]))
	if err == nil {
		row.Public, row.Private, err2 = cutText(rest)
	}
	return row, errors.Join(err, err2)
}
