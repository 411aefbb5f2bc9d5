package limit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPlacesOverNodes has clients connect to nodes that tell each other who has many
// connections after each step. No client ever exceeds a limit by half of it.
func TestPlacesOverNodes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		limits := &Limits{MaxConnections: 2 + random.IntN(60), MaxAddress: 4 + random.IntN(100), MaxVisitors: 1e6, MaxClients: 1e6}
		nodes := make([]*Places, 1+random.IntN(5))
		for i := range nodes {
			nodes[i] = NewPlaces(limits)
		}
		gossip := func() {
			for i, p := range nodes {
				var crowds []Crowd
				for k, other := range nodes {
					if k != i {
						crowds = append(crowds, other.Crowds()...)
					}
				}
				p.Elsewhere(len(nodes)-1, crowds)
			}
		}
		gossip()
		type place struct {
			node  int
			party Party
		}
		var taken []place
		users, networks, visitors := map[string]int{}, map[string]int{}, map[string]int{}
		for range 600 {
			if len(taken) > 0 && random.IntN(3) == 0 {
				i := random.IntN(len(taken))
				one := taken[i]
				nodes[one.node].Leave(one.party)
				taken = append(taken[:i], taken[i+1:]...)
				users[one.party.User]--
				networks[one.party.Network]--
				if one.party.User == "" {
					visitors[one.party.Network]--
				}
			} else {
				one := place{random.IntN(len(nodes)), Party{Network: fmt.Sprint(random.IntN(3))}}
				if random.IntN(2) == 0 {
					one.party.User = fmt.Sprint("user ", random.IntN(3))
				}
				if nodes[one.node].Take(one.party) == nil {
					taken = append(taken, one)
					users[one.party.User]++
					networks[one.party.Network]++
					if one.party.User == "" {
						visitors[one.party.Network]++
					}
				}
			}
			gossip()
			// A share is at least leastCrowd: what is below it is not known.
			unknown := func(most int) int { return (len(nodes) - 1) * (max(most/(2*len(nodes)), leastCrowd) - 1) }
			for user, n := range users {
				if most := limits.MaxConnections; user != "" && n > most+unknown(most) {
					t.Fatalf("%d nodes: %s has %d connections, of %d", len(nodes), user, n, most)
				}
			}
			for network, n := range networks {
				most := limits.MaxAddress
				if n > most+unknown(most) || visitors[network] > most/2+unknown(most) {
					t.Fatalf("%d nodes: address %s has %d connections, %d of visitors, of %d", len(nodes), network, n, visitors[network], most)
				}
			}
		}
	}
}

func TestALimitIsReachedOverNodes(t *testing.T) {
	limits := &Limits{MaxConnections: 12, MaxAddress: 1000, MaxVisitors: 1000, MaxClients: 1000}
	p := NewPlaces(limits)
	ada := Party{"ada", "10.0.0.1"}
	p.Elsewhere(2, []Crowd{{User: "ada", All: 6}, {User: "ada", All: 4}, {Network: "10.0.0.1", All: 10}})
	for i := range 3 {
		if err := p.Take(ada); (err == nil) != (i < 2) {
			t.Errorf("connection %d, with 10 elsewhere: %v", i+1, err)
		}
	}
	if crowds := p.Crowds(); len(crowds) != 1 || crowds[0] != (Crowd{User: "ada", All: 2}) {
		t.Errorf("it tells of %+v", crowds)
	}
	p.Elsewhere(0, nil)
	if err := p.Take(ada); err != nil || p.Crowds() != nil {
		t.Errorf("alone again: %v, %+v", err, p.Crowds())
	}
}
