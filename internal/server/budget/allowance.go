package budget

import (
	"sync"
	"time"
)

// An allowance is what a client may still use at once of something that grows back: so
// much in each second, up to size. It may be overdrawn by one request, whose cost is known
// only afterwards.
type allowance struct {
	perSecond, size float64
}

// A use is how much of an allowance one client has used. The zero value is nothing.
type use struct {
	spent float64
	at    time.Time // when spent was computed
}

// add uses some of the allowance.
func (a allowance) add(u *use, amount float64, now time.Time) {
	u.spent, u.at = max(u.spent-a.perSecond*now.Sub(u.at).Seconds(), 0)+amount, now
}

// wait returns how long it takes until some of the allowance is left; 0 if some is.
func (a allowance) wait(u *use, now time.Time) time.Duration {
	if a.add(u, 0, now); u.spent < a.size {
		return 0
	}
	return max(time.Duration((u.spent-a.size)/a.perSecond*float64(time.Second)), time.Millisecond)
}

// A client is what is known of one client.
type client struct {
	mu          sync.Mutex
	work, bytes use
	follow      use
	requests    int           // that have begun or wait
	waiting     int           // of these
	turn        chan struct{} // holds a token while no request of the client stands in line for a lane
}
