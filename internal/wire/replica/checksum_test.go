package replica

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

var update = flag.Bool("update", false, "write the checksums of testdata/checksums.jsonl")

type vector struct {
	JSON string `json:"json"`
	Sum  uint32 `json:"sum"`
}

// TestChecksums compares the checksums with those that the client library computes.
func TestChecksums(t *testing.T) {
	const file = "testdata/checksums.jsonl"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var fresh bytes.Buffer
	seen, same := map[uint32]string{}, []string(nil)
	for line := range bytes.Lines(data) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		sum, err := Checksum([]byte(v.JSON), 0)
		if err != nil {
			t.Fatal(err)
		}
		if sum != v.Sum && !*update {
			t.Errorf("%s has %d, want %d", v.JSON, sum, v.Sum)
		}
		if v.Sum = sum; seen[sum] != "" {
			same = append(same, seen[sum]+" "+v.JSON)
		}
		seen[sum] = v.JSON
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fresh.Write(append(out, '\n'))
	}
	if want := []string{"0 -0", `{"b":1,"a":2} {"a":2,"b":1}`}; !slices.Equal(same, want) {
		t.Errorf("these have the same checksums: %q, want %q", same, want)
	}
	if *update {
		if err := os.WriteFile(file, fresh.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestASumShowsEachDifference changes what a replica holds in every way that can go wrong.
func TestASumShowsEachDifference(t *testing.T) {
	answer := func(posts, users string, ids ...string) uint32 {
		t.Helper()
		var a wire.Answer
		list, err := json.Marshal(ids)
		if err != nil {
			t.Fatal(err)
		}
		text := `{"status":200,"at":"e:1","model":"posts","ids":` + string(list) + `,"include":{"users":["u"]},"posts":` + posts + `,"users":` + users + `}`
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		r := Replica{}
		if _, err := r.Answer(&a); err != nil {
			t.Fatal(err)
		}
		sum, err := r.Sum()
		if err != nil {
			t.Fatal(err)
		}
		return sum.All
	}
	const posts, users = `[{"id":"a","n":1,"m":2},{"id":"b","n":1}]`, `[{"id":"u","name":"x"}]`
	right := answer(posts, users, "a", "b")
	if again := answer(`[{"id":"b","n":1},{"m":2,"id":"a","n":1}]`, users, "a", "b"); again != right {
		t.Errorf("the order of records in a frame, or of fields, counts: %d, %d", again, right)
	}
	for what, wrong := range map[string]uint32{
		"another order":    answer(posts, users, "b", "a"),
		"a record less":    answer(posts, users, "a"),
		"an old record":    answer(`[{"id":"a","n":0,"m":2},{"id":"b","n":1}]`, users, "a", "b"),
		"swapped values":   answer(`[{"id":"a","n":2,"m":1},{"id":"b","n":1}]`, users, "a", "b"),
		"an old inclusion": answer(posts, `[{"id":"u","name":"y"}]`, "a", "b"),
	} {
		if wrong == right {
			t.Errorf("%s has the checksum of what is right", what)
		}
	}
}
