package limit

import (
	"cmp"
	"net/netip"
	"slices"
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
// of an address, and MaxVisitors of all, so that there are places left for users. Connections of
// a user or an address to other nodes count, as far as they are known. It is safe for
// concurrent use.
type Places struct {
	limits *Limits

	mu       sync.Mutex
	users    map[string]int
	networks map[string]*network
	visitors int
	all      int

	others          int // nodes beside this one
	usersElsewhere  map[string]int
	placesElsewhere map[string]network // of addresses
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
	elsewhere := p.placesElsewhere[party.Network]
	var most int
	var reason string
	switch l := p.limits; {
	case !visitor && p.users[party.User]+p.usersElsewhere[party.User] >= l.MaxConnections:
		most, reason = l.MaxConnections, "this user has %d connections open already; close one"
	case visitor && at.visitors+elsewhere.visitors >= max(l.MaxAddress/2, 1):
		most, reason = max(l.MaxAddress/2, 1), "visitors at this address have %d connections open already; sign in, or close one"
	case at.all+elsewhere.all >= l.MaxAddress:
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

// A Crowd is a user or an address with many connections to one node.
type Crowd struct {
	User     string
	Network  string
	All      int
	Visitors int
}

const (
	maxCrowds  = 1000 // that one node tells the others of, the largest
	leastCrowd = 2
)

// Crowds returns who has so many connections to this node that the other nodes must count
// them: at least the share that a node has of half a limit.
func (p *Places) Crowds() (all []Crowd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.others == 0 {
		return nil
	}
	share := func(most int) int { return max(most/(2*(p.others+1)), leastCrowd) }
	for user, n := range p.users {
		if user != "" && n >= share(p.limits.MaxConnections) {
			all = append(all, Crowd{User: user, All: n})
		}
	}
	for name, at := range p.networks {
		if at.all >= share(p.limits.MaxAddress) {
			all = append(all, Crowd{Network: name, All: at.all, Visitors: at.visitors})
		}
	}
	slices.SortFunc(all, func(a, b Crowd) int { return cmp.Compare(b.All, a.All) })
	return all[:min(len(all), maxCrowds)]
}

// Elsewhere replaces what is known of the other nodes: how many there are, and who has many
// connections to them.
func (p *Places) Elsewhere(others int, crowds []Crowd) {
	users, networks := map[string]int{}, map[string]network{}
	for _, c := range crowds {
		if c.User != "" {
			users[c.User] += c.All
			continue
		}
		at := networks[c.Network]
		at.all += c.All
		at.visitors += c.Visitors
		networks[c.Network] = at
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others, p.usersElsewhere, p.placesElsewhere = others, users, networks
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
