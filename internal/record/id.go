package record

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// An ID names a record within its model: a ULID, 26 characters that sort by
// the time they were made. A client may make the ID of a record it creates.
type ID string

const IDSize = ulid.EncodedSize

var ids = struct {
	sync.Mutex
	entropy *ulid.MonotonicEntropy
}{entropy: ulid.Monotonic(rand.Reader, 0)}

// NewID returns an ID. Those that one process makes within a millisecond sort
// in the order they were made. It is safe for concurrent use.
func NewID() ID {
	ids.Lock()
	defer ids.Unlock()
	return ID(ulid.MustNew(ulid.Timestamp(time.Now()), ids.entropy).String())
}

// ParseID checks that text is an ID.
func ParseID(text string) (ID, error) {
	if _, err := ulid.ParseStrict(text); err != nil || text != strings.ToUpper(text) {
		return "", fmt.Errorf("%q is not an id; 26 characters like 01JDA7Q4Z3M8X2V6K9T5B1C0RW are one", text)
	}
	return ID(text), nil
}

// A Key names a record across models.
type Key struct {
	Model *Model
	ID    ID
}
