package repl

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

func TestPrinter(t *testing.T) {
	models := []wire.ModelInfo{{Name: "memos", Fields: []wire.FieldInfo{{Name: "id", Type: "string"}, {Name: "title", Type: "string"}}}}
	print := func(asJSON bool) (steps, all string) {
		var out bytes.Buffer
		p := NewPrinter(&out, wire.ControlHello{Models: models}, asJSON)
		h := &control.Replica{}
		for _, frame := range []string{
			`{"status":200,"at":"E:5","cursor":1,"model":"memos","resync":"rules","ids":["a"],"memos":[{"id":"a","title":"A","tags":["x","y"]}]}`,
			`{"seq":6,"memos":[{"id":"a","title":"B"},{"id":"b"}],"cursors":{"1":{"enter":[{"id":"b","after":"a"}],"change":[{"id":"a"}]}}}`,
			`{"seq":7,"cursors":{"1":{"leave":["b"]}}}`,
		} {
			steps, err := h.Apply(json.RawMessage(frame))
			if err = errors.Join(err, p.Steps(steps)); err != nil {
				t.Fatal(err)
			}
		}
		steps = out.String()
		out.Reset()
		if err := p.All(h); err != nil {
			t.Fatal(err)
		}
		return steps, out.String()
	}
	steps, all := print(true)
	if want := `{"op":"resync","seq":5,"reason":"rules"}
{"op":"enter","seq":5,"model":"memos","id":"a","record":{"id":"a","title":"A","tags":["x","y"]},"count":1}
{"op":"current","seq":5,"count":1}
{"op":"enter","seq":6,"model":"memos","id":"b","after":"a","record":{"id":"b"},"count":2}
{"op":"change","seq":6,"model":"memos","id":"a","record":{"id":"a","title":"B"},"count":2}
{"op":"leave","seq":7,"model":"memos","id":"b","count":1}
`; steps != want || all != "{\"id\":\"a\",\"title\":\"B\"}\n" {
		t.Errorf("got\n%s%swant\n%s", steps, all, want)
	}
	steps, all = print(false)
	if want := `read again:  rules
+ enter  memos/a "A"
1 record, up to #5
+ enter  memos/b
~ change memos/a "B"
− leave  memos/b
`; steps != want || all != "id  title\na   B\n1 record\n" {
		t.Errorf("got\n%s%swant\n%s", steps, all, want)
	}
}
