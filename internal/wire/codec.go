package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Encode returns the JSON text of a frame. It does not escape what needs escaping only
// within a page's source: that would double the size of markup.
func Encode(frame any) ([]byte, error) {
	if a, ok := frame.(*Answer); ok {
		return a.encode()
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(frame); err != nil {
		return nil, fmt.Errorf("encode %T: %w", frame, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// MarshalJSON puts the records under the name of their model.
func (a Answer) MarshalJSON() ([]byte, error) { return a.encode() }

// encode is MarshalJSON without parsing the records again.
func (a *Answer) encode() ([]byte, error) {
	type plain Answer
	out, err := Encode((*plain)(a))
	if err != nil || len(a.Body)+len(a.Records) == 0 {
		return out, err
	}
	out = append(out[:len(out)-1], a.Body...)
	for _, model := range sortedKeys(a.Records) {
		out = appendRecords(append(out, ','), model, a.Records[model])
	}
	return append(out, '}'), nil
}

// Body encodes a delta and records by model, for an answer's Body.
func Body(delta *Delta, records map[string][]json.RawMessage) []byte {
	out := appendDelta([]byte(`,"delta":`), delta)
	for _, model := range sortedKeys(records) {
		out = appendRecords(append(out, ','), model, records[model])
	}
	return out
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (a *Answer) UnmarshalJSON(data []byte) error {
	type plain Answer
	if err := json.Unmarshal(data, (*plain)(a)); err != nil {
		return err
	}
	if a.Model == "" {
		return nil
	}
	models := map[string]bool{a.Model: true}
	for model := range a.Include {
		models[model] = true
	}
	if a.Delta != nil {
		for model := range a.Delta.Include {
			models[model] = true
		}
	}
	rest := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &rest); err != nil {
		return err
	}
	for model := range models {
		if rest[model] == nil {
			continue
		}
		var records []json.RawMessage
		if err := json.Unmarshal(rest[model], &records); err != nil {
			return err
		}
		if a.Records == nil {
			a.Records = map[string][]json.RawMessage{}
		}
		a.Records[model] = records
	}
	return nil
}

// MarshalJSON returns the encoding that [Commit.Append] appends.
func (c Commit) MarshalJSON() ([]byte, error) { return c.Append(nil), nil }

// Append appends a commit with its keys in a fixed order: from, seq, ack, allowed,
// models by name, cursors by number. Equal commits have equal encodings. The records
// must be JSON.
func (c *Commit) Append(out []byte) []byte {
	out = append(out, '{')
	if c.From != 0 {
		out = append(strconv.AppendUint(append(out, `"from":`...), c.From, 10), ',')
	}
	out = strconv.AppendUint(append(out, `"seq":`...), c.Seq, 10)
	if c.Ack {
		out = append(out, `,"ack":true`...)
	}
	if c.Allowed != nil {
		allowed, _ := Encode(c.Allowed) // strings can always be encoded
		out = append(append(out, `,"allowed":`...), allowed...)
	}
	for _, model := range sortedKeys(c.Records) {
		out = append(out, ',')
		out = appendRecords(out, model, c.Records[model])
	}
	if len(c.Cursors) > 0 {
		out = append(out, `,"cursors":{`...)
		for i, number := range sortedKeys(c.Cursors) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(strconv.AppendUint(append(out, '"'), number, 10), `":`...)
			out = appendDelta(out, c.Cursors[number])
		}
		out = append(out, '}')
	}
	return append(out, '}')
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (c *Commit) UnmarshalJSON(data []byte) error {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*c = Commit{Records: map[string][]json.RawMessage{}}
	for name, value := range fields {
		var err error
		switch {
		case name == "from":
			err = json.Unmarshal(value, &c.From)
		case name == "seq":
			err = json.Unmarshal(value, &c.Seq)
		case name == "ack":
			err = json.Unmarshal(value, &c.Ack)
		case name == "allowed":
			err = json.Unmarshal(value, &c.Allowed)
		case name == "cursors":
			err = json.Unmarshal(value, &c.Cursors)
		case !Reserved[name] && len(value) > 0 && value[0] == '[':
			var records []json.RawMessage
			err = json.Unmarshal(value, &records)
			c.Records[name] = records
		}
		if err != nil {
			return fmt.Errorf("commit field %q: %w", name, err)
		}
	}
	return nil
}

// Frames splits a message into its frames: the elements of an array, or the message
// itself.
func Frames(message []byte) ([]json.RawMessage, error) {
	message = bytes.TrimLeft(message, " \t\r\n")
	if len(message) > 0 && message[0] == '[' {
		var frames []json.RawMessage
		err := json.Unmarshal(message, &frames)
		return frames, err
	}
	if !json.Valid(message) {
		return nil, fmt.Errorf("the message is not JSON")
	}
	return []json.RawMessage{message}, nil
}

// Requests decodes a client's message. A frame that cannot be decoded has its Err set.
func Requests(message []byte) ([]Request, error) {
	message = bytes.TrimLeft(message, " \t\r\n")
	if bytes.HasPrefix(message, []byte("{")) {
		requests := make([]Request, 1)
		err := json.Unmarshal(message, &requests[0])
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			return nil, err
		}
		requests[0].Err = err
		return requests, nil
	}
	var requests []Request
	if bytes.HasPrefix(message, []byte("[")) && json.Unmarshal(message, &requests) == nil {
		return requests, nil
	}
	frames, err := Frames(message)
	if err != nil {
		return nil, err
	}
	return requestsOf(frames), nil
}

func requestsOf(frames []json.RawMessage) []Request {
	requests := make([]Request, len(frames))
	for i, frame := range frames {
		requests[i].Err = json.Unmarshal(frame, &requests[i])
	}
	return requests
}

// Position formats a position in a store's history as "epoch:seq".
func Position(epoch string, seq uint64) string {
	return epoch + ":" + strconv.FormatUint(seq, 10)
}

// ParsePosition is the inverse of [Position].
func ParsePosition(text string) (epoch string, seq uint64, err error) {
	epoch, number, found := strings.Cut(text, ":")
	if found && epoch != "" {
		seq, err = strconv.ParseUint(number, 10, 64)
	}
	if !found || epoch == "" || err != nil {
		return "", 0, fmt.Errorf("%q is not a position of the form epoch:seq", text)
	}
	return epoch, seq, nil
}

func sortedKeys[K string | uint64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
