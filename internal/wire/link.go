package wire

import (
	"encoding/json"
	"strconv"
)

// A Batch is what a client posts to /_tower/send: frames over a link.
type Batch struct {
	Link   string            `json:"link"`
	Number uint64            `json:"number,omitempty"` // 1 for the first, then one more each
	Frames []json.RawMessage `json:"frames,omitempty"`
	End    bool              `json:"end,omitempty"` // ends the link instead
}

// Requests reads the frames of the batch, as [Requests] does those of a message.
func (b *Batch) Requests() []Request { return requestsOf(b.Frames) }

// A Poll is what a client posts to /_tower/poll: without a link it opens one,
// else it asks for the next message.
type Poll struct {
	Link string `json:"link,omitempty"`
	Have uint64 `json:"have,omitempty"` // the number of the last message that came
	Wait int    `json:"wait,omitempty"` // seconds that it may take, at most 25
}

// A Delivery is an event of a stream, or what answers a poll: the link that was
// opened, a message, an end, or, of a poll in whose time nothing came, none of
// them.
type Delivery struct {
	Link    string          `json:"link,omitempty"`
	Number  uint64          `json:"number,omitempty"` // of the message, 1 for a link's first
	Message json.RawMessage `json:"message,omitempty"`
	End     *End            `json:"end,omitempty"`
}

// An End says why a link has ended, with a close code of WebSocket's.
type End struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// Append appends a delivery. The message must be JSON on one line.
func (d *Delivery) Append(out []byte) []byte {
	if d.Message != nil {
		out = strconv.AppendUint(append(out, `{"number":`...), d.Number, 10)
		out = append(append(out, `,"message":`...), d.Message...)
		return append(out, '}')
	}
	rest, _ := Encode(d) // texts and numbers are always JSON
	return append(out, rest...)
}
