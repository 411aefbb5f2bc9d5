//go:build linux

package tables

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestRandomRecords writes records of every type of field, and records that no build writes
// any more, and reads them back to the byte.
func TestRandomRecords(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := &randoms{Rand: rand.New(rand.NewPCG(seed, 1))}
		m := newModel(t, "everything", &everything{})
		b := newBench(t, server, m)
		want := map[string]*record.Image{}
		seqs := map[string]uint64{}
		var ids []record.ID
		for seq := uint64(1); seq < 120; {
			var group []store.Appended
			for range 1 + r.IntN(4) {
				c := store.Appended{Entry: store.Entry{Seq: seq}}
				used := map[record.ID]bool{}
				for range 1 + r.IntN(3) {
					id := record.NewID()
					if len(ids) > 0 && r.IntN(2) == 0 {
						id = ids[r.IntN(len(ids))]
					}
					if used[id] {
						continue
					}
					used[id] = true
					key := "everything/" + string(id)
					change := store.Change{Op: store.Update, Model: m, ID: id, Before: want[key]}
					if change.Before == nil {
						ids = append(ids, id)
					}
					if change.Before == nil || r.IntN(4) > 0 {
						change.After = r.image(t, m, id, change.Before)
					}
					if want[key], seqs[key] = change.After, seq; change.After == nil {
						delete(want, key)
					}
					c.Changes = append(c.Changes, change)
				}
				group = append(group, c)
				seq++
			}
			if err := b.write(group...); err != nil {
				t.Fatal(err)
			}
		}
		got := b.read()
		if len(got) != len(want) {
			t.Errorf("there are %d records, want %d", len(got), len(want))
		}
		for key, image := range want {
			row := got[key]
			if !bytes.Equal(row.Public, image.JSON) || !bytes.Equal(row.Private, image.Private) || row.Version != seqs[key] {
				t.Errorf("%s is at %d\n%s %s\nwant at %d\n%s %s", key, row.Version, row.Public, row.Private, seqs[key], image.JSON, image.Private)
			}
		}
		var exact, all int
		if err := b.conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM tower.exact), (SELECT count(*) FROM everything)").Scan(&exact, &all); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d records, %d have rows, %d are kept exactly", len(want), all, exact)
		if exact == 0 || all == 0 || exact > len(want)*2/3 {
			t.Error("the test does not meet both kinds")
		}
	})
}

type randoms struct {
	*rand.Rand
	tame bool // the values are such that columns can hold them
}

func (r *randoms) image(t testing.TB, m *record.Model, id record.ID, before *record.Image) *record.Image {
	t.Helper()
	r.tame = r.IntN(4) > 0
	v := m.New()
	for _, f := range m.Fields {
		r.fill(m.Place(v, f), 0)
	}
	e := v.(*everything)
	e.ID = id
	e.Name += string(id)
	e.At = e.At.Add(time.Duration(r.IntN(1<<40)) * time.Microsecond)
	if e.Owner != "" {
		e.Owner = id
	}
	image, err := m.Freeze(v, before)
	if err != nil {
		return r.image(t, m, id, before)
	}
	if r.IntN(4) == 0 {
		return r.odd(m, image)
	}
	return &record.Image{Model: m, ID: id, JSON: image.JSON, Private: image.Private}
}

// odd returns a record as an older build may have stored it.
func (r *randoms) odd(m *record.Model, image *record.Image) *record.Image {
	public, private := string(image.JSON), string(image.Private)
	switch r.IntN(8) {
	case 0:
		public = strings.Replace(public, `"yes":`, `"yes": `, 1)
	case 1:
		public = strings.Replace(public, `,"i8":`, `,"gone":{"b":1,"a":2},"i8":`, 1)
	case 2:
		public = fmt.Sprintf(`{"id":%q,"text":%d}`, image.ID, r.IntN(9)) // it does not fit
	case 3:
		public = fmt.Sprintf(`{"f64":1.50,"name":%q,"id":%[1]q,"at":"2026-01-02T03:04:05.%09[2]dZ"}`, image.ID, r.IntN(1e9))
	case 4:
		private = strings.TrimSuffix(private, "}") + `,"older":[1,2]}`
	case 5:
		public = fmt.Sprintf(`{"id":%q,"name":"a\u0000%[1]s"}`, image.ID)
	case 6:
		public = fmt.Sprintf(`{"id":%q,"name":%[1]q,"f64":-0,"i":null,"text":"\u0000"}`, image.ID)
	case 7:
		public = fmt.Sprintf(`{"id":%q,"name":%[1]q,"text":"caf\u00e9 \/","any":{"z":1e400,"a":"\u0000"},"raw":{"bb":1.0,"a":-0.0}}`, image.ID)
	}
	if !json.Valid([]byte(public)) || !json.Valid([]byte(private)) {
		panic(public + private)
	}
	return &record.Image{Model: m, ID: image.ID, JSON: []byte(public), Private: []byte(private)}
}

var texts = []string{"", "a", "ä€𝄞", `"\/{},`, "NULL", "null", "{}", "\n\t\r\b\f\x01\x7f", "\u2028<&>", " ", "a\x00b", "'; DROP", "\\N", "%s", "é", "e\u0301"}

// fill sets v to a random value.
func (r *randoms) fill(v reflect.Value, depth int) {
	if r.IntN(5) == 0 {
		v.SetZero()
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(r.time()))
		return
	}
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		if r.tame {
			v.SetBytes([]byte(`{"a":1.5,"bb":[{"x":"<"}]}`))
			return
		}
		v.SetBytes([]byte([]string{`{"b":1,"a":[1.50,2e3]}`, `[]`, `null`, `"x"`, `{"a":1,"bb":{}}`, `-0`, `1e-7`, `123456789012345678901234567890`, `"\u003c\u0041"`}[r.IntN(9)]))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64) >> (64 - v.Type().Bits()))
	case reflect.Float32:
		v.SetFloat(float64([]float32{0.1, -1, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32, r.Float32() * 1e30}[r.IntN(6)]))
	case reflect.Float64:
		if r.tame {
			v.SetFloat(r.NormFloat64())
			return
		}
		v.SetFloat([]float64{0.1, -1, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e-7, r.NormFloat64()}[r.IntN(8)])
	case reflect.String:
		v.SetString(r.text())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			r.fill(v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			r.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			value := reflect.New(v.Type().Elem()).Elem()
			r.fill(value, depth+1)
			v.SetMapIndex(reflect.ValueOf(r.text()), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.fill(v.Field(i), depth+1)
		}
	case reflect.Interface:
		if r.tame {
			v.Set(reflect.ValueOf(map[string]any{"zz": 1.0, "b": []any{1e300, 1e-300, 0.1, nil, "x"}}))
			return
		}
		v.Set(reflect.ValueOf([]any{1.5, "x", true, []any{1.0, nil}, map[string]any{"b": math.Copysign(0, -1), "a": "\x00"}, 1e300, 1e-300, map[string]any{"zz": 1.0, "b": map[string]any{}}}[r.IntN(8)]))
	}
}

func (r *randoms) text() string {
	text := texts[r.IntN(len(texts))]
	if r.tame {
		text = strings.ReplaceAll(text, "\x00", "0")
	}
	return text
}

func (r *randoms) time() time.Time {
	switch r.IntN(5) {
	case 0:
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case 1:
		return time.Date(9998, 12, 31, 23, 59, 59, 999999000, time.UTC)
	case 2:
		return time.UnixMicro(r.Int64N(1 << 50))
	default:
		return time.Date(r.IntN(9990), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6)*1000, time.FixedZone("", 60*r.IntN(600)))
	}
}
