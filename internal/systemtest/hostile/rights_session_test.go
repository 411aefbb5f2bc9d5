package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// signedOut is the code that connections of a session that has ended are closed with.
const signedOut = 4401

// A DevicesController ends sessions.
type DevicesController struct{ *Session }

func (c *DevicesController) EndAll(ctx context.Context, in struct {
	User tower.ID `json:"user"`
	Keep bool     `json:"keep"` // this device
}) (tower.None, error) {
	if err := c.EndSessions(ctx, in.User); err != nil {
		return tower.None{}, err
	}
	if in.Keep {
		c.SignIn(ctx, in.User)
	}
	return tower.None{}, nil
}

// EndAndWrite ends the sessions of the client's user, and then writes a note.
func (c *DevicesController) EndAndWrite(ctx context.Context, in tower.None) (tower.None, error) {
	if err := c.EndSessions(ctx, c.UserID()); err != nil {
		return tower.None{}, err
	}
	return tower.None{}, Notes.Create(ctx, c, &Note{OwnerID: c.UserID(), Title: "private afterwards"})
}

// devices is the notebook with actions that end sessions.
func devices() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "devices", func(s *Session) *DevicesController { return &DevicesController{s} })
	tower.Action(m, "POST /devices/end", (*DevicesController).EndAll)
	tower.Action(m, "POST /devices/end-and-write", (*DevicesController).EndAndWrite)
	return config
}

// who returns the user that the server takes the attacker for.
func (a attacker) who() tower.ID {
	a.t.Helper()
	_, body := a.request("GET", "/_tower/session", "")
	var is struct {
		User tower.ID `json:"user"`
	}
	if err := json.Unmarshal([]byte(body), &is); err != nil {
		a.t.Fatalf("%v in %s", err, body)
	}
	return is.User
}

// expectSignedOut checks that a connection has ended, and that a new one with its cookie is a
// visitor's.
func (p *peer) expectSignedOut(transport string) {
	p.t.Helper()
	if end := p.awaitEnd(); end.Code != signedOut {
		p.t.Errorf("the connection has ended with %d %s", end.Code, end.Reason)
	}
	p.expectNobody(transport)
}

func (a attacker) expectNobody(transport string) {
	a.t.Helper()
	if user := a.who(); user != "" {
		a.t.Errorf("over HTTP the cookie is %s's", user)
	}
	if hello := a.connect(transport).ask(`{"hello":1}`); strings.Contains(hello, `"user"`) {
		a.t.Errorf("over %s the cookie is somebody's: %s", transport, hello)
	}
}

func TestSigningOutEndsTheConnectionsOfTheDevice(t *testing.T) {
	a := attack(t, devices())
	ada := a.makeUser("ada")
	onEachTransport(t, func(t *testing.T, transport string) {
		device, other := a.in(t).onDevice(ada.ID), a.in(t).onDevice(ada.ID)
		tabs := []*peer{device.greet(transport), device.greet(transport)}
		elsewhere := other.greet(transport)
		for _, tab := range tabs {
			tab.answer(1, `{"id":1,"open":"notes.all"}`)
		}
		if response, body := device.request("DELETE", "/session", ""); response.StatusCode != 200 {
			t.Fatalf("sign out: %s %s", response.Status, body)
		}
		for _, tab := range tabs {
			_ = tab.line.send(`{"id":2,"call":"POST /notes","in":{"title":"by nobody"}}`)
			tab.expectSignedOut(transport)
		}
		if n, err := Notes.Where(tower.Is(&Notes.Fields.Title, "by nobody")).Count(t.Context(), a.app); err != nil || n != 0 {
			t.Errorf("%d notes were written after signing out (%v)", n, err)
		}
		if called := elsewhere.answer(3, `{"id":3,"call":"POST /notes","in":{"title":"mine"}}`); called.Status != 201 {
			t.Errorf("the other device: %+v", called)
		}
		if user := other.who(); user != ada.ID {
			t.Errorf("the other device is %q's", user)
		}
	})
}

func TestSigningOutOverAConnectionAnswersFirst(t *testing.T) {
	a := attack(t, devices())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	onEachTransport(t, func(t *testing.T, transport string) {
		for name, call := range map[string]string{
			"out":    `{"id":1,"call":"DELETE /session"}`,
			"as bob": fmt.Sprintf(`{"id":1,"call":"POST /session","in":{"user":%q}}`, bob.ID),
			"all":    fmt.Sprintf(`{"id":1,"call":"POST /devices/end","in":{"user":%q}}`, ada.ID),
			"others": fmt.Sprintf(`{"id":1,"call":"POST /devices/end","in":{"user":%q,"keep":true}}`, ada.ID),
		} {
			device := a.in(t).onDevice(ada.ID)
			tab, caller := device.greet(transport), device.greet(transport)
			answer := caller.answer(1, call)
			if answer.Status != 200 || answer.Session == "" {
				t.Errorf("%s: %+v", name, answer)
			}
			caller.expectSignedOut(transport)
			tab.expectSignedOut(transport)

			response, body := device.request("POST", "/_tower/session", answer.Session, "Content-Type", "text/plain")
			if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != 1 {
				t.Fatalf("%s: the ticket: %s %s", name, response.Status, body)
			}
			device.cookie = response.Cookies()[0]
			want := map[string]tower.ID{"as bob": bob.ID, "others": ada.ID}[name]
			if user := device.who(); user != want {
				t.Errorf("%s: it is %q's, not %q's", name, user, want)
			}
		}
	})
}

