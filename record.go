package tower

import (
	"reflect"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// Record is what every model embeds. The store fills its fields: ID, unless the
// application or a client has set it, and both times, in UTC, to the microsecond.
type Record struct {
	ID        ID        `json:"id"`
	CreatedAt time.Time `json:"createdAt" tower:"index"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func init() { record.RegisterHeader(reflect.TypeFor[Record]()) }

// An ID names a record: a ULID, 26 characters that sort by the time at which they
// were made. The empty ID refers to nothing. It is a string type, and an alias so
// that the store reads the references of a record without converting them.
type ID = record.ID

// NewID makes an ID. IDs that one process makes sort in the order in which they were
// made. A client may make the ID of a record that it creates. NewID is safe for
// concurrent use.
func NewID() ID { return record.NewID() }

// ParseID checks that text is an ID: 26 characters, upper case. It says nothing about
// whether there is such a record.
func ParseID(text string) (ID, error) { return record.ParseID(text) }
