package hostile

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// attackBesideConsole returns the attacker of an application, and a console on it.
func attackBesideConsole(t *testing.T, config tower.Config) (attacker, *control.Client) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("XDG_RUNTIME_DIR", folder)
	a := attack(t, config)
	if err := a.app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	console, err := control.Attach(t.Context(), wire.SocketPath(folder, folder), "console:mira")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { console.Close() })
	return a, console
}

// A console ends one device of a user, or all: in that moment, for good, and no other.
func TestAConsoleEndsSessions(t *testing.T) {
	a, console := attackBesideConsole(t, devices())
	do := func(req wire.ControlRequest, out any) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return console.Do(ctx, req, out)
	}
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		started := time.Now()
		phone, laptop, absent := a.onDevice(ada.ID).with("User-Agent", firefox), a.onDevice(ada.ID), a.onDevice(ada.ID)
		tabs := []*peer{phone.greet(transport), phone.greet(transport)}
		elsewhere, bystander, visitor := laptop.greet(transport), a.onDevice(bob.ID).greet(transport), a.greet(transport)
		var sessions []wire.SessionInfo
		if err := do(wire.ControlRequest{Do: wire.DoSessions, As: string(ada.ID)}, &sessions); err != nil || len(sessions) != 3 {
			t.Fatalf("%+v %v", sessions, err)
		}
		first := sessions[0]
		if first.UserID != string(ada.ID) || first.Device != "Firefox on Linux" || len(first.Connections) != 2 || len(sessions[1].Connections) != 1 || len(sessions[2].Connections) != 0 ||
			first.Since.Before(started.Add(-time.Minute)) || first.Since.After(time.Now()) || first.ID == sessions[1].ID {
			t.Errorf("%+v", sessions)
		}
		var connections []wire.ConnectionInfo
		if err := do(wire.ControlRequest{Do: wire.DoConnections}, &connections); err != nil {
			t.Fatal(err)
		}
		for _, c := range connections {
			ofPhone := slices.Contains(first.Connections, c.ID)
			if (c.UserID == "") != (c.Session == nil) || ofPhone && (c.Session.ID != first.ID || !c.Session.Since.Equal(first.Since) || c.Device != first.Device) {
				t.Errorf("%+v", c)
			}
		}
		end := wire.ControlRequest{Do: wire.DoEndSession, As: string(ada.ID), Key: first.ID}
		if err := do(end, nil); err != nil {
			t.Fatal(err)
		}
		for _, tab := range tabs {
			tab.expectSignedOut(transport)
		}
		if err := do(end, nil); err == nil || !strings.Contains(err.Error(), "ended already") {
			t.Errorf("ended twice: %v", err)
		}
		if user := laptop.who(); user != ada.ID {
			t.Errorf("the other device is %q's", user)
		}
		elsewhere.answer(1, `{"id":1,"call":"POST /notes","in":{"title":"mine"}}`)
		if err := do(wire.ControlRequest{Do: wire.DoEndSession, As: string(ada.ID)}, nil); err != nil {
			t.Fatal(err)
		}
		elsewhere.expectSignedOut(transport)
		absent.expectNobody(transport)
		for name, p := range map[string]*peer{"another user": bystander, "a visitor": visitor} {
			if answer := p.answer(2, `{"id":2,"open":"notes.all"}`); answer.Status != 200 {
				t.Errorf("%s: %+v", name, answer)
			}
			p.leave()
		}
		var entries []wire.LogEntry
		if err := do(wire.ControlRequest{Do: wire.DoLog, Model: "users", Key: string(ada.ID), Limit: 2}, &entries); err != nil || len(entries) != 2 ||
			entries[0].Did != "end all sessions of "+string(ada.ID) || entries[1].Did != "end session "+end.Key+" of "+string(ada.ID) || entries[1].By != "console:mira" {
			t.Errorf("%+v %v", entries, err)
		}
		for _, refused := range []wire.ControlRequest{{As: ""}, {As: string(ada.ID), Key: "x"}, {As: string(ada.ID), Key: "1", Tx: 1}, {As: string(ada.ID), Key: end.Key}} {
			refused.Do = wire.DoEndSession
			if err := do(refused, nil); err == nil {
				t.Errorf("%+v", refused)
			}
		}
	})
}
