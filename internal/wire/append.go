package wire

import (
	"encoding/json"
	"strconv"
)

// Commits are most of what a server sends, so they are encoded by hand, in the form
// that encoding/json would produce.

func appendDelta(out []byte, d *Delta) []byte {
	start := len(out)
	if d.To != 0 {
		out = strconv.AppendUint(append(out, `,"to":`...), d.To, 10)
	}
	if d.Scope != nil {
		scope, _ := Encode(d.Scope) // its conditions are JSON
		out = append(append(out, `,"scope":`...), scope...)
	}
	out = appendEntries(out, `,"enter":[`, d.Enter)
	out = appendEntries(out, `,"change":[`, d.Change)
	if len(d.Leave) > 0 {
		out = append(out, `,"leave":[`...)
		for i, id := range d.Leave {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, id)
		}
		out = append(out, ']')
	}
	if len(d.Then) > 0 {
		out = append(out, `,"then":[`...)
		for i := range d.Then {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendDelta(out, &d.Then[i])
		}
		out = append(out, ']')
	}
	if d.Value != nil {
		out = append(append(out, `,"value":`...), d.Value...)
	}
	if len(d.Include) > 0 {
		out = append(out, `,"include":{`...)
		for i, model := range sortedKeys(d.Include) {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendDelta(append(appendString(out, model), ':'), d.Include[model])
		}
		out = append(out, '}')
	}
	if d.Closed != nil {
		closed, _ := Encode(d.Closed) // strings can always be encoded
		out = append(append(out, `,"closed":`...), closed...)
	}
	if len(out) == start {
		return append(out, "{}"...)
	}
	out[start] = '{' // replaces the first comma
	return append(out, '}')
}

func appendEntries(out []byte, head string, entries []Entry) []byte {
	if len(entries) == 0 {
		return out
	}
	out = append(out, head...)
	for i := range entries {
		e := &entries[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(append(out, `{"id":`...), e.ID)
		if e.After != nil {
			out = appendString(append(out, `,"after":`...), *e.After)
		}
		if e.HTML != "" {
			out = appendString(append(out, `,"html":`...), e.HTML)
		}
		out = append(out, '}')
	}
	return append(out, ']')
}

// appendString appends a string as JSON. It copies a string that needs no escapes.
func appendString(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := Encode(text) // a string can always be encoded
			return append(out, quoted...)
		}
	}
	return append(append(append(out, '"'), text...), '"')
}

func appendRecords(out []byte, model string, records []json.RawMessage) []byte {
	out = append(appendString(out, model), ':', '[')
	for i, record := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, record...)
	}
	return append(out, ']')
}
