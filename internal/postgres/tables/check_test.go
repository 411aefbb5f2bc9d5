//go:build linux

package tables

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// A ruled has fields with rules that a check states whole.
type ruled struct {
	record.Record
	Title  string    `json:"title" validate:"required,max=3"`
	Short  string    `json:"short" validate:"omitempty,min=2,max=4"`
	Exact  string    `json:"exact" validate:"len=2"`
	Kind   string    `json:"kind" validate:"oneof=a 'b c' d"`
	Not    string    `json:"not" validate:"ne=it's"`
	Small  int8      `json:"small" validate:"gte=-2,lt=5"`
	One    int       `json:"one" validate:"oneof=1 2 -3"`
	Maybe  *int      `json:"maybe" validate:"omitempty,min=1"`
	Must   *string   `json:"must" validate:"required,min=1"`
	Nil    *int      `json:"nil" validate:"max=3"`
	Ratio  float64   `json:"ratio" validate:"gt=0.5,lte=1"`
	Yes    bool      `json:"yes" validate:"required"`
	At     time.Time `json:"at" validate:"required"`
	Tags   []string  `json:"tags" validate:"required,max=2,dive,max=1"`
	Few    []int     `json:"few" validate:"omitempty,min=2"`
	Mail   string    `json:"mail" validate:"max=5,email|len=0"`
	Parted string    `json:"parted" validate:"max=2,omitempty,min=2"`
}

// TestChecks compares the checks with the validator, by random values: what one refuses the
// other refuses, in each field. Of a tag that SQL cannot state whole the check states a part.
func TestChecks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	m := newModel(t, "ruled", &ruled{})
	b := newBench(t, pgtest.Shared(t), m)
	table := b.Of(m)
	partly := map[string]bool{"tags": true, "mail": true}
	words := []string{"", "a", "é", "b c", "d", "it's", "äöü", "äöüß", "xyzxyz", "ab"}
	counts := map[string][2]int{}
	for range 300 {
		v := &ruled{Title: words[r.IntN(10)], Short: words[r.IntN(10)], Exact: words[r.IntN(10)], Kind: words[r.IntN(10)], Not: words[r.IntN(10)], Mail: words[r.IntN(10)], Parted: words[r.IntN(10)],
			Small: int8(r.IntN(12) - 5), One: r.IntN(8) - 4, Ratio: float64(r.IntN(5)) / 4, Yes: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			v.At = time.Unix(int64(r.IntN(1e9)), 0).UTC()
			number, other, text := r.IntN(4), r.IntN(6), words[r.IntN(2)]
			v.Maybe, v.Nil, v.Must = &number, &other, &text
		}
		if n := r.IntN(5); n > 0 {
			v.Tags, v.Few = make([]string, n-1), make([]int, n-1)
		}
		problems := &record.Problems{}
		if err := record.Validate(v, problems); err != nil {
			t.Fatal(err)
		}
		for _, c := range table.Columns {
			if m.IsHeader(c.Field) {
				continue
			}
			list := c.codec.list()
			list.add(m.Place(v, c.Field), nil)
			var from, params []string
			for i, array := range c.codec.params() {
				params = append(params, fmt.Sprintf("$%d::%s", i+1, array))
				from = append(from, fmt.Sprintf("r.c%d", i))
			}
			var names []string
			for i := range from {
				names = append(names, fmt.Sprintf("c%d", i))
			}
			sql := fmt.Sprintf("SELECT (%s) IS NOT FALSE FROM (SELECT %s AS %s FROM unnest(%s) AS r (%s)) AS one",
				c.Check, c.codec.write(from), quote(c.Name), strings.Join(params, ", "), strings.Join(names, ", "))
			if c.Check == "" {
				t.Fatalf("%s has no check", c.Name)
			}
			var allowed bool
			if err := b.conn.QueryRow(t.Context(), sql, list.params()...).Scan(&allowed); err != nil {
				t.Fatalf("%v\n%s", err, sql)
			}
			valid := true
			for name := range problems.Map() {
				valid = valid && name != c.Field.Name
			}
			n := counts[c.Name]
			if allowed {
				n[0]++
			} else {
				n[1]++
			}
			counts[c.Name] = n
			if allowed != valid && !(partly[c.Name] && allowed) {
				t.Errorf("%s = %#v: valid is %t, and the check %s says %t", c.Name, reflect.Indirect(m.Place(v, c.Field)), valid, c.Check, allowed)
			}
		}
	}
	for name, n := range counts {
		if n[0] == 0 || n[1] == 0 {
			t.Errorf("%s was allowed %d times and refused %d times", name, n[0], n[1])
		}
	}
}
