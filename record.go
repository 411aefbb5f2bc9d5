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

func init() { registerHeader() }

// registerHeader lets models embed [Record]. The package's own are made before init.
func registerHeader() { record.RegisterHeader(reflect.TypeFor[Record]()) }

// An ID names a record: a ULID, 26 characters that sort by creation time. The empty ID
// refers to nothing. It is an alias of an internal string type, so that the store reads
// the references of a record without converting them.
type ID = record.ID

// NewID makes an ID. The IDs of one process sort in the order of their creation. A client
// may make the ID of a record that it creates. NewID is safe for concurrent use.
func NewID() ID { return record.NewID() }

// ParseID returns text as an ID, or an error unless it has the form of one: 26 characters,
// upper case. It does not check that there is such a record.
func ParseID(text string) (ID, error) { return record.ParseID(text) }
