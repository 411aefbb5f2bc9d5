package record

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// An ID identifies a record within its model. It is a ULID: 26 characters that sort
// by the time of their creation. A client may choose the ID of a record it creates.
type ID string

// IDSize is the length of an ID in bytes.
const IDSize = ulid.EncodedSize

var ids = struct {
	sync.Mutex
	entropy *ulid.MonotonicEntropy
}{entropy: ulid.Monotonic(rand.Reader, 0)}

// NewID returns a new ID. IDs that one process makes within the same millisecond sort
// in the order of the calls. NewID is safe for concurrent use.
func NewID() ID {
	ids.Lock()
	defer ids.Unlock()
	return ID(ulid.MustNew(ulid.Timestamp(time.Now()), ids.entropy).String())
}

// DeriveID returns the ID of the record of a model that belongs to a key: always the same.
func DeriveID(model, key string) ID {
	sum := sha256.Sum256([]byte(model + "\x00" + key))
	var id ulid.ULID // its time is zero
	copy(id[6:], sum[:])
	return ID(id.String())
}

// ParseID returns text as an ID, or an error if it is not one.
func ParseID(text string) (ID, error) {
	if _, err := ulid.ParseStrict(text); err != nil || text != strings.ToUpper(text) {
		return "", fmt.Errorf("%q is not an id; an id has 26 characters, like 01JDA7Q4Z3M8X2V6K9T5B1C0RW", text)
	}
	return ID(text), nil
}

// A Key identifies a record across models.
type Key struct {
	Model *Model
	ID    ID
}
