package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/wire"
)

// A tab is a browser tab with a page that runs test/network/tab.ts.
type tab struct {
	t   *testing.T
	ctx context.Context
	end func()
}

func openTab(t *testing.T, browser context.Context, n *network, query string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	tab := &tab{t, ctx, end}
	if err := chromedp.Do(ctx); err != nil { // without a timeout: the tab would end with it
		t.Fatal(err)
	}
	tab.do(chromedp.Navigate(n.server.URL + "/tab?" + query))
	return tab
}

func (tab *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.t.Fatal(err)
	}
}

// crash crashes the process of the tab. The navigation gets no answer.
func (tab *tab) crash() {
	ctx, cancel := context.WithTimeout(tab.ctx, 200*time.Millisecond)
	defer cancel()
	_ = chromedp.Do(ctx, chromedp.Navigate("chrome://crash"))
}

// set freezes the tab or wakes it up.
func (tab *tab) set(state page.SetWebLifecycleStateState) {
	tab.t.Helper()
	if _, err := chromedp.Call(tab.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
		tab.t.Fatal(err)
	}
}

// expect waits for the result of a script, which may be a promise, and compares it.
func (tab *tab) expect(script string, want any) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 2*time.Minute)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[any](script, chromedp.EvalAwaitPromise))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		tab.t.Fatalf("%s is %v (%v), not %v", script, got, err, want)
	}
}

func (n *network) note(t *testing.T, text string) {
	t.Helper()
	if err := Notes.Create(t.Context(), n.app, &Note{Text: text}); err != nil {
		t.Fatal(err)
	}
}

// open returns the open cursors and their holders, from the control socket.
func (n *network) open(t *testing.T, folder string) map[string]int {
	t.Helper()
	conn, err := net.Dial("unix", wire.SocketPath(folder, os.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, `{"id":1,"do":%q,"by":"console:test"}`+"\n"+`{"id":2,"do":%q}`+"\n", wire.DoHello, wire.DoCursors)
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		var reply wire.ControlReply
		if err == nil {
			err = json.Unmarshal(line, &reply)
		}
		if err != nil || reply.Error != nil {
			t.Fatalf("%v %+v", err, reply.Error)
		}
		if reply.ID != 2 {
			continue
		}
		var cursors []wire.CursorInfo
		if err := json.Unmarshal(reply.OK, &cursors); err != nil {
			t.Fatal(err)
		}
		holders := map[string]int{}
		for _, c := range cursors {
			holders[c.Names[0]] += c.Holders
		}
		return holders
	}
}

func tabNetwork(t *testing.T) (*network, string) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	n := newNetwork(t, map[string][]byte{"/tab": client.Bundle(t, "test/network/tab.ts")})
	if err := n.app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	return n, folder
}

func TestTabsShareAConnection(t *testing.T) {
	n, folder := tabNetwork(t)
	n.set(faults{Upgrade: "502"})
	browser := client.StartBrowser(t)
	one := openTab(t, browser, n, "share&mine")
	one.expect("tab.ready", "stream")
	two := openTab(t, browser, n, "share")
	two.expect("tab.ready", "stream")
	if n.count("stream") != 1 {
		t.Errorf("two tabs have %d streams", n.count("stream"))
	}
	if open := n.open(t, folder); open["notes.all"] != 1 || open["notes.mine"] != 1 {
		t.Errorf("open cursors: %v", open)
	}

	// The connection of both switches to a better transport.
	n.set(faults{})
	n.note(t, "for both")
	for _, tab := range []*tab{one, two} {
		tab.expect(`tab.over("socket")`, true)
		tab.expect(`tab.note("for both")`, true)
	}
	two.expect(`tab.call("POST /notes", {text: "from the other"})`, 201)
	one.expect(`tab.note("from the other")`, true)
	for open := n.open(t, folder); open["notes.all"] != 1 || open["notes.mine"] != 1; open = n.open(t, folder) {
		two.expect(`tab.call("GET /greeting", {})`, 200) // until the stream has ended
	}

	// When a tab closes, the cursors that only it used are closed.
	one.end()
	three := openTab(t, browser, n, "share")
	three.expect("tab.ready", "socket")
	for n.open(t, folder)["notes.mine"] != 0 {
		three.expect(`tab.call("GET /greeting", {})`, 200) // until the worker knows
	}

	// A sign-in in one tab applies to all tabs, even without the connection.
	user := tower.NewID()
	three.expect(fmt.Sprintf(`tab.call("POST /session", {user: %q})`, user), 200)
	for _, tab := range []*tab{two, three} {
		tab.expect(fmt.Sprintf(`tab.user(%q)`, user), true)
	}
	post := `fetch("/session", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: ""})}).then(answer => answer.status)`
	two.expect(post, http.StatusOK)
	four := openTab(t, browser, n, "share")
	for _, tab := range []*tab{two, three, four} {
		tab.expect(`tab.user("")`, true)
	}
	n.note(t, "for all")
	for _, tab := range []*tab{two, three, four} {
		tab.expect(`tab.note("for all")`, true)
	}
}

// TestTabSurvivesCrashOfTabThatSharesItsConnection crashes the first tab. The browser
// may run the shared worker in its process.
func TestTabSurvivesCrashOfTabThatSharesItsConnection(t *testing.T) {
	n, _ := tabNetwork(t)
	browser := client.StartBrowser(t)
	one := openTab(t, browser, n, "share")
	one.expect("tab.ready", "socket")
	two := openTab(t, browser, n, "share")
	two.expect("tab.ready", "socket")
	one.crash()
	n.note(t, "for the survivor")
	two.expect(`tab.note("for the survivor")`, true)
	two.expect(`tab.call("POST /notes", {text: "from the survivor"})`, 201)
}

func TestTabsWithoutSharingHaveOwnConnections(t *testing.T) {
	n, folder := tabNetwork(t)
	browser := client.StartBrowser(t)
	for _, tab := range []*tab{openTab(t, browser, n, ""), openTab(t, browser, n, "")} {
		tab.expect("tab.ready", "socket")
	}
	if open := n.open(t, folder); n.count("socket") != 2 || open["notes.all"] != 2 {
		t.Errorf("two tabs have %d sockets; open cursors: %v", n.count("socket"), open)
	}
}

// TestFrozenTabNoticesLostConnection freezes tabs, as browsers do to save power, and
// breaks their connections meanwhile.
func TestFrozenTabNoticesLostConnection(t *testing.T) {
	n, _ := tabNetwork(t)
	browser := client.StartBrowser(t)
	for _, transport := range []string{"socket", "stream", "poll"} {
		t.Run(transport, func(t *testing.T) {
			tab := openTab(t, browser, n, "transports="+transport)
			tab.expect("tab.ready", transport)
			tab.set(page.SetWebLifecycleStateStateFrozen)
			n.stall()
			n.note(t, "meanwhile, over a "+transport)
			tab.set(page.SetWebLifecycleStateStateActive)
			tab.expect(fmt.Sprintf(`tab.note("meanwhile, over a %s")`, transport), true)
			tab.end()
		})
	}
}
