package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

// A line that cannot be encoded is answered by an error, so that nobody waits for it.
func TestWhatCannotBeEncodedIsAnError(t *testing.T) {
	nested := func(levels int) json.RawMessage {
		return json.RawMessage(strings.Repeat("[", levels) + strings.Repeat("]", levels))
	}
	stream := func(frames json.RawMessage) wire.ControlReply {
		return wire.ControlReply{Event: &wire.ControlEvent{Stream: &wire.StreamEvent{Stream: 3, Frames: frames}}}
	}
	const failed, closed = `{"id":7,"error":{"code":"too_large","message":"the answer cannot be sent: `, `{"event":{"stream":{"stream":3,"closed":{"code":1011,"reason":"the answer cannot `
	for _, test := range []struct {
		reply wire.ControlReply
		want  string
	}{
		{wire.ControlReply{ID: 7, OK: nested(10_001)}, failed},
		{wire.ControlReply{ID: 7, OK: nested(10_000)}, failed}, // with the reply around it
		{stream(nested(10_001)), closed},
		{stream(nested(9_998)), closed},
	} {
		reply, name := test.reply, test.want
		var out bytes.Buffer
		c := &console{out: bufio.NewWriter(&out)}
		if c.reply(reply) {
			t.Error("it was sent")
		}
		if !strings.HasPrefix(out.String(), name) || !strings.HasSuffix(out.String(), "}\n") {
			t.Errorf("sent %.200s", out.String())
		}
		out.Reset()
		if !c.reply(wire.ControlReply{ID: 8}) || out.String() != "{\"id\":8}\n" {
			t.Errorf("then sent %q", out.String())
		}
	}
}
