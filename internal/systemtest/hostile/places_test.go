package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// refusal opens a connection and returns why it was refused; "" if it was not. A socket says
// that when it is open, so that a browser can read it. Every transport says when to try again.
func (a attacker) refusal(transport string) string {
	a.t.Helper()
	p, status, refusal := a.tryConnect(transport)
	if p == nil {
		if status != http.StatusTooManyRequests || !strings.Contains(refusal, `"retryAfter":5`) {
			a.t.Errorf("%s: refused with status %d: %s", transport, status, refusal)
		}
		return refusal
	}
	_ = p.line.send(`{"hello":1}`) // it may have ended
	frame := p.hear()
	if strings.HasPrefix(frame, `{"hello":`) {
		return ""
	}
	if !strings.HasPrefix(frame, `{"status":429,"error":{"code":"too_many"`) || !strings.Contains(frame, `"retryAfter":5`) {
		a.t.Errorf("%s: refused with %s", transport, frame)
	}
	_, end := p.tryHear()
	if end == nil || end.Code != 4429 {
		a.t.Errorf("%s: ended with %+v", transport, end)
		return frame
	}
	return end.Reason
}

// fill opens connections of all transports in turn.
func (a attacker) fill(count int) (peers []*peer) {
	a.t.Helper()
	for i := range count {
		peers = append(peers, a.greet(towertest.Transports()[i%3]))
	}
	return peers
}

// mustRefuse expects that every transport refuses, with a reason that contains want.
func (a attacker) mustRefuse(want string) {
	a.t.Helper()
	for _, transport := range towertest.Transports() {
		if reason := a.refusal(transport); !strings.Contains(reason, want) {
			a.t.Errorf("%s: %q, not %q", transport, reason, want)
		}
	}
}

// mustAccept expects that every transport accepts.
func (a attacker) mustAccept() {
	a.t.Helper()
	for _, transport := range towertest.Transports() {
		if reason := a.refusal(transport); reason != "" {
			a.t.Errorf("%s: refused: %s", transport, reason)
		}
	}
}

// TestAnAddressFullOfVisitorsHasPlacesForUsers fills an address with visitors and then with
// users. Other addresses do not notice.
func TestAnAddressFullOfVisitorsHasPlacesForUsers(t *testing.T) {
	config := notebook()
	each := scaled(6, 300)
	config.Limits = tower.Limits{MaxAddress: 2 * each, MaxConnections: 2*each + 10}
	a := attack(t, config)
	here := a.at("127.0.0.2")
	visitors := here.fill(each)
	here.mustRefuse(fmt.Sprintf("visitors at this address have %d connections open", each))
	a.at("127.0.0.3").mustAccept()

	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	here.as(ada.ID).fill(each - each/2)
	here.as(bob.ID).fill(each / 2)
	here.as(bob.ID).mustRefuse(fmt.Sprintf("%d connections are open from this address", 2*each))
	a.at("127.0.0.3").as(bob.ID).mustAccept()

	visitors[0].leave()
	for here.as(ada.ID).refusal(towertest.Socket) != "" { // the place is free when the server has noticed
		if t.Context().Err() != nil {
			t.Fatal("no place became free")
		}
	}
}

// TestANetworkOfIPv6IsOneAddress connects from many addresses of one network.
func TestANetworkOfIPv6IsOneAddress(t *testing.T) {
	config := notebook()
	each := scaled(3, 300)
	config.Limits = tower.Limits{MaxAddress: 2 * each}
	config.TrustedProxies = []string{"127.0.0.1"}
	a := attack(t, config)
	for i := range each {
		a.with("X-Forwarded-For", fmt.Sprintf("2001:db8:1:2:%x::1", i+1)).greet(towertest.Transports()[i%3])
	}
	a.with("X-Forwarded-For", "2001:db8:1:2:ffff::9").mustRefuse(fmt.Sprintf("visitors at this address have %d connections open", each))
	a.with("X-Forwarded-For", "2001:db8:1:3::1").mustAccept()
}

// TestVisitorsLeavePlacesForUsers fills the application with visitors from many addresses.
func TestVisitorsLeavePlacesForUsers(t *testing.T) {
	config := notebook()
	each := scaled(1, 100)
	config.Limits = tower.Limits{MaxVisitors: 6 * each, MaxClients: 9 * each, MaxConnections: 3*each + 1}
	a := attack(t, config)
	for i := range 3 {
		a.at(fmt.Sprintf("127.0.1.%d", i+1)).fill(2 * each)
	}
	a.at("127.0.0.9").mustRefuse(fmt.Sprintf("%d visitors are connected", 6*each))
	ada := a.makeUser("ada")
	a.at("127.0.0.9").as(ada.ID).fill(3 * each)
	a.at("127.0.0.10").as(ada.ID).mustRefuse(fmt.Sprintf("%d clients are connected", 9*each))
}

// TestAUserHasSoManyConnections fills the places of one user, over all transports together.
func TestAUserHasSoManyConnections(t *testing.T) {
	config := notebook()
	each := scaled(3, 300)
	config.Limits = tower.Limits{MaxConnections: each}
	a := attack(t, config)
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	a.as(ada.ID).fill(each)
	a.as(ada.ID).at("127.0.0.5").mustRefuse(fmt.Sprintf("this user has %d connections open", each))
	a.as(bob.ID).mustAccept()
	a.mustAccept()
}
