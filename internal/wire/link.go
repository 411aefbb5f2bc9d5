package wire

import (
	"encoding/json"
	"strconv"
)

// A Batch is what a client posts to /_tower/send: frames over a link.
type Batch struct {
	Link   string            `json:"link"`
	Number uint64            `json:"number,omitempty"` // 1 for the first, and then 1 more for each
	Frames []json.RawMessage `json:"frames,omitempty"`
	End    bool              `json:"end,omitempty"` // ends the link instead
}

// Requests decodes the frames of the batch, as [Requests] does for a message.
func (b *Batch) Requests() []Request { return requestsOf(b.Frames) }

// A Poll is what a client posts to /_tower/poll. Without a link it opens one; otherwise
// it asks for the next message.
type Poll struct {
	Link string `json:"link,omitempty"`
	Have uint64 `json:"have,omitempty"` // number of the last message that the client has
	Wait int    `json:"wait,omitempty"` // seconds to wait for a message, at most 25
}

// A Delivery is an event of a stream, or the answer to a poll: a link that was opened,
// a message, or an end. The answer to a poll without a message is empty.
type Delivery struct {
	Link    string          `json:"link,omitempty"`
	Number  uint64          `json:"number,omitempty"` // of the message, 1 for a link's first
	Message json.RawMessage `json:"message,omitempty"`
	End     *End            `json:"end,omitempty"`
}

// An End is why a link has ended, with a WebSocket close code.
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
	rest, _ := Encode(d) // strings and numbers can always be encoded
	return append(out, rest...)
}
