package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

const (
	loadRows  = 2000    // most records that one statement writes
	loadBytes = 4 << 20 // about most bytes of records or commits that it writes
)

// Load copies what a store's file has into a database that has nothing: the records, the log,
// and what is known of calls. The history goes on there under the same numbers, so clients of
// the store resume. In the end Load reads everything back and compares it. If it fails, the
// database is as it was. The file must fit the models.
func (l *Log) Load(ctx context.Context, f *store.File, models []*record.Model, say func(string)) (*driver.Comparison, error) {
	all := store.ModelsOfLog(models)
	var err error
	if l.tables, err = tables.New(all, ""); err != nil {
		return nil, err
	}
	conn, err := l.writer.get(ctx)
	if err != nil {
		return nil, explain(l.writer.config, err)
	}
	d := &load{log: l, file: f, marks: all[len(all)-1], say: say}
	if d.state, err = f.State(); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		d.tx = tx
		return d.run(ctx, models)
	})
	if err != nil {
		return nil, err
	}
	return &driver.Comparison{Comparison: wire.Comparison{Seq: d.state.Seq, Parts: d.sent.parts()}}, nil
}

// A load is one run of Load, in one transaction.
type load struct {
	log   *Log
	file  *store.File
	state store.State
	marks *record.Model
	tx    pgx.Tx
	sent  sums
	say   func(string)
}

func (d *load) run(ctx context.Context, models []*record.Model) error {
	if err := d.prepare(ctx, models); err != nil {
		return err
	}
	for _, m := range models {
		if err := d.records(ctx, m); err != nil {
			return fmt.Errorf("copy %s: %w", m.Name, err)
		}
	}
	if err := d.commits(ctx); err != nil {
		return fmt.Errorf("copy the log: %w", err)
	}
	if err := d.calls(ctx); err != nil {
		return fmt.Errorf("copy what is known of calls: %w", err)
	}
	d.say("comparing")
	read, err := d.readBack(ctx)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return d.sent.compare(read)
}

// prepare makes the tables, if the database has none.
func (d *load) prepare(ctx context.Context, models []*record.Model) error {
	known, err := d.file.Models()
	if err != nil {
		return err
	}
	for _, name := range known {
		if slices.ContainsFunc(models, func(m *record.Model) bool { return m.Name == name }) || name == store.Marks {
			continue
		}
		any := false
		if err := d.file.Each(ctx, name, func(store.Row) error { any = true; return errEnough }); err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if any {
			return fmt.Errorf("the file has records of the model %s, which this build does not have: give the model back, or drop its records by a migration", name)
		}
	}
	for _, statement := range []string{alone, unhurried, "SELECT set_config('tower.writer', 'on', true)"} {
		if _, err := d.tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	var there bool
	if err := d.tx.QueryRow(ctx, "SELECT to_regclass('tower.turn') IS NOT NULL").Scan(&there); err != nil {
		return err
	}
	if there {
		return errors.New("the database has a history of its own: copy into an empty one")
	}
	return d.log.create(ctx, d.tx, d.state.Epoch)
}

// records writes the records of a model to its table.
func (d *load) records(ctx context.Context, m *record.Model) error {
	var part []store.Appended
	size, count := 0, 0
	send := func() error {
		if err := d.write(ctx, part); err != nil {
			return err
		}
		count, size, part = count+len(part), 0, nil
		d.say(fmt.Sprintf("copying: %d %s", count, m.Name))
		return nil
	}
	err := d.file.Each(ctx, m.Name, func(row store.Row) error {
		d.sent.addRow(m.Name, &row)
		image := &record.Image{Model: m, ID: row.ID, Version: row.Version, JSON: bytes.Clone(row.Public)}
		if len(row.Private) > 0 {
			image.Private = bytes.Clone(row.Private)
		}
		part = append(part, created(image))
		if size += len(row.Public) + len(row.Private); len(part) < loadRows && size < loadBytes {
			return nil
		}
		return send()
	})
	if err == nil && len(part) > 0 {
		err = send()
	}
	return err
}

// created returns a commit that has made a record.
func created(image *record.Image) store.Appended {
	change := store.Change{Op: store.Create, Model: image.Model, ID: image.ID, After: image}
	return store.Appended{Entry: store.Entry{Seq: image.Version}, Changes: []store.Change{change}}
}

func (d *load) write(ctx context.Context, part []store.Appended) error {
	b := &pgx.Batch{}
	if err := d.log.tables.Write(b, part); err != nil {
		return err
	}
	return d.tx.SendBatch(ctx, b).Close()
}

// commits writes the log, and the marks. A log without commits gets one that changes nothing,
// which says where the history stands.
func (d *load) commits(ctx context.Context) error {
	for next := d.state.Start; next <= d.state.Seq; {
		entries, err := d.file.Entries(next, loadBytes)
		if err != nil {
			return err
		}
		for i := range entries {
			d.sent.addEntry(&entries[i])
			entries[i].Tag = rand.Uint64() | 1
		}
		if err := d.append(ctx, entries); err != nil {
			return err
		}
		next = entries[len(entries)-1].Seq + 1
		d.say(fmt.Sprintf("copying: commit %d of %d", next-1, d.state.Seq))
	}
	last := max(d.state.Seq, 1)
	marks, err := d.file.Marks(d.marks, last)
	if err != nil {
		return err
	}
	var made []store.Appended
	for _, image := range marks {
		d.sent.addRow(store.Marks, &store.Row{ID: image.ID, Version: image.Version, Public: image.JSON, Private: image.Private})
		made = append(made, created(image))
	}
	for part := range slices.Chunk(made, loadRows) {
		if err := d.write(ctx, part); err != nil {
			return err
		}
	}
	if d.state.Start <= d.state.Seq || d.state.Seq == 0 && len(marks) == 0 {
		return nil
	}
	empty := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))
	empty = append(empty, 0, 0) // by nobody, and without changes
	return d.append(ctx, []store.Entry{{Seq: d.state.Seq + 1, After: d.state.Seq, Data: empty, Tag: rand.Uint64() | 1}})
}

