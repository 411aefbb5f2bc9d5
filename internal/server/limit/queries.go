package limit

import (
	"fmt"
	"sync"

	"github.com/towerkit/tower/internal/server/fault"
)

// Queries counts the different queries that each party holds open, however often and whoever
// else holds them. Visitors hold at most half as many as there may be in all, so that there
// is room for users. It is safe for concurrent use.
type Queries struct {
	limits *Limits

	mu       sync.Mutex
	parties  map[string]map[any]int // how often each holds a query
	visitors int                    // queries of all visitors
}

// NewQueries returns the queries of an application that holds none.
func NewQueries(limits *Limits) *Queries {
	return &Queries{limits: limits, parties: map[string]map[any]int{}}
}

// Hold counts a query that a party opens, or returns the reason why it may not. all is the
// number of all queries with this one if it is new, and 0 if it is not. A query that must be
// held is counted in any case.
func (q *Queries) Hold(party Party, query any, all int, must bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := party.Key()
	held := q.parties[key]
	if held[query] == 0 {
		if err := q.refusal(party, len(held), all); err != nil && !must {
			return err
		}
		if held == nil {
			held = map[any]int{}
			q.parties[key] = held
		}
		if party.User == "" {
			q.visitors++
		}
	}
	held[query]++
	return nil
}

func (q *Queries) refusal(party Party, own, all int) error {
	visitor := party.User == ""
	switch l := q.limits; {
	case own >= l.MaxQueries && visitor:
		return tooMany("queries", "visitors at this address hold %d different queries open already; sign in, or close one", own)
	case own >= l.MaxQueries:
		return tooMany("queries", "this user holds %d different queries open already; close one", own)
	case visitor && q.visitors >= max(l.MaxAllQueries/2, 1):
		return crowded("queries", "visitors hold too many different queries open already; sign in, or try again later")
	case all > l.MaxAllQueries:
		return crowded("queries", "clients hold %d different queries open already; try again later", l.MaxAllQueries)
	}
	return nil
}

// crowded returns the error for who may succeed when others have left.
func crowded(limit, reason string, args ...any) error {
	return &fault.Error{Code: fault.TooMany, Limit: limit, Message: fmt.Sprintf(reason, args...), Wait: full}
}

// tooMany returns the error for who may succeed after giving something up.
func tooMany(limit, reason string, args ...any) error {
	return &fault.Error{Code: fault.TooMany, Limit: limit, Message: fmt.Sprintf(reason, args...)}
}

// Drop counts a query once less for a party.
func (q *Queries) Drop(party Party, query any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := party.Key()
	held := q.parties[key]
	if held[query]--; held[query] > 0 {
		return
	}
	if delete(held, query); len(held) == 0 {
		delete(q.parties, key)
	}
	if party.User == "" {
		q.visitors--
	}
}
