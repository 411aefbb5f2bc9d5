package script

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
)

func TestConditions(t *testing.T) {
	h := &control.Replica{}
	if _, err := h.Apply(json.RawMessage(`{"status":200,"at":"E:5","cursor":1,"model":"memos","ids":["a","b"],"memos":[{"id":"a","title":"A"},{"id":"b","likes":7}]}`)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"count >= 2": true, "count>2": false, `first.title == "A" && last.likes == 7`: true, "records.some(r => r.likes > 6)": true,
		"records.length == count": true, "value": false, "seq === 5": true,
	} {
		c, err := NewCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Holds(t.Context(), h); got != want || err != nil {
			t.Errorf("%s is %v: %v", text, got, err)
		}
	}
	for _, text := range []string{"count >=", "let x = 1", "", "1; 2"} {
		if _, err := NewCondition(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	c, err := NewCondition("nothing.here")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Holds(t.Context(), h); err == nil || !strings.Contains(err.Error(), "nothing is not defined") {
		t.Errorf("an error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err = NewCondition("(() => { while (true) {} })()"); err == nil {
		_, err = c.Holds(ctx, h)
	}
	if err == nil {
		t.Error("a condition that does not end is true")
	}
}
