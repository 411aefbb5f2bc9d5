package systemtest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/server"
	conn "github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// openNode opens the sample as a node, with a control socket, until the test ends or close is
// called.
func openNode(t *testing.T, log *storetest.Node) (app *towertest.App, path string, closeNode func()) {
	t.Helper()
	t.Setenv("TOWER_SECRET", "a-secret-that-all-nodes-of-the-test-share")
	_, path = controlled(t, func() *towertest.App {
		config := sample()
		config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "test.db"), slog.New(slog.NewTextHandler(t.Output(), nil))
		made, err := tower.New(config)
		if err != nil {
			t.Fatal(err)
		}
		server.ShareLog(server.AppOf(made), log)
		if err := made.Open(); err != nil {
			t.Fatal(err)
		}
		web := httptest.NewUnstartedServer(made.Handler())
		web.Config.ConnContext = conn.ConnContext
		web.Start()
		app = &towertest.App{App: made, URL: web.URL, Transport: towertest.Socket}
		closed := false
		closeNode = func() {
			if !closed {
				closed = true
				if err := made.Close(); err != nil {
					t.Errorf("close a node: %v", err)
				}
				web.CloseClientConnections()
				web.Close()
			}
		}
		t.Cleanup(closeNode)
		return app
	})
	return app, path, closeNode
}

// announce lets nodes know each other now.
func announce(t *testing.T, apps ...*towertest.App) {
	t.Helper()
	for range 2 {
		for _, app := range apps {
			if err := server.AppOf(app.App).Nodes().Announce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAConsoleSeesAllNodes(t *testing.T) {
	l := storetest.NewLog()
	one, path, _ := openNode(t, l.Node())
	alone := watch(t, path)
	makeUser(t, one, "ada", false)
	if event := alone.event(ofCommit(one.Seq())); event.Node != 0 || len(event.Commit.Reached) > 0 && event.Commit.Reached[0].Node != 0 {
		t.Errorf("with one node a commit is %+v", event)
	}
	if nodes := alone.ask(wire.ControlRequest{Do: wire.DoNodes}); strings.Count(nodes, `"number"`) != 1 {
		t.Error(nodes)
	}

	two, path2, closeTwo := openNode(t, l.Node())
	announce(t, one, two)
	ada, bob := makeUser(t, one, "Ada", false), makeUser(t, two, "Bob", false)
	mine, theirs := one.Connect(t, ada.ID), two.Connect(t, bob.ID)
	mine.Open("posts.visible", nil)
	theirs.Open("posts.visible", nil)
	console := watch(t, path)
	event := console.event(func(e wire.ControlEvent) bool { return e.Nodes != nil })
	if live := event.Nodes.Nodes; len(live) != 2 || live[0].Number != 1 || !live[0].Here || live[1].Number != 2 || live[1].Here {
		t.Errorf("%+v", live)
	}
	var connections []wire.ConnectionInfo
	console.do(wire.ControlRequest{Do: wire.DoConnections}, &connections)
	if got := fmt.Sprint(usersOf(connections)); got != "[Ada on 1 Bob on 2]" {
		t.Errorf("connections: %s", got)
	}
	var cursors []wire.CursorInfo
	console.do(wire.ControlRequest{Do: wire.DoCursors}, &cursors)
	if len(cursors) != 2 || cursors[0].Node != 1 || cursors[1].Node != 2 {
		t.Errorf("cursors: %+v", cursors)
	}
	var routes []wire.Route
	console.do(wire.ControlRequest{Do: wire.DoRoutes}, &routes)
	if i := slices.IndexFunc(routes, func(r wire.Route) bool { return r.Name == "posts.visible" }); routes[i].Holders != 2 {
		t.Errorf("posts.visible is held by %d", routes[i].Holders)
	}
	if sessions := console.ask(wire.ControlRequest{Do: wire.DoSessions}); !strings.Contains(sessions, `"Ada"`) || !strings.Contains(sessions, `"Bob"`) {
		t.Errorf("sessions: %s", sessions)
	}

	// What happens on the other node is seen here, with its number; and so it is the other way round.
	for i, watching := range []*line{console, watch(t, path2)} {
		if i == 1 { // wait until it sees the first node
			watching.event(func(e wire.ControlEvent) bool { return e.Nodes != nil && len(e.Nodes.Nodes) == 2 })
			server.AppOf(one.App).Log().Info("seen from afar")
			watching.event(func(e wire.ControlEvent) bool {
				return e.Node == 1 && e.Log != nil && e.Log.Message == "seen from afar"
			})
		}
		for number, of := range []struct {
			app  *towertest.App
			user *User
		}{{one, ada}, {two, bob}} {
			makePost(t, of.app, of.user, "Hello", true)
			commit := watching.event(func(e wire.ControlEvent) bool {
				return e.Node == number+1 && e.Commit != nil && e.Commit.Seq == of.app.Seq()
			}).Commit
			if len(commit.Reached) != 1 || commit.Reached[0].Node != number+1 || commit.Reached[0].User != of.user.Name || commit.Connections != 1 {
				t.Errorf("console %d, node %d: %+v", i+1, number+1, commit)
			}
			watching.event(func(e wire.ControlEvent) bool { return e.Node == number+1 && e.Applied != nil })
		}
	}
	late := two.Connect(t, bob.ID)
	joined := console.event(func(e wire.ControlEvent) bool { return e.Joined != nil }).Joined
	if joined.User != "Bob" {
		t.Errorf("%+v", joined)
	}
	late.Close()
	console.event(func(e wire.ControlEvent) bool { return e.Node == 2 && e.Left == joined.ID })

	closeTwo()
	gone := console.event(func(e wire.ControlEvent) bool { return e.Nodes != nil && len(e.Nodes.Nodes) == 1 })
	if gone.Nodes.Nodes[0].Number != 1 {
		t.Errorf("%+v", gone.Nodes)
	}
	for _, event := range console.events {
		for _, n := range nodesIn(event) {
			if n.Silent != "" {
				t.Errorf("a node that left in order: %s", n.Silent)
			}
		}
	}
}

func nodesIn(event wire.ControlEvent) []wire.NodeInfo {
	if event.Nodes == nil {
		return nil
	}
	return event.Nodes.Nodes
}

func usersOf(connections []wire.ConnectionInfo) (all []string) {
	for _, c := range connections {
		all = append(all, fmt.Sprintf("%s on %d", c.User, c.Node))
	}
	return all
}

// TestANodeThatDoesNotAnswerIsNamed has one that is known and does not listen, one with another
// secret, and one without consoles.
func TestANodeThatDoesNotAnswerIsNamed(t *testing.T) {
	l := storetest.NewLog()
	one, path, _ := openNode(t, l.Node())
	ada := makeUser(t, one, "Ada", false)
	one.Connect(t, ada.ID)
	silent := httptest.NewServer(nil)
	silent.Close()
	registry := l.Node()
	if _, err := registry.Announce(t.Context(), nodes.Node{ID: "silent", Address: strings.TrimPrefix(silent.URL, "http://")}, nodes.Dead); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_SECRET", "another-secret-that-the-first-node-has-not")
	config := sample()
	config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "x.db"), slog.New(slog.DiscardHandler)
	stranger, err := tower.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(stranger), l.Node())
	if err := stranger.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stranger.Close() })
	console := attach(t, path)
	answer := func() (connections []wire.ConnectionInfo, silent []string) {
		announce(t, one)
		data := console.reply(wire.ControlRequest{Do: wire.DoConnections}, &connections)
		return connections, data.Silent
	}
	connections, silence := answer()
	if len(connections) != 1 || connections[0].Node != 1 || len(silence) != 2 || !strings.Contains(silence[0], "node 2") || silence[1] != "node 3 does not answer: it takes no messages: its consoles are off" {
		t.Errorf("%+v\n%q", connections, silence)
	}
}

