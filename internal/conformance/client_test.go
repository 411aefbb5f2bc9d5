package conformance

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// TestTheReplicaConforms holds the client in Go to client.json. The browser's store is held
// to it by internal/client/test/conformance.test.ts.
func TestTheReplicaConforms(t *testing.T) {
	cases, err := ClientCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var answer wire.Answer
			if err := json.Unmarshal(c.Answer, &answer); err != nil {
				t.Fatal(err)
			}
			r := &replica.Replica{}
			if _, err := r.Answer(&answer); err != nil {
				t.Fatal(err)
			}
			compare(t, r, c.Holds)
			number := answer.Cursor
			for i, step := range c.Steps {
				var commit wire.Commit
				if err := json.Unmarshal(step.Frame, &commit); err != nil {
					t.Fatal(err)
				}
				records, err := replica.ByID(commit.Records)
				if err != nil {
					t.Fatal(err)
				}
				delta := commit.Cursors[number]
				if _, err := r.Apply(commit.Seq, delta, records); err != nil {
					t.Fatalf("frame %d: %v", i+1, err)
				}
				if delta.To != 0 {
					number = delta.To
				}
				compare(t, r, step.Holds)
			}
		})
	}
}

func compare(t *testing.T, r *replica.Replica, want []json.RawMessage) {
	t.Helper()
	held := []any{}
	for _, rec := range r.Records() {
		v, err := decode(rec)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, v)
	}
	wanted := []any{}
	for _, rec := range want {
		v, err := decode(rec)
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, v)
	}
	if !reflect.DeepEqual(held, wanted) {
		t.Errorf("the client holds %s, expected %s", text(held), text(wanted))
	}
}
