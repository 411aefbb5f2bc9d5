package limit

import (
	"net/netip"
	"sync"
	"time"
)

// A Party answers for what a client does: a signed-in user, or all visitors at an address.
type Party struct {
	User    string // "": a visitor
	Network string // the address; of IPv6 the network of 64 bits that one customer has
}

// PartyOf returns the party of a client.
func PartyOf(user, address string) Party {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return Party{user, address}
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		network, _ := addr.Prefix(64) // an address of IPv6 has 128
		return Party{user, network.String()}
	}
	return Party{user, addr.String()}
}

// Key identifies the party: users wherever they are, visitors by their address.
func (p Party) Key() string {
	if p.User != "" {
		return "user " + p.User
	}
	return "address " + p.Network
}

// Places counts the connections of an application. Visitors take at most half of the places
// of an address, and MaxVisitors of all, so that there are places left for users. It is safe
// for concurrent use.
type Places struct {
	limits *Limits

	mu       sync.Mutex
	users    map[string]int
	networks map[string]*network
	visitors int
	all      int
}

// full is how long a client waits before it tries again to take a place.
const full = 5 * time.Second

// A network is one address.
type network struct{ visitors, all int }

// NewPlaces returns places within limits.
func NewPlaces(limits *Limits) *Places {
	return &Places{limits: limits, users: map[string]int{}, networks: map[string]*network{}}
}

// Take takes a place for a connection of a party, or returns the reason why there is none.
func (p *Places) Take(party Party) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.networks[party.Network]
	if at == nil {
		at = &network{}
	}
	visitor := party.User == ""
	var most int
	var reason string
	switch l := p.limits; {
	case !visitor && p.users[party.User] >= l.MaxConnections:
		most, reason = l.MaxConnections, "this user has %d connections open already; close one"
	case visitor && at.visitors >= max(l.MaxAddress/2, 1):
		most, reason = max(l.MaxAddress/2, 1), "visitors at this address have %d connections open already; sign in, or close one"
	case at.all >= l.MaxAddress:
		most, reason = l.MaxAddress, "%d connections are open from this address already; close one"
	case visitor && p.visitors >= l.MaxVisitors:
		most, reason = l.MaxVisitors, "%d visitors are connected already; sign in, or try again later"
	case p.all >= l.MaxClients:
		most, reason = l.MaxClients, "%d clients are connected already; try again later"
	default:
		p.networks[party.Network] = at
		p.add(party, at, 1)
		return nil
	}
	return crowded("connections", reason, most)
}

// Leave gives a place back.
func (p *Places) Leave(party Party) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.networks[party.Network]
	p.add(party, at, -1)
	if at.all == 0 {
		delete(p.networks, party.Network)
	}
	if p.users[party.User] == 0 {
		delete(p.users, party.User)
	}
}

func (p *Places) add(party Party, at *network, n int) {
	p.all += n
	at.all += n
	if party.User == "" {
		p.visitors += n
		at.visitors += n
	} else {
		p.users[party.User] += n
	}
}
