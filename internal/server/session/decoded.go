package session

import (
	"bytes"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/typed"
)

// mostDecoded is how many sessions the cache holds.
const mostDecoded = 4096

// decoded caches what the records of sessions decode to: every request reads the record of its session. It is safe
// for concurrent use.
type decoded struct {
	mu  sync.Mutex
	all map[record.ID]*decodedRecord
}

// A decodedRecord is the JSON of a record, and what it decodes to.
type decodedRecord struct {
	public, private []byte
	details         Details
}

// of returns what a record of the table decodes to.
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
