package session

import (
	"bytes"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/typed"
)

// mostDecoded is how many sessions are remembered.
const mostDecoded = 4096

// decoded remembers what the records of sessions hold, as every request reads that of its own session. It is safe for
// concurrent use.
type decoded struct {
	mu  sync.Mutex
	all map[record.ID]*decodedRecord
}

// A decodedRecord has what a record holds, and the JSON that says so.
type decodedRecord struct {
	public, private []byte
	details         Details
}

// of returns what a record of the table holds.
func (d *decoded) of(t *typed.Table[Details], image *record.Image) (Details, error) {
	d.mu.Lock()
	known := d.all[image.ID]
	d.mu.Unlock()
	if known != nil && bytes.Equal(known.public, image.JSON) && bytes.Equal(known.private, image.Private) {
		return known.details, nil
	}
	details, err := t.Of(image)
	if err != nil {
		return details, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) >= mostDecoded {
		clear(d.all)
	}
	d.all[image.ID] = &decodedRecord{bytes.Clone(image.JSON), bytes.Clone(image.Private), details}
	return details, nil
}
