// Package limit holds the bounds on what clients may make an application hold and do.
package limit

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	"github.com/towerkit/tower/internal/deadline"
)

// MaxHeader bounds the bytes of the header of one request.
const MaxHeader = 64 << 10

// Limits are the bounds of an application. The type Limits of package tower has the same
// fields and describes them.
type Limits struct {
	MaxFrame int64
	MaxBody  int64
	MaxQueue int

	MaxRate        int
	MaxInflow      int
	MaxCursors     int
	MaxQueries     int
	MaxAllQueries  int
	MaxConnections int
	MaxAddress     int
	MaxVisitors    int
	MaxClients     int

	MaxReading time.Duration
	MaxOutflow int

	Timeout  time.Duration
	Patience time.Duration
	MinSpeed int
}

// WithDefaults returns the limits with a default for each zero, or an error that names a
// negative limit.
func (l Limits) WithDefaults() (Limits, error) {
	for value, i := reflect.ValueOf(l), 0; i < value.NumField(); i++ {
		if value.Field(i).Int() < 0 {
			return l, fmt.Errorf("Config.Limits.%s is negative; 0 is the default", value.Type().Field(i).Name)
		}
	}
	l.MaxFrame = cmp.Or(l.MaxFrame, 64<<10)
	l.MaxBody = cmp.Or(l.MaxBody, 1<<20)
	l.MaxQueue = cmp.Or(l.MaxQueue, 1<<20)
	l.MaxRate = cmp.Or(l.MaxRate, 200)
	l.MaxInflow = cmp.Or(l.MaxInflow, 1<<20)
	l.MaxCursors = cmp.Or(l.MaxCursors, 200)
	l.MaxQueries = cmp.Or(l.MaxQueries, 4000)
	l.MaxAllQueries = cmp.Or(l.MaxAllQueries, 400_000)
	l.MaxConnections = cmp.Or(l.MaxConnections, 100)
	l.MaxAddress = cmp.Or(l.MaxAddress, 2000)
	l.MaxVisitors = cmp.Or(l.MaxVisitors, 10_000)
	l.MaxClients = cmp.Or(l.MaxClients, 20_000)
	l.MaxReading = cmp.Or(l.MaxReading, 10*time.Millisecond)
	l.MaxOutflow = cmp.Or(l.MaxOutflow, 8<<20)
	l.Timeout = cmp.Or(l.Timeout, 30*time.Second)
	l.Patience = cmp.Or(l.Patience, 20*time.Second)
	l.MinSpeed = cmp.Or(l.MinSpeed, 4<<10)
	return l, nil
}

// Pace returns how fast clients must send and receive.
func (l *Limits) Pace() deadline.Pace { return deadline.Pace{Wait: l.Patience, Rate: l.MinSpeed} }
