// Package guess slows down clients that guess a secret of an account, such as its password.
// It counts wrong guesses, in memory: those of one address for one account, those of one
// address for all accounts, and those of all addresses for one account. The last bound
// does not apply to addresses that have known the secret before, so that an attack
// from many addresses does not lock the owner out.
//
// Each node of an application counts what reaches it, and allows its share of each bound. So
// no message is needed to bound what clients can guess by going from node to node.
package guess

import (
	"crypto/sha256"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A pace allows some wrong guesses at once, and then one in each interval.
type pace struct {
	burst    int
	interval time.Duration
}

// leastBurst is how many wrong guesses each node allows at once, however many nodes there are:
// people mistype.
const leastBurst = 5

// share returns the pace of one of several nodes.
func (p pace) share(nodes int) pace {
	return pace{max(p.burst/nodes, leastBurst), p.interval * time.Duration(nodes)}
}

var (
	perBoth    = pace{5, 30 * time.Second} // of one address for one account
	perAddress = pace{30, 5 * time.Second}
	perAccount = pace{50, time.Minute} // of addresses that have not known the secret
)

const (
	maxKeys  = 100_000             // of each bound
	memory   = 30 * 24 * time.Hour // how long an address is remembered that has known a secret
	sampling = 16                  // keys that are compared to find one to forget
)

// A Limiter bounds wrong guesses. It is safe for concurrent use.
type Limiter struct {
	now   func() time.Time
	nodes atomic.Int64 // that share the bounds; 0: one

	mu    sync.Mutex
	used  map[pace]map[key]time.Time // when a key has paid for its guesses
	known map[key]time.Time          // until when an address is remembered for an account
}

// A key is the hash of an account, an address, or both.
type key [16]byte

func keyOf(account, address string) (k key) {
	sum := sha256.Sum256([]byte(account + "\x00" + address))
	copy(k[:], sum[:])
	return k
}

// New returns a limiter.
func New() *Limiter {
	return &Limiter{now: time.Now, known: map[key]time.Time{},
		used: map[pace]map[key]time.Time{perBoth: {}, perAddress: {}, perAccount: {}}}
}

// Share sets between how many nodes the bounds are shared, from 1. It is 1 at first.
func (l *Limiter) Share(nodes int) { l.nodes.Store(int64(nodes)) }

// Try runs check, which reports whether a client at an address knows the secret of an
// account. After too many wrong guesses it does not run check, and returns how long the
// client has to wait. Accounts that do not exist count as others do. Names of accounts
// that differ in case only are one account.
func (l *Limiter) Try(account, address string, check func() bool) (right bool, wait time.Duration) {
	account, address = strings.ToLower(strings.TrimSpace(account)), network(address)
	both := keyOf(account, address)
	bounds := map[pace]key{perBoth: both, perAddress: keyOf("", address), perAccount: keyOf(account, "")}
	nodes := max(int(l.nodes.Load()), 1)
	if wait := l.reserve(bounds, both, nodes); wait > 0 {
		return false, wait
	}
	if right = check(); right {
		l.forgive(bounds, both, nodes)
	}
	return right, 0
}

// reserve counts a wrong guess before it is made, so that many at a time are bounded too.
// It counts none and returns how long to wait if there were too many.
func (l *Limiter) reserve(bounds map[pace]key, both key, nodes int) (wait time.Duration) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[both].After(now) {
		delete(bounds, perAccount)
	}
	for p, k := range bounds {
		share := p.share(nodes)
		if free := l.used[p][k].Add(-time.Duration(share.burst-1) * share.interval); free.After(now) {
			wait = max(wait, free.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for p, k := range bounds {
		paid := l.used[p][k]
		if paid.Before(now) {
			paid = now
		}
		put(l.used[p], k, paid.Add(p.share(nodes).interval), now)
	}
	return 0
}

// forgive takes a guess back, because it was right, and remembers the address.
func (l *Limiter) forgive(bounds map[pace]key, both key, nodes int) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, k := range bounds {
		if paid, ok := l.used[p][k]; ok {
			l.used[p][k] = paid.Add(-p.share(nodes).interval)
		}
	}
	put(l.known, both, now.Add(memory), now)
}

// put sets a time. If there are too many, it first forgets those that have passed, or else
// one of the earliest.
func put(times map[key]time.Time, k key, at, now time.Time) {
	if _, ok := times[k]; !ok && len(times) >= maxKeys {
		var earliest key
		n := 0
		for other, t := range times {
			if t.Before(now) {
				delete(times, other)
			} else if n == 0 || t.Before(times[earliest]) {
				earliest = other
			}
			if n++; n == sampling {
				break
			}
		}
		if len(times) >= maxKeys {
			delete(times, earliest)
		}
	}
	times[k] = at
}

// network returns what one client controls: an address of IPv4, or a network of IPv6.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.String()
	}
	return addr.String()
}