func (d *load) append(ctx context.Context, entries []store.Entry) error {
	b := &pgx.Batch{}
	commits := make([]store.Appended, len(entries))
	for i, e := range entries {
		commits[i].Entry = e
		if e.Seq != e.After+1 {
			b.Queue(addLineage, e.Seq, e.After, "")
		}
	}
	queueCommits(b, commits)
	return d.tx.SendBatch(ctx, b).Close()
}

const loadCalls = "INSERT INTO tower.calls (key, call, at) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::timestamptz[])"

// calls writes which calls have taken effect.
func (d *load) calls(ctx context.Context) error {
	var keys, calls [][]byte
	var times []time.Time
	size := 0
	send := func() error {
		_, err := d.tx.Exec(ctx, loadCalls, keys, calls, times)
		keys, calls, times, size = nil, nil, nil, 0
		return err
	}
	err := d.file.Calls(ctx, func(key, call []byte, at time.Time) error {
		d.sent.add(partCalls, key, call)
		keys, calls, times = append(keys, bytes.Clone(key)), append(calls, bytes.Clone(call)), append(times, at)
		if size += len(key) + len(call); len(keys) < loadRows && size < loadBytes {
			return nil
		}
		return send()
	})
	if err == nil && len(keys) > 0 {
		err = send()
	}
	return err
}

// readBack reads what was written.
func (d *load) readBack(ctx context.Context) (read sums, err error) {
	for _, t := range d.log.tables.Tables {
		if err := t.Read(ctx, d.tx, func(rows []store.Row) error {
			for i := range rows {
				read.addRow(t.Model.Name, &rows[i])
			}
			return nil
		}); err != nil {
			return read, err
		}
	}
	var e store.Entry
	rows, err := d.tx.Query(ctx, "SELECT seq, data, coalesce(key, ''), coalesce(call, '') FROM tower.commits WHERE seq <= $1 ORDER BY seq", d.state.Seq)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&e.Seq, &e.Data, &e.Key, &e.Call}, func() error {
			read.addEntry(&e)
			return nil
		})
	}
	if err != nil {
		return read, err
	}
	var key, call []byte
	rows, err = d.tx.Query(ctx, "SELECT key, call FROM tower.calls ORDER BY key")
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&key, &call}, func() error {
			read.add(partCalls, key, call)
			return nil
		})
	}
	return read, err
}
