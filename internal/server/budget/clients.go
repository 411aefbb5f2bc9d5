package budget

import (
	"sync"
	"time"
)

// maxClients is how many allowances Clients holds.
const maxClients = 4096

// Clients holds the allowances of clients that are known by a key, such as their address,
// because they send each request by itself. The zero value holds none. It is safe for
// concurrent use.
type Clients struct {
	mu  sync.Mutex
	all map[string]*Allowance
}

// Of returns the allowance of a client.
func (c *Clients) Of(key string) *Allowance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[key] == nil {
		c.sweep()
		c.all[key] = &Allowance{}
	}
	return c.all[key]
}

// sweep makes room: it drops allowances that are full and, if these are too few, all.
func (c *Clients) sweep() {
	if c.all != nil && len(c.all) < maxClients {
		return
	}
	now, kept := time.Now(), map[string]*Allowance{}
	for key, a := range c.all {
		if a.left(now); a.spent > 0 {
			kept[key] = a
		}
	}
	if c.all = kept; len(kept) > maxClients/2 {
		c.all = map[string]*Allowance{}
	}
}
