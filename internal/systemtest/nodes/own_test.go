package nodes

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/wire/line"
	"github.com/towerkit/tower/towertest"
)

// writes are the ways to write over HTTP.
var writes = map[string]func(*browser, *node) response{
	"form": func(b *browser, n *node) response {
		return b.send(n, "POST", "/notes", "text=mine", "Accept", "text/html")
	},
	"call":    func(b *browser, n *node) response { return b.send(n, "POST", "/notes", newNote{"mine"}) },
	"handler": func(b *browser, n *node) response { return b.send(n, "POST", "/raw", newNote{}) },
	"failed": func(b *browser, n *node) response { // it has committed something before
		return b.send(n, "POST", "/half", newNote{"mine"})
	},
}

// reads are the ways to read over HTTP. They return how many notes they find.
var reads = map[string]func(*browser, *node) int{
	"page": func(b *browser, n *node) int {
		return strings.Count(b.send(n, "GET", "/", nil, "Accept", "text/html").text, "<li")
	},
	"state": func(b *browser, n *node) int {
		return strings.Count(b.send(n, "GET", "/", nil, "Accept", "application/json").text, `"text"`)
	},
	"handler": func(b *browser, n *node) int {
		found := 0
		_, _ = fmt.Sscan(b.send(n, "GET", "/raw", nil).text, &found)
		return found
	},
	"cursor": func(b *browser, n *node) int {
		return strings.Count(b.send(n, "GET", "/_tower/read/notes.all", nil).text, `"text"`)
	},
	"socket": func(b *browser, n *node) int { return connected(b, n, line.Socket) },
	"stream": func(b *browser, n *node) int { return connected(b, n, line.Stream) },
	"poll":   func(b *browser, n *node) int { return connected(b, n, line.Poll) },
}

func connected(b *browser, n *node, transport string) int {
	p := newPeer(b.t, transport)
	p.browser = b
	p.connect(n)
	defer p.leave()
	return len(p.texts())
}

// TestReadYourOwnWrites writes on one node and reads on another, which lags.
func TestReadYourOwnWrites(t *testing.T) {
	nodes := serve(t, 2)
	for how, write := range writes {
		for what, read := range reads {
			t.Run(how+"/"+what, func(t *testing.T) {
				b := newBrowser(t)
				nodes[1].level(t, nodes[0])
				resume := nodes[1].log.Stall()
				defer resume()
				if answer := write(b, nodes[0]); answer.StatusCode >= 400 && how != "failed" {
					t.Fatal(answer.Status, answer.text)
				}
				want, found := len(nodes[0].list(t)), make(chan int, 1)
				go func() { found <- read(b, nodes[1]) }()
				select {
				case n := <-found:
					t.Fatalf("it found %d of %d before the node had the newest", n, want)
				case <-time.After(20 * time.Millisecond): // longer finds no more
				}
				resume()
				if n := <-found; n != want {
					t.Errorf("it found %d of %d", n, want)
				}
			})
		}
	}
}

// TestABrowserThatRoams writes and reads on any node, with random delays.
func TestABrowserThatRoams(t *testing.T) {
	nodes := serve(t, 3)
	b := newBrowser(t)
	made := 0
	for i := range 5 {
		for _, write := range writes {
			write(b, nodes[(i+made)%3])
			made++
			for what, read := range reads {
				if what == "stream" || what == "poll" {
					continue
				}
				if n := read(b, nodes[(i+made+1)%3]); n != made {
					t.Fatalf("%s found %d of %d", what, n, made)
				}
			}
		}
	}
}

// TestANodeThatStaysBehind serves what it has, and says so.
func TestANodeThatStaysBehind(t *testing.T) {
	nodes := serveAt(t, 2, server.Pace{})
	b := newBrowser(t)
	resume := nodes[1].log.Stall()
	defer resume()
	b.send(nodes[0], "POST", "/notes", newNote{"mine"})
	answer := b.send(nodes[1], "GET", "/", nil, "Accept", "text/html")
	if behind := answer.Header.Get("Tower-Behind"); answer.StatusCode != 200 || strings.Contains(answer.text, "<li") || !strings.HasSuffix(behind, fmt.Sprint(":", nodes[0].Seq())) {
		t.Errorf("%s, behind %q: %s", answer.Status, behind, answer.text)
	}
}

// TestForgedPositions has nobody wait.
func TestForgedPositions(t *testing.T) {
	nodes := serve(t, 2)
	b := newBrowser(t)
	b.send(nodes[0], "POST", "/notes", newNote{"mine"})
	good := b.cookie("tower-at")
	if good == "" {
		t.Fatal("a call over HTTP sets no cookie")
	}
	other := newBrowser(t)
	other.send(serve(t, 1)[0], "POST", "/notes", newNote{"of another application"})
	resume := nodes[1].log.Stall()
	defer resume()
	for _, value := range []string{"", "x", "E:99999999999", good[:len(good)-2], good + "A", strings.Repeat("A", 3000), other.cookie("tower-at")} {
		b.jar.SetCookies(site, []*http.Cookie{{Name: "tower-at", Value: value}})
		answer := b.send(nodes[1], "GET", "/raw", nil)
		if behind := answer.Header.Get("Tower-Behind"); answer.StatusCode != 200 || behind != "" {
			t.Errorf("%.20q: %s, behind %q", value, answer.Status, behind)
		}
	}
}

// TestTheCookieOfACommit has the attributes of the others, and is not set where a node is alone.
func TestTheCookieOfACommit(t *testing.T) {
	nodes := serve(t, 1)
	b := newBrowser(t)
	answer := b.send(nodes[0], "POST", "/notes", newNote{"mine"})
	var set *http.Cookie
	for _, c := range answer.Cookies() {
		if c.Name == "tower-at" {
			set = c
		}
	}
	if set == nil || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.MaxAge != 10 {
		t.Errorf("the cookie is %v", set)
	}
	if answer := b.send(nodes[0], "GET", "/raw", nil); len(answer.Cookies()) > 0 {
		t.Errorf("reading sets %v", answer.Cookies())
	}
	alone := towertest.Open(t, config())
	if answer := newBrowser(t).send(&node{App: alone}, "POST", "/notes", newNote{"mine"}); len(answer.Cookies()) > 0 {
		t.Errorf("a node that is alone sets %v", answer.Cookies())
	}
}