// TestNothingFollowsTheEndByAnOwnCall has a call end its own session, and commit once more before it is answered.
func TestNothingFollowsTheEndByAnOwnCall(t *testing.T) {
	a := attack(t, devices())
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).onDevice(a.makeUser("ada over " + transport).ID).greet(transport)
		p.answer(1, `{"id":1,"open":"notes.all"}`)
		p.say(`{"id":2,"call":"POST /devices/end-and-write"}`)
		answered := false
		for {
			frame, end := p.tryHear()
			if end != nil {
				break
			}
			if strings.Contains(frame, "private afterwards") {
				t.Errorf("after its session had ended, it received %s", frame)
			}
			answered = answered || strings.Contains(frame, `"id":2,"status":20`)
		}
		if !answered {
			t.Error("the call was not answered")
		}
	})
}

func TestEndingSessionsEndsAllDevices(t *testing.T) {
	a := attack(t, devices())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		var peers []*peer
		for range 3 {
			peers = append(peers, a.onDevice(ada.ID).greet(transport))
		}
		bystander, visitor := a.onDevice(bob.ID).greet(transport), a.greet(transport)
		if err := a.app.EndSessions(ada.ID); err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			p.expectSignedOut(transport)
		}
		for _, p := range []*peer{bystander, visitor} {
			if called := p.answer(1, `{"id":1,"call":"POST /echo","in":{"text":"still here"}}`); called.Status != 200 {
				t.Errorf("another's connection: %+v", called)
			}
		}
		if user := a.onDevice(ada.ID).who(); user != ada.ID {
			t.Errorf("signing in again makes %q", user)
		}
	})
}

// TestWhatHasEndedIsOverAfterARestart uses old cookies on an application that was restarted.
func TestWhatHasEndedIsOverAfterARestart(t *testing.T) {
	config := devices()
	config.Env, config.Data = "test", filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	app, end := towertest.Serve(t, config)
	a := attacker{t: t, app: app}
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	signedOut, kept, ended := a.onDevice(bob.ID), a.onDevice(bob.ID), a.onDevice(ada.ID)
	signedOut.request("DELETE", "/session", "")
	if err := app.EndSessions(ada.ID); err != nil {
		t.Fatal(err)
	}
	end()
	config.Routes = devices().Routes
	app, end = towertest.Serve(t, config)
	defer end()
	signedOut.app, kept.app, ended.app = app, app, app
	for _, old := range []attacker{signedOut, ended} {
		old.expectNobody(towertest.Socket)
	}
	if user := kept.who(); user != bob.ID {
		t.Errorf("the cookie that was not ended is %q's", user)
	}
}

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

// TestAConnectionThatOpensWhileItsSessionEndsSeesNothing has connections join, and open
// cursors, while the session ends. After that, none of them receives a record.
func TestAConnectionThatOpensWhileItsSessionEndsSeesNothing(t *testing.T) {
	a := attack(t, devices())
	onEachTransport(t, func(t *testing.T, transport string) {
		for round := range scaled(10, 200) {
			a := a.in(t)
			ada := a.makeUser(fmt.Sprintf("ada over %s %d", transport, round))
			device := a.onDevice(ada.ID)
			var peers []*peer
			for range 3 {
				peers = append(peers, device.greet(transport))
			}
			peers = append(peers, device.connect(transport)) // says hello only when the others open
			var opening sync.WaitGroup
			for _, p := range peers[:3] {
				opening.Go(func() { _ = p.line.send(`[{"id":1,"open":"notes.all"},{"id":2,"open":"notes.newest","in":{"n":5}}]`) })
			}
			opening.Go(func() { _ = peers[3].line.send(`[{"hello":1},{"id":1,"open":"notes.all"}]`) })
			if err := a.app.EndSessions(ada.ID); err != nil {
				t.Fatal(err)
			}
			secret := fmt.Sprintf("private %s %d", transport, round)
			if err := Notes.Create(t.Context(), a.app, &Note{OwnerID: ada.ID, Title: secret}); err != nil {
				t.Fatal(err)
			}
			opening.Wait()
			for _, p := range peers {
				for {
					frame, end := p.tryHear()
					if end != nil {
						if end.Code != 4401 {
							t.Errorf("it ended with %d %s", end.Code, end.Reason)
						}
						break
					}
					if strings.Contains(frame, secret) {
						t.Fatalf("after its session had ended, a connection received %s", frame)
					}
				}
			}
		}
	})
}