// TestTheRegistryIsAway holds that a console sees the other nodes as long as they answer.
func TestTheRegistryIsAway(t *testing.T) {
	l := storetest.NewLog()
	end := l.Node()
	one, path, _ := openNode(t, end)
	two, _, _ := openNode(t, l.Node())
	announce(t, one, two)
	two.Connect(t, makeUser(t, two, "Bob", false).ID)
	end.Away(errors.New("the network is down"))
	defer end.Away(nil)
	var connections []wire.ConnectionInfo
	attach(t, path).do(wire.ControlRequest{Do: wire.DoConnections}, &connections)
	if got := fmt.Sprint(usersOf(connections)); got != "[Bob on 2]" {
		t.Errorf("connections: %s", got)
	}
}

// TestAUserHasItsLimitOverAllNodes opens connections to two nodes in turn.
func TestAUserHasItsLimitOverAllNodes(t *testing.T) {
	l := storetest.NewLog()
	one, _, _ := openNode(t, l.Node())
	two, _, _ := openNode(t, l.Node())
	ada := makeUser(t, one, "Ada", false)
	announce(t, one, two)
	if err := two.Wait(t.Context(), one.Seq()); err != nil {
		t.Fatal(err)
	}
	limit := 100 // the default
	for range limit/2 + 10 {
		one.Connect(t, ada.ID)
	}
	announce(t, one, two)
	cookie, err := two.Cookie(ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for opened < limit {
		socket, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(two.URL, "http")+"/_tower/socket", http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		if err := socket.WriteJSON(wire.Request{Hello: wire.Version}); err != nil {
			t.Fatal(err)
		}
		_, first, err := socket.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(first), `"too_many"`) {
			break
		}
		opened++
	}
	if opened != limit/2-10 {
		t.Errorf("with %d connections to one node, the user opens %d to another", limit/2+10, opened)
	}
}

func TestMetricsOfNodes(t *testing.T) {
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	l := storetest.NewLog()
	one, _, _ := openNode(t, l.Node())
	two, _, _ := openNode(t, l.Node())
	makeUser(t, one, "Ada", false)
	announce(t, one, two)
	if err := two.Wait(t.Context(), one.Seq()); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, two.Handler())
	for name, want := range map[string]float64{"tower_nodes": 2, "tower_node": 2, "tower_node_lag_commits": 0} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v (%v), want %v", name, value, found, want)
		}
	}
}
