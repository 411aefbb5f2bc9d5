package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// TestAnswersThatAreTooLargeAreRefused asks for more than a console is answered with, in all
// ways that could be. The next answer comes as usual.
func TestAnswersThatAreTooLargeAreRefused(t *testing.T) {
	c, m := newConsole(t, 0)
	c.pending = map[uint64]context.CancelFunc{}
	const each = 16 << 10
	c.largest = 1 << 20
	text := strings.Repeat("x", each)
	if _, err := c.app.Store().Update(t.Context(), "test", func(tx *store.Tx) error {
		for range 1<<20/each + 1 {
			if _, err := tx.Create(m, &leaf{Text: text}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ask := func(req wire.ControlRequest) (reply wire.ControlReply) {
		t.Helper()
		var out bytes.Buffer
		c.out = bufio.NewWriter(&out)
		req.Model = "leaves"
		c.answer(t.Context(), &req)
		if err := json.Unmarshal(out.Bytes(), &reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	for _, req := range []wire.ControlRequest{
		{Do: wire.DoQuery}, {Do: wire.DoQuery, Order: []string{"-text"}}, {Do: wire.DoQuery, Limit: 100}, {Do: wire.DoQuery, Limit: 100_000}, {Do: wire.DoQuery, Offset: 1},
	} {
		if reply := ask(req); reply.Error == nil || reply.Error.Code != "too_large" || !strings.Contains(reply.Error.Message, "more than 1 MiB; ask for parts") {
			t.Errorf("%+v: %+v", req, reply.Error)
		}
	}
	if reply := ask(wire.ControlRequest{Do: wire.DoCount}); reply.Error != nil || string(reply.OK) != "65" {
		t.Errorf("the count: %s %+v", reply.OK, reply.Error)
	}
	if reply := ask(wire.ControlRequest{Do: wire.DoQuery, Limit: 50}); reply.Error != nil || len(reply.OK) < 50*each {
		t.Errorf("a part: %d bytes %+v", len(reply.OK), reply.Error)
	}
	var frames bytes.Buffer
	c.out = bufio.NewWriter(&frames)
	if c.reply(wire.ControlReply{Event: &wire.ControlEvent{Stream: &wire.StreamEvent{Stream: 1, Frames: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}}}) {
		t.Error("an event that is too large was sent")
	}
	if text := frames.String(); !strings.Contains(text, `"stream":1`) || !strings.Contains(text, "more than 1 MiB") {
		t.Errorf("in its place came %.300s", text)
	}
}
