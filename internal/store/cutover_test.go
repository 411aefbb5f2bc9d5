package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A city before its indexes, and with them.
type (
	looseCity struct {
		record.Record
		Name  string  `json:"name"`
		Zip   *string `json:"zip"`
		Count string  `json:"count"`
	}
	strictCity struct {
		record.Record
		Name  string  `json:"name" tower:"index" validate:"required"`
		Zip   *string `json:"zip" tower:"unique,sparse"`
		Count int     `json:"count" tower:"index,unique=count+size"`
		Size  int     `json:"size"`
	}
)

// strict prepares rows: a count becomes a number if it is one.
func strict(t *testing.T, rows []Row) {
	for i := range rows {
		if rows[i].Version == 0 {
			continue
		}
		raw, err := record.ParseRaw(rows[i].ID, rows[i].Public, rows[i].Private)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Trim(string(raw.Members["count"]), `"`)
		if _, err := strconv.Atoi(text); err == nil {
			raw.Members["count"] = json.RawMessage(text)
		}
		raw.Members["size"] = json.RawMessage(strconv.FormatUint(rows[i].Version, 10))
		if rows[i].Public, rows[i].Private, err = raw.Encode(nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPreparedIndexes changes records and prepares them and their indexes, in any order and
// in runs of any size. At any time, an index has the entries of the rows that were
// prepared, up to its last key. Then a build takes everything over.
func TestPreparedIndexes(t *testing.T) {
	for run := range 6 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { preparedIndexes(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func preparedIndexes(t *testing.T, random *rand.Rand) {
	b := newBlog(t, Options{})
	loose, now := openCities(t, b, &looseCity{}), mustModel(t, "cities", &strictCity{})
	b.indexRun = 1 + random.IntN(8)
	table := Table{From: "cities", To: "cities"}.Of(now)
	var ids []record.ID
	fill := func(c *looseCity) {
		c.Name, c.Count, c.Zip = fmt.Sprint("n", random.IntN(5)), fmt.Sprint(random.IntN(30)), nil
		if random.IntN(20) == 0 {
			c.Count = "many"
		}
		if random.IntN(20) == 0 {
			c.Name = ""
		}
		if random.IntN(3) > 0 {
			zip := fmt.Sprint(random.IntN(1 << random.IntN(16)))
			c.Zip = &zip
		}
	}
	pass := func(limit int) (stale int) {
		for after, more := record.ID(""), true; more; more = after != "" && random.IntN(4) > 0 {
			rows, next, err := b.Stale("key", table, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			strict(t, rows)
			table.Index(rows)
			if err := b.Prepare("key", table, rows); err != nil {
				t.Fatal(err)
			}
			stale += len(rows)
			after = next
		}
		return stale
	}
	index := func() bool {
		done, err := b.PrepareIndexes("key", table)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	for range 150 {
		switch n := random.IntN(10); {
		case n < 4:
			rec := &looseCity{}
			fill(rec)
			b.do(func(tx *Tx) error { _, err := tx.Create(loose, rec); return err })
			ids = append(ids, rec.ID)
		case n < 6 && len(ids) > 0:
			id := ids[random.IntN(len(ids))]
			b.do(func(tx *Tx) error {
				_, err := tx.Update(loose, id, func(rec any) error { fill(rec.(*looseCity)); return nil })
				return err
			})
		case n < 7 && len(ids) > 0:
			i := random.IntN(len(ids))
			b.do(func(tx *Tx) error { return tx.Delete(loose, ids[i]) })
			ids = slices.Delete(ids, i, i+1)
		case n < 8:
			pass(1 + random.IntN(5))
		default:
			index()
		}
		checkPrepared(t, b.Store, table)
	}
	for pass(1000) > 0 {
	}
	for !index() {
	}
	checkPrepared(t, b.Store, table)
	survey, zips := surveyPrepared(t, b.Store, now)
	b.close()
	s, err := Open(b.path, Options{Models: []*record.Model{now}, Migrate: func(*Store) (*Cutover, error) {
		return &Cutover{Key: "key", Tables: []Table{table}}, nil
	}})
	if zips {
		if err == nil || !strings.Contains(err.Error(), "zip of cities cannot be unique") {
			t.Fatalf("two cities have one zip: %v", err)
		}
		b.open(Options{Models: []*record.Model{loose}})
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Store = s
	want, got := "", ""
	if survey.Broken > 0 {
		want = survey.String()
	}
	if all := s.Surveys(); len(all) > 0 {
		got = all[0].String()
	}
	if got != want {
		t.Errorf("the survey is %q, not %q", got, want)
	}
	if n := len(list(t, s, now, "count", "name")); n != len(ids)-len(survey.Unfit) {
		t.Errorf("%d of %d cities are listed, %d do not fit", n, len(ids), len(survey.Unfit))
	}
	for _, name := range buckets(t, s) {
		if name == string(preparedBucket) {
			t.Error("what was prepared is still there")
		}
	}
}

// checkPrepared compares the indexes that have been built with all entries of the rows.
func checkPrepared(t *testing.T, s *Store, table Table) {
	t.Helper()
	err := s.read(func(btx *bolt.Tx) error {
		prepared := preparedOf(btx, "key")
		if prepared == nil {
			return nil
		}
		want := make([]map[string]string, len(table.Indexes))
		shared := make([]bool, len(want))
		err := prepared.Bucket([]byte("records/cities")).ForEach(func(k, v []byte) error {
			row, err := storedRow(record.ID(k), bytes.Clone(v))
			if err != nil {
				return err
			}
			rows := []Row{row}
			table.Index(rows)
			if found := prepared.Bucket([]byte("entries/cities")).Get(k); !bytes.Equal(found, rows[0].Entries) {
				t.Fatalf("%s has the entries %q, not %q", k, found, rows[0].Entries)
			}
			return decodeEntries(k, rows[0].Entries, func(i int, e entry) error {
				if want[i] == nil {
					want[i] = map[string]string{}
				}
				_, twice := want[i][string(e.key)]
				shared[i] = shared[i] || twice
				want[i][string(e.key)] = string(e.value)
				return nil
			})
		})
		for i, name := range table.Indexes {
			found, last := map[string]string{}, ""
			mark, bucket := string(prepared.Get(builtKey(name))), prepared.Bucket([]byte(name))
			if mark == takenMark && !shared[i] {
				t.Fatalf("no value of %s is shared", name)
			}
			if bucket == nil {
				continue
			}
			_ = bucket.ForEach(func(k, v []byte) error {
				found[string(k)], last = string(v), string(k)
				return nil
			})
			if shared[i] && mark != builtMark {
				continue // it is found when the index has come so far
			}
			maps.DeleteFunc(want[i], func(key, _ string) bool { return mark != builtMark && key > last })
			if len(found)+len(want[i]) > 0 && !maps.Equal(found, want[i]) || shared[i] {
				t.Fatalf("%s (%s) has %q up to %q, not %q", name, mark, found, last, want[i])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// surveyPrepared surveys what was prepared, and reports whether two cities have one zip.
func surveyPrepared(t *testing.T, s *Store, m *record.Model) (survey *record.Survey, shared bool) {
	t.Helper()
	survey = &record.Survey{Model: m}
	zips := map[string]bool{}
	err := s.read(func(btx *bolt.Tx) error {
		return preparedOf(btx, "key").Bucket([]byte("records/cities")).ForEach(func(k, v []byte) error {
			image, err := decodeRecord(m, record.ID(k), bytes.Clone(v))
			if err != nil {
				return err
			}
			survey.Add(image)
			if rec, err := image.Record(); err == nil && rec.(*strictCity).Zip != nil {
				zip := *rec.(*strictCity).Zip
				shared = shared || zips[zip]
				zips[zip] = true
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return survey, shared
}
