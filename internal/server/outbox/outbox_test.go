package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type fakeTransport struct {
	took  func(message []byte)
	ended func()
}

func (f fakeTransport) Name() string        { return "fake" }
func (f fakeTransport) Send(message []byte) { f.took(message) }
func (f fakeTransport) End(int, string)     { f.ended() }

// TestOutboxKeepsOrderAndJoins queues frames while a transport takes messages at random
// times. All must arrive once, in order, one message at a time.
func TestOutboxKeepsOrderAndJoins(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var messages [][]byte
	o := &Outbox{Limit: 1 << 30, Transport: fakeTransport{
		func(message []byte) { messages = append(messages, message) },
		func() { t.Error("the client was disconnected") },
	}}
	sent := 0
	var reserved *Slot
	var late []byte
	for i := range 5000 {
		frame := []byte(fmt.Sprint(i))
		switch slot := o.Reserve(); {
		case reserved == nil && random.IntN(10) == 0:
			reserved = slot
			late = frame
		default:
			o.Fill(slot, frame)
		}
		switch random.IntN(10) {
		case 0:
			o.Collect()
		case 1, 2:
			o.Flush()
		}
		if reserved != nil && random.IntN(10) == 0 {
			o.Fill(reserved, late)
			reserved = nil
		}
		for random.IntN(5) == 0 && sent < len(messages) {
			sent++
			o.Sent()
		}
		if len(messages)-sent > 1 {
			t.Fatalf("%d messages at once", len(messages)-sent)
		}
	}
	if reserved != nil {
		o.Fill(reserved, late)
	}
	o.Flush()
	for ; sent < len(messages); sent++ {
		o.Sent()
	}
	var got []int
	for _, message := range messages {
		if !bytes.HasPrefix(message, []byte("[")) {
			message = append(append([]byte("["), message...), ']')
		}
		var joined []int
		if err := json.Unmarshal(message, &joined); err != nil {
			t.Fatalf("%s: %v", message, err)
		}
		got = append(got, joined...)
	}
	if len(got) != 5000 || !slices.IsSorted(got) || len(messages) > 4000 || o.Waiting() != 0 {
		t.Errorf("%d frames in %d messages, %d bytes still waiting", len(got), len(messages), o.Waiting())
	}
}

func TestOutboxIsBounded(t *testing.T) {
	full := make(chan struct{})
	o := &Outbox{Limit: 1000, Transport: fakeTransport{func([]byte) {}, func() { close(full) }}}
	for range 100 {
		o.Put(make([]byte, 100))
	}
	<-full
	if o.Waiting() != 0 {
		t.Errorf("%d bytes are kept for a client that was disconnected", o.Waiting())
	}
}
