package store

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// A record is stored as
//
//	version, 8 bytes big-endian ‖ length of the public JSON, uvarint ‖ public JSON ‖ private JSON
//
// and a commit, under its seq, as
//
//	time in microseconds, 8 bytes big-endian ‖ by ‖ number of changes, uvarint ‖ changes
//
// in pieces if it is long, see pieceSize. A change is its op, 1 byte ‖ model ‖ id ‖ the
// record before, unless it is a create ‖ the record after, unless it is a delete. Within
// a commit, texts and records are preceded by their length as a uvarint.

var errShort = fmt.Errorf("the entry is cut short: %w", errDamaged)

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func appendText[T ~string | ~[]byte](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// recordSize returns how many bytes appendRecord appends for the image; 0 for nil.
func recordSize(image *record.Image) int {
	if image == nil {
		return 0
	}
	return 8 + uvarintSize(len(image.JSON)) + len(image.JSON) + len(image.Private)
}

// uvarintSize returns how many bytes n takes as a uvarint.
func uvarintSize(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

// cutText returns the text at the beginning of data, and what follows it.
func cutText(data []byte) (text, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return nil, nil, errShort
	}
	data = data[size:]
	return data[:n:n], data[n:], nil
}

func appendRecord(dst []byte, image *record.Image) []byte {
	dst = binary.BigEndian.AppendUint64(dst, image.Version)
	dst = appendText(dst, image.JSON)
	return append(dst, image.Private...)
}

// recordVersion returns the version of a stored record; 0 if there is none.
func recordVersion(data []byte) uint64 {
	if len(data) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(data)
}

// decodeRecord returns the image of a stored record. The image keeps data.
func decodeRecord(m *record.Model, id record.ID, data []byte) (*record.Image, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%s/%s: %w", m.Name, id, errShort)
	}
	public, private, err := cutText(data[8:])
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", m.Name, id, err)
	}
	image := &record.Image{Model: m, ID: id, Version: recordVersion(data), JSON: public}
	if len(private) > 0 {
		image.Private = private
	}
	return image, nil
}

// image returns a stored record of the table. Records that fitted when the store was
// opened still fit, as those that were written since do.
func (t *table) image(id record.ID, data []byte) (*record.Image, error) {
	image, err := decodeRecord(t.model, id, data)
	if err == nil && !t.unfit[id] {
		image.KnownToFit()
	}
	return image, err
}

// encodeCommit returns the log entry of a commit that has no number and no time yet.
// The time goes into its first 8 bytes, and the commit's number into the positions in
// versions.
func encodeCommit(by string, changes []Change) (entry []byte, versions []int) {
	size := 32 + len(by)
	for i := range changes {
		size += 64 + len(changes[i].Model.Name) + recordSize(changes[i].Before) + recordSize(changes[i].After)
	}
	entry = make([]byte, 8, size)
	entry = appendText(entry, by)
	entry = binary.AppendUvarint(entry, uint64(len(changes)))
	for _, c := range changes {
		entry = append(entry, byte(c.Op))
		entry = appendText(entry, c.Model.Name)
		entry = appendText(entry, c.ID)
		if c.Before != nil {
			entry = binary.AppendUvarint(entry, uint64(recordSize(c.Before)))
			entry = appendRecord(entry, c.Before)
		}
		if c.After != nil {
			entry = binary.AppendUvarint(entry, uint64(recordSize(c.After)))
			versions = append(versions, len(entry))
			entry = appendRecord(entry, c.After)
		}
	}
	return entry, versions
}

// entryTime returns the time of the commit in a log entry.
func entryTime(entry []byte) time.Time {
	return time.UnixMicro(int64(recordVersion(entry))).UTC()
}

// decodeCommit decodes a log entry. It leaves out changes of models that model does
// not know. The commit keeps data.
func decodeCommit(seq uint64, data []byte, model func(name string) *record.Model) (Commit, error) {
	c := Commit{Seq: seq, At: entryTime(data)}
	d := decoder{rest: data}
	d.take(8)
	c.By = string(d.text())
	for n := d.number(); n > 0 && d.err == nil; n-- {
		if change := d.change(model); change.Model != nil {
			c.Changes = append(c.Changes, change)
		}
	}
	if d.err != nil {
		return Commit{}, fmt.Errorf("read commit %d from the log: %w", seq, d.err)
	}
	return c, nil
}

// A decoder reads a log entry. After the first error it reads nothing more.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.err = errShort
		return make([]byte, n)
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.err = errShort
		return 0
	}
	d.take(size)
	return n
}

func (d *decoder) text() []byte {
	text, rest, err := cutText(d.rest)
	if err != nil {
		d.err = err
		return nil
	}
	d.rest = rest
	return text
}

// raw reads a change as it is stored.
func (d *decoder) raw() rawChange {
	c := rawChange{op: Op(d.take(1)[0])}
	if d.err == nil && (c.op < Create || c.op > Delete) {
		d.err = fmt.Errorf("unknown op %d", c.op)
		return rawChange{}
	}
	c.model, c.id = d.text(), d.text()
	if c.op != Create {
		c.before = d.text()
	}
	if c.op != Delete {
		c.after = d.text()
	}
	return c
}

func (d *decoder) change(model func(string) *record.Model) Change {
	raw := d.raw()
	m := model(string(raw.model))
	if d.err != nil || m == nil {
		return Change{}
	}
	c := Change{Op: raw.op, Model: m, ID: record.ID(raw.id)}
	c.Before = d.image(m, c.ID, raw.before)
	c.After = d.image(m, c.ID, raw.after)
	return c
}

func (d *decoder) image(m *record.Model, id record.ID, data []byte) *record.Image {
	if data == nil || d.err != nil {
		return nil
	}
	image, err := decodeRecord(m, id, data)
	if err != nil {
		d.err = err
	}
	return image
}
