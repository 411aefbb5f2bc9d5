package hostile

import (
	"fmt"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// opens opens a cursor that differs for each n, and returns why it was refused; "" if not.
func (p *peer) opens(id *uint64, n int) string {
	p.t.Helper()
	*id++
	answer := p.answer(*id, fmt.Sprintf(`{"id":%d,"open":"notes.all","where":{"rank":%d}}`, *id, n))
	if answer.Error == nil {
		return ""
	}
	return fmt.Sprint(answer.Status, " ", answer.Error.Code, ": ", answer.Error.Message, " ", answer.Error.RetryAfter)
}

func mustBe(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// crowd is an application that holds few queries.
func crowd(t *testing.T) (a attacker, each int) {
	each = scaled(20, 500)
	config := notebook()
	config.Limits = tower.Limits{MaxQueries: each, MaxAllQueries: 4 * each, MaxReading: time.Hour, MaxConnections: 1000, MaxRate: 100_000}
	return attack(t, config), each
}

// holds opens so many cursors that differ, over connections of all transports.
func (a attacker) holds(id *uint64, from, count int) (peers []*peer) {
	a.t.Helper()
	for i := range count {
		if i%50 == 0 {
			peers = append(peers, a.greet(towertest.Transports()[i/50%3]))
		}
		if refused := peers[len(peers)-1].opens(id, from+i); refused != "" {
			a.t.Fatalf("query %d of %d: %s", i+1, count, refused)
		}
	}
	return peers
}

// TestDifferentQueriesOfOneClientAreBounded opens ever more cursors that differ, over many
// connections. Equal ones count once. What others hold makes no difference.
func TestDifferentQueriesOfOneClientAreBounded(t *testing.T) {
	a, each := crowd(t)
	id := uint64(0)
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		ada, bob := a.makeUser("ada "+transport), a.makeUser("bob "+transport)
		adas := a.as(ada.ID).holds(&id, 0, each)
		more, bobs := a.as(ada.ID).greet(transport), a.as(bob.ID).greet(transport)
		own := fmt.Sprintf("429 too_many: this user holds %d different queries open already; close one 0", each)
		mustBe(t, "one more", more.opens(&id, each), own)
		mustBe(t, "one more of another user", bobs.opens(&id, each), "")
		mustBe(t, "one more that another user holds", more.opens(&id, each), own)
		mustBe(t, "an equal one", more.opens(&id, 0), "")
		leaveAll(append(adas, more, bobs))
		a.as(ada.ID).awaitRoom(&id)
	})
}

// TestDifferentQueriesOfAllAreBounded fills the places of visitors, and then all.
func TestDifferentQueriesOfAllAreBounded(t *testing.T) {
	a, each := crowd(t)
	id := uint64(0)
	visitors := append(a.at("127.0.5.1").holds(&id, 1000, each), a.at("127.0.5.2").holds(&id, 2000, each)...)
	here := a.at("127.0.5.3").greet(towertest.Socket)
	mustBe(t, "a query of a visitor", here.opens(&id, 3000), "429 too_many: visitors hold too many different queries open already; sign in, or try again later 5")
	a.as(a.makeUser("ada").ID).holds(&id, 3000, each)
	a.as(a.makeUser("bob").ID).holds(&id, 4000, each)
	carl := a.as(a.makeUser("carl").ID).greet(towertest.Socket)
	mustBe(t, "one more than all", carl.opens(&id, 5000), fmt.Sprintf("429 too_many: clients hold %d different queries open already; try again later 5", 4*each))
	mustBe(t, "one that is held", carl.opens(&id, 3000), "")
	leaveAll(visitors)
	a.at("127.0.5.4").awaitRoom(&id)
}

func leaveAll(peers []*peer) {
	for _, p := range peers {
		p.leave()
	}
}

// awaitRoom returns when a client can open a query again: the server has noticed that
// others have left.
func (a attacker) awaitRoom(id *uint64) {
	a.t.Helper()
	p := a.greet(towertest.Socket)
	defer p.leave()
	for p.opens(id, 9999) != "" {
		if a.t.Context().Err() != nil {
			a.t.Fatal("no room became free")
		}
	}
}
