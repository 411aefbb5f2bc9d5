package erase

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/towerkit/tower/internal/record"
)

const (
	shortest = 4   // bytes of a text that is searched for
	piece    = 64  // bytes of the pieces of a long text
	long     = 256 // bytes of a text that is searched for by pieces
)

// A needle is a text that must not be found.
type needle struct {
	part
	bytes []byte // the part in one of its forms
	id    bool   // it is the id of an erased record
}

// A part is a whole text, or a piece of a long one.
type part struct {
	text   string // as the record had it
	number int    // of the piece
}

// needles are searched for all at once. They are safe for concurrent use once they are made.
type needles struct {
	list    []needle
	begin   map[[shortest]byte][]int // by their first bytes
	begins  [1 << 13]byte            // a bit for each pair of first bytes
	longest int
}

// newNeedles returns needles for ids, and for texts without the parts that are left out.
func newNeedles(ids, texts []string, without map[part]bool) *needles {
	n := &needles{begin: map[[shortest]byte][]int{}}
	for _, id := range ids {
		n.add(needle{part{text: id}, []byte(id), true})
	}
	add := func(of part, form []byte) {
		if !without[of] {
			n.add(needle{of, form, false})
		}
	}
	for _, text := range texts {
		for _, form := range forms(text) {
			if len(form) <= long {
				add(part{text, 0}, form)
				continue
			}
			for number, at := range [...]int{0, (len(form) - piece) / 2, len(form) - piece} {
				add(part{text, number}, form[at:at+piece])
			}
		}
	}
	return n
}

func (n *needles) add(one needle) {
	begin := [shortest]byte(one.bytes)
	n.begin[begin] = append(n.begin[begin], len(n.list))
	pair := int(begin[0])<<8 | int(begin[1])
	n.begins[pair/8] |= 1 << (pair % 8)
	n.longest = max(n.longest, len(one.bytes))
	n.list = append(n.list, one)
}

// forms returns a text as files have it: as it is, and as JSON.
func forms(text string) [][]byte {
	all := [][]byte{[]byte(text)}
	for _, html := range [...]bool{true, false} {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(html)
		if err := encoder.Encode(text); err != nil {
			continue // it was decoded from JSON
		}
		form := b.Bytes()[1 : b.Len()-2] // without the quotes and the line end
		if !slices.ContainsFunc(all, func(other []byte) bool { return bytes.Equal(other, form) }) {
			all = append(all, bytes.Clone(form))
		}
	}
	return all
}

// each calls found with the number of each needle at each place in data.
func (n *needles) each(data []byte, found func(int)) {
	for i := 0; i+shortest <= len(data); i++ {
		pair := int(data[i])<<8 | int(data[i+1])
		if n.begins[pair/8]&(1<<(pair%8)) == 0 {
			continue
		}
		for _, k := range n.begin[[shortest]byte(data[i:i+shortest])] {
			if bytes.HasPrefix(data[i:], n.list[k].bytes) {
				found(k)
			}
		}
	}
}

// in reports whether any needle is in data.
func (n *needles) in(data []byte) (found bool) {
	n.each(data, func(int) { found = true })
	return found
}

const window = 1 << 20 // bytes that are searched at once

// search calls found with the number of each needle in what r reads, at least once, and returns
// how many bytes there were.
func (n *needles) search(r io.Reader, found func(int)) (size int64, err error) {
	buffer := make([]byte, 0, window+n.longest)
	for {
		read, err := io.ReadFull(r, buffer[len(buffer):cap(buffer)])
		size += int64(read)
		buffer = buffer[:len(buffer)+read]
		n.each(buffer, found)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		rest := copy(buffer, buffer[max(0, len(buffer)-n.longest):])
		buffer = buffer[:rest]
	}
}

// textsOf returns the texts of a record, without its times and references, and how many are too short to be
// searched for.
func textsOf(image *record.Image) (texts []string, short int) {
	for _, part := range [...][]byte{image.JSON, image.Private} {
		var members map[string]any
		if json.Unmarshal(part, &members) != nil {
			continue
		}
		for _, name := range [...]string{"id", "createdAt", "updatedAt"} {
			delete(members, name)
		}
		eachText(members, func(text string) {
			switch _, err := record.ParseID(text); {
			case err == nil, text == "": // it is another record's
			case len(text) < shortest:
				short++
			default:
				texts = append(texts, text)
			}
		})
	}
	return texts, short
}

func eachText(value any, fn func(string)) {
	switch v := value.(type) {
	case string:
		fn(v)
	case []any:
		for _, element := range v {
			eachText(element, fn)
		}
	case map[string]any:
		for _, member := range v {
			eachText(member, fn)
		}
	}
}
