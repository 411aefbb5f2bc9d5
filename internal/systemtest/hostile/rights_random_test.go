package hostile

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// TestSigningInStartsAnotherSession has an attacker plant a cookie of their own before a victim
// signs in.
func TestSigningInStartsAnotherSession(t *testing.T) {
	a := attack(t, devices())
	ada, eve := a.makeUser("ada"), a.makeUser("eve")
	planted := a.onDevice(eve.ID)
	victim := planted
	response, body := victim.request("POST", "/session", fmt.Sprintf(`{"user":%q}`, ada.ID))
	if response.StatusCode != http.StatusOK || len(response.Cookies()) != 1 {
		t.Fatalf("signing in: %s %s", response.Status, body)
	}
	victim.cookie = response.Cookies()[0]
	if user := victim.who(); user != ada.ID || victim.cookie.Value == planted.cookie.Value {
		t.Errorf("the victim is %q, with the cookie that was planted: %v", user, victim.cookie.Value == planted.cookie.Value)
	}
	planted.expectNobody(towertest.Socket)
}

// TestATokenIsRevokedOnceByManyAtOnce revokes with one token over many connections at once.
func TestATokenIsRevokedOnceByManyAtOnce(t *testing.T) {
	a := attack(t, keys())
	holder, _ := a.holding(a.makeUser("ada").ID, "keys.*")
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			response, _ := holder.request("DELETE", "/keys", "")
			mu.Lock()
			statuses[response.StatusCode]++
			mu.Unlock()
		})
	}
	all.Wait()
	if statuses[200] != 1 || statuses[200]+statuses[401]+statuses[404] != 8 {
		t.Errorf("it was revoked so: %v", statuses)
	}
}

// A credential is a session or a token that the model knows.
type credential struct {
	attacker
	user  tower.ID
	token tower.ID    // "": a session's
	under *credential // of a sandbox: the actor's session
	ended bool
	peers []*peer
}

// answers reports whether a request by the credential is answered as its user's.
func (c *credential) answers() bool {
	response, body := c.request("GET", "/_tower/session", "")
	return response.StatusCode == 200 && strings.Contains(body, string(c.user))
}

// TestNothingIsAnsweredAfterItsEnd signs in and out, starts sandboxes, makes tokens, changes and revokes
// them, and connects over all transports at random, and looks for an answer or a frame to what has
// ended. TOWER_TEST_STEPS says how many steps it takes, TOWER_TEST_SEED which.
func TestNothingIsAnsweredAfterItsEnd(t *testing.T) {
	steps := 60
	if n, err := strconv.Atoi(os.Getenv("TOWER_TEST_STEPS")); err == nil {
		steps = n
	}
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("TOWER_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	a := attack(t, sights(nil))
	admin := a.makeUser("admin").ID
	users := []tower.ID{a.makeUser("ada").ID, a.makeUser("bob").ID, admin}
	var live []*credential
	end := func(over *credential) {
		for _, c := range live {
			c.ended = c.ended || c == over || c.under == over
		}
	}
	for step := range steps {
		var c *credential
		if len(live) > 0 {
			c = live[rng.IntN(len(live))]
		}
		switch what := rng.IntN(10); {
		case what < 2 || c == nil:
			user := users[rng.IntN(len(users))]
			live = append(live, &credential{attacker: a.onDevice(user), user: user})
		case what == 2:
			held, token := a.holding(c.user, "*")
			live = append(live, &credential{attacker: held, user: c.user, token: token.ID})
		case what < 5 && len(c.peers) < 3:
			p := c.greet(towertest.Transports()[rng.IntN(3)])
			p.answer(1, `{"id":1,"open":"notes.all"}`)
			c.peers = append(c.peers, p)
		case what == 5 && c.token == "":
			c.request("DELETE", "/session", "")
			end(cmp.Or(c.under, c))
		case what == 6 && c.token != "":
			if _, err := tower.Tokens.Update(t.Context(), a.app, c.token, func(r *tower.TokenRecord) error {
				if rng.IntN(2) == 0 {
					r.ExpiresAt = time.Now()
				} else {
					r.Hash = "another"
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			end(c)
		case what == 7 && c.token != "":
			if err := tower.Tokens.Delete(t.Context(), a.app, c.token); err != nil {
				t.Fatal(err)
			}
			end(c)
		case what == 9 && c.token == "" && c.under == nil && c.user == admin:
			sandbox := &credential{attacker: c.attacker, user: users[rng.IntN(2)], under: c}
			response, body := c.request("POST", "/see", fmt.Sprintf(`{"user":%q}`, sandbox.user))
			if len(response.Cookies()) != 1 {
				t.Fatalf("step %d: see as %s: %s %s", step, sandbox.user, response.Status, body)
			}
			sandbox.cookie = response.Cookies()[0]
			live = append(live, sandbox)
		case what == 8 && rng.IntN(4) == 0:
			if err := a.app.EndSessions(c.user); err != nil {
				t.Fatal(err)
			}
			for _, other := range live {
				if other.user == c.user && other.token == "" {
					end(other)
				}
			}
		}
		secret := fmt.Sprintf("private %d", step)
		for _, user := range users {
			if err := Notes.Create(t.Context(), a.app, &Note{OwnerID: user, Title: secret}); err != nil {
				t.Fatal(err)
			}
		}
		var still []*credential
		for _, c := range live {
			if c.answers() == c.ended {
				t.Fatalf("step %d: it has ended: %v, and is answered: %v", step, c.ended, !c.ended)
			}
			if !c.ended {
				still = append(still, c)
				continue
			}
			for _, p := range c.peers {
				p.expectSilence(secret)
			}
		}
		live = still
	}
}

// expectSilence checks that a connection ends without a text, and answers nothing.
func (p *peer) expectSilence(secret string) {
	p.t.Helper()
	_ = p.line.send(`{"id":99,"call":"POST /echo","in":{"text":"too late"}}`)
	for {
		message, end, err := p.line.receive()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			p.t.Fatalf("it is open %s after its end: %v", patience, err)
		}
		if end != nil || err != nil {
			return
		}
		if strings.Contains(message, secret) || strings.Contains(message, "too late") {
			p.t.Fatalf("after its end it received %s", message)
		}
	}
}
