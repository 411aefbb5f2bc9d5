package nodes

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
)

// redeem fetches the cookies of a ticket from a node.
func (b *browser) redeem(n *node, ticket string) int {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "POST", n.URL+"/_tower/session", strings.NewReader(ticket))
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	b.jar.SetCookies(site, answer.Cookies())
	return answer.StatusCode
}

// TestASignInOverASocket fetches the cookie from another node, which does not have the user
// yet. It is good on a third one, and given once.
func TestASignInOverASocket(t *testing.T) {
	for _, transport := range line.Transports() {
		t.Run(transport, func(t *testing.T) {
			nodes := serve(t, 3)
			p := newPeer(t, transport)
			p.connect(nodes[0])
			resume := nodes[2].log.Stall()
			defer resume()
			answer, err := p.call("POST /users", name{"ada"}, "")
			if err != nil || answer.Session == "" {
				t.Fatal(err, answer)
			}
			if strings.Contains(answer.Session, "ada") {
				t.Error("the ticket can be read")
			}
			var redeemed atomic.Int64
			var all sync.WaitGroup
			own := p.browser
			for i := range 8 {
				all.Go(func() {
					b := own
					if i > 0 {
						b = newBrowser(t)
					}
					if b.redeem(nodes[i%2], answer.Session) == http.StatusNoContent {
						redeemed.Add(1)
						p.browser = b
					}
				})
			}
			all.Wait()
			if redeemed.Load() != 1 {
				t.Fatalf("the ticket was redeemed %d times", redeemed.Load())
			}
			shown := make(chan string)
			go func() { shown <- p.browser.send(nodes[2], "GET", "/", nil, "Accept", "text/html").text }()
			resume()
			if page := <-shown; !strings.Contains(page, "<h1>ada</h1>") {
				t.Errorf("the next page is %s", page)
			}
			p.connect(nodes[1])
			if p.hello.User == "" {
				t.Error("it is connected as a visitor")
			}
			if status := newBrowser(t).redeem(nodes[2], answer.Session[:len(answer.Session)-4]+"AAAA"); status != http.StatusForbidden {
				t.Errorf("a forged ticket: %d", status)
			}
		})
	}
}

// ends are the ways to end the sessions of a user on one node.
var ends = map[string]func(*testing.T, *node, *browser, *User){
	"by the application": func(t *testing.T, n *node, _ *browser, user *User) {
		if err := n.EndSessions(user.ID); err != nil {
			t.Fatal(err)
		}
	},
	"by an action": func(t *testing.T, n *node, b *browser, _ *User) {
		if answer := b.send(n, "DELETE", "/sessions", nil); answer.StatusCode != 200 {
			t.Fatal(answer.Status, answer.text)
		}
	},
	"by signing out": func(t *testing.T, n *node, b *browser, _ *User) {
		if answer := b.send(n, "DELETE", "/session", nil); answer.StatusCode != 200 {
			t.Fatal(answer.Status, answer.text)
		}
	},
}

// TestRevocation ends sessions on one node. On each other, the connections of the user end
// with that commit: they receive nothing that comes after it. The cookies are nobody's.
func TestRevocation(t *testing.T) {
	for how, end := range ends {
		for _, transport := range line.Transports() {
			t.Run(how+" "+transport, func(t *testing.T) {
				nodes := serve(t, 3)
				ada, bob := nodes[0].make(t, "ada"), nodes[0].make(t, "bob")
				b := newBrowser(t)
				b.signIn(nodes[0], ada.ID)
				p, other := newPeer(t, transport), newPeer(t, transport)
				p.browser.jar.SetCookies(site, b.jar.Cookies(site))
				other.browser.signIn(nodes[0], bob.ID)
				for _, n := range nodes[1:] {
					n.level(t, nodes[0])
				}
				p.connect(nodes[1])
				other.connect(nodes[1])
				if p.hello.User != string(ada.ID) {
					t.Fatalf("connected as %q", p.hello.User)
				}
				end(t, nodes[0], b, ada)
				secret := nodes[0].write(t, "after the end")
				for {
					_, err := p.receive()
					if err == nil {
						continue
					}
					var closed *line.ClosedError
					if !errors.As(err, &closed) || !strings.Contains(closed.Reason, "this session has ended") {
						t.Fatalf("the connection ends with %v", err)
					}
					break
				}
				if p.texts()[string(secret.ID)] != "" {
					t.Error("it has received what came after the end of its session")
				}
				for len(other.texts()) == 0 {
					if _, err := other.receive(); err != nil {
						t.Fatalf("the connection of another user: %v", err)
					}
				}
				fresh := join(t, nodes[0].log.Log(), 3, patient)
				for _, n := range append(nodes, fresh) {
					n.level(t, nodes[0])
					q := newBrowser(t)
					q.jar.SetCookies(site, p.browser.jar.Cookies(site))
					if page := q.send(n, "GET", "/", nil, "Accept", "text/html").text; !strings.Contains(page, "<h1>visitor</h1>") {
						t.Errorf("the cookie is good for %s", page)
					}
				}
				again := newBrowser(t)
				again.signIn(nodes[2], ada.ID)
				if page := again.send(nodes[1], "GET", "/", nil, "Accept", "text/html").text; !strings.Contains(page, "<h1>ada</h1>") {
					t.Errorf("signed in again, the page is %s", page)
				}
			})
		}
	}
}

// TestTheCallerOfARevocation gets the answer before its own connection ends.
func TestTheCallerOfARevocation(t *testing.T) {
	for _, transport := range line.Transports() {
		t.Run(transport, func(t *testing.T) {
			nodes := serve(t, 2)
			ada := nodes[0].make(t, "ada")
			for range 10 {
				p := newPeer(t, transport)
				p.browser.signIn(nodes[0], ada.ID)
				p.connect(nodes[0])
				answer, err := p.call("DELETE /sessions", nil, "")
				if err != nil || answer.Error != nil || answer.Session == "" {
					t.Fatalf("%v, %+v", err, answer)
				}
				if _, err := p.receive(); err == nil || !strings.Contains(fmt.Sprint(err), "this session has ended") {
					t.Fatalf("then: %v", err)
				}
			}
		})
	}
}

// TestListsOfPages opens the list of a page on another node than the one that rendered it.
func TestListsOfPages(t *testing.T) {
	nodes := serve(t, 2)
	nodes[0].write(t, "a")
	page := newBrowser(t).send(nodes[0], "GET", "/", nil, "Accept", "text/html").text
	_, rest, found := strings.Cut(page, `data-live="`)
	live, _, _ := strings.Cut(rest, `"`)
	if !found {
		t.Fatalf("no list in %s", page)
	}
	p := newPeer(t, line.Socket)
	p.connect(nodes[1])
	_, rest, _ = strings.Cut(page, `data-since="`)
	since, _, _ := strings.Cut(rest, `"`)
	answer, err := p.ask(wire.Request{Live: live, Since: since})
	if err != nil || answer.Error != nil {
		t.Fatalf("%v, %+v", err, answer)
	}
}
