package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A SeeController has administrators see the application as another user.
type SeeController struct{ *Session }

func (c *SeeController) Begin(ctx context.Context, in struct {
	User tower.ID `json:"user"`
}) (tower.None, error) {
	return tower.None{}, c.SeeAs(ctx, in.User)
}

func (c *SeeController) End(ctx context.Context, in tower.None) (tower.None, error) {
	c.LeaveSandbox(ctx)
	return tower.None{}, nil
}

// Escape does in a sandbox what an application should not.
func (c *SeeController) Escape(ctx context.Context, in tower.None) (tower.None, error) {
	c.SignIn(ctx, c.UserID())
	return tower.None{}, nil
}

// Visit is a page that writes.
func (c *SeeController) Visit(ctx context.Context, in tower.None) (*tower.Answer, error) {
	return tower.Redirect("/notes"), Notes.Create(ctx, c, &Note{Title: "a visit", Public: true})
}

// Write writes in a sandbox.
func (c *SeeController) Write(ctx context.Context, in tower.None) (tower.None, error) {
	return tower.None{}, Notes.Create(ctx, c, &Note{Title: "written", Public: true})
}

// sights is the notebook with sandboxes, and with tokens. past has the application that a handler writes,
// which asks no connection.
func sights(past **towertest.App) tower.Config {
	config := keys()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "sights", func(s *Session) *SeeController { return &SeeController{s} })
	tower.Action(m, "POST /see", (*SeeController).Begin)
	tower.Action(m, "DELETE /see", (*SeeController).End, tower.InSandbox())
	tower.Action(m, "POST /escape", (*SeeController).Escape, tower.InSandbox())
	tower.Action(m, "POST /write", (*SeeController).Write, tower.InSandbox())
	tower.Page(m, "GET /visit", (*SeeController).Visit)
	drop := func(c *SeeController, w http.ResponseWriter, r *http.Request) error {
		return Notes.Create(r.Context(), *past, &Note{Title: "dropped", Public: true})
	}
	tower.Handle(m, "GET /drop", drop)
	tower.Handle(m, "POST /drop", drop)
	return config
}

// seeAs returns the attacker, an administrator on a device, in a sandbox that began over a transport.
func (a attacker) seeAs(user tower.ID, transport string) attacker {
	a.t.Helper()
	answer := a.greet(transport).answer(1, fmt.Sprintf(`{"id":1,"call":"POST /see","in":{"user":%q}}`, user))
	if answer.Status != 200 || answer.Session == "" {
		a.t.Fatalf("see as %s: %+v", user, answer)
	}
	return a.redeem(answer.Session)
}

// redeem returns the attacker with the cookie that it gets for a ticket.
func (a attacker) redeem(ticket string) attacker {
	a.t.Helper()
	response, body := a.request("POST", "/_tower/session", ticket, "Content-Type", "text/plain")
	if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != 1 {
		a.t.Fatalf("the ticket: %s %s", response.Status, body)
	}
	a.cookie = response.Cookies()[0]
	return a
}

// awaitEndOfSession asks until the attacker's session has ended.
func (a attacker) awaitEndOfSession() {
	a.t.Helper()
	for deadline := time.Now().Add(patience); a.who() != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("the session lasts after %v", patience)
		}
	}
}

// everything returns all that users have: records, sessions and tokens.
func (a attacker) everything() string {
	a.t.Helper()
	text := ""
	for _, read := range []func() (any, error){
		func() (any, error) { return Notes.All().Records(a.t.Context(), a.app) },
		func() (any, error) { return Users.All().Records(a.t.Context(), a.app) },
		func() (any, error) { return tower.Sessions.All().Count(a.t.Context(), a.app) },
		func() (any, error) { return tower.Tokens.All().Count(a.t.Context(), a.app) },
	} {
		all, err := read()
		if err != nil {
			a.t.Fatal(err)
		}
		data, err := json.Marshal(all)
		if err != nil {
			a.t.Fatal(err)
		}
		text += string(data) + "\n"
	}
	return text
}

// TestASandboxChangesNothing sees the application as a user, live, and tries whatever might change something.
func TestASandboxChangesNothing(t *testing.T) {
	var app *towertest.App
	a := attack(t, sights(&app))
	app = a.app
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		admin, ada, bob := a.makeUser("admin over "+transport), a.makeUser("ada over "+transport), a.makeUser("bob over "+transport)
		note := &Note{OwnerID: ada.ID, Title: "private of ada"}
		if err := Notes.Create(t.Context(), a.app, note); err != nil {
			t.Fatal(err)
		}
		seen := a.onDevice(admin.ID).seeAs(ada.ID, transport)
		if user := seen.who(); user != ada.ID {
			t.Fatalf("it is %s's", user)
		}
		p := seen.greet(transport)
		if list := p.ask(`{"id":1,"open":"notes.all"}`); !strings.Contains(list, note.Title) {
			t.Errorf("it sees %s", list)
		}
		if err := Notes.Create(t.Context(), a.app, &Note{OwnerID: ada.ID, Title: "private and live"}); err != nil {
			t.Fatal(err)
		}
		if frame := p.hear(); !strings.Contains(frame, "private and live") {
			t.Errorf("it hears %s", frame)
		}
		before := seen.everything()
		id := uint64(10)
		for call, in := range map[string]string{
			"POST /notes":                      `{"title":"mine"}`,
			"PATCH /notes/" + string(note.ID):  `{"title":"changed"}`,
			"DELETE /notes/" + string(note.ID): `{}`,
			"POST /echo":                       `{"text":"what an action does elsewhere"}`,
			"POST /keys":                       `{"actions":["*"]}`,
			"POST /devices/end":                fmt.Sprintf(`{"user":%q,"keep":true}`, ada.ID),
			"POST /session":                    fmt.Sprintf(`{"user":%q}`, ada.ID),
			"POST /see":                        fmt.Sprintf(`{"user":%q}`, bob.ID),
			"POST /write":                      `{}`,
		} {
			id++
			if answer := p.answer(id, fmt.Sprintf(`{"id":%d,"call":%q,"in":%s,"key":%q}`, id, call, in, tower.NewID())); answer.Status != 403 || answer.Session != "" {
				t.Errorf("%s: %+v", call, answer)
			}
			id++
			if answer := p.answer(id, fmt.Sprintf(`{"id":%d,"call":%q,"form":"title=x"}`, id, call)); answer.Status != 403 && answer.Status != 422 {
				t.Errorf("%s by a form: %+v", call, answer)
			}
			method, path, _ := strings.Cut(call, " ")
			if response, body := seen.request(method, path, in); response.StatusCode != 403 || len(response.Cookies()) != 0 {
				t.Errorf("%s: %s %s", call, response.Status, body)
			}
		}
		for _, call := range []string{"GET /visit", "GET /drop", "POST /drop"} {
			method, path, _ := strings.Cut(call, " ")
			if response, body := seen.request(method, path, ""); response.StatusCode != 403 {
				t.Errorf("%s: %s %s", call, response.Status, body)
			}
		}
		if answer := p.answer(99, `{"id":99,"call":"POST /escape"}`); answer.Status != 200 || answer.Session != "" {
			t.Errorf("signing in: %+v", answer)
		}
		if after := seen.everything(); after != before {
			t.Errorf("there was\n%s\nand is\n%s", before, after)
		}
	})
}

// TestOnlyUsersWithASessionSeeAsAnother has others start a sandbox.
func TestOnlyUsersWithASessionSeeAsAnother(t *testing.T) {
	a := attack(t, sights(nil))
	admin, ada := a.makeUser("admin"), a.makeUser("ada")
	token, _ := a.holding(admin.ID, "*")
	in := fmt.Sprintf(`{"user":%q}`, ada.ID)
	for who, one := range map[string]attacker{"a visitor": a, "a token": token, "ada": a.onDevice(ada.ID)} {
		response, body := one.request("POST", "/see", in)
		if response.StatusCode != 403 || len(response.Cookies()) != 0 {
			t.Errorf("%s: %s %s", who, response.Status, body)
		}
	}
	// One whom connect does not let see is nobody: nothing is read before it ends.
	bob := a.onDevice(a.makeUser("bob").ID)
	response, _ := bob.request("POST", "/see", in)
	bob.cookie = response.Cookies()[0]
	if response, body := bob.request("GET", "/notes", ""); response.StatusCode == 200 {
		t.Errorf("bob sees as ada: %s", body)
	}
}

// TestASandboxEnds ends sandboxes in each way, over each transport. What is written afterwards is not seen.
func TestASandboxEnds(t *testing.T) {
	a := attack(t, sights(nil))
	onEachTransport(t, func(t *testing.T, transport string) {
		for name, end := range map[string]func(a, own, seen attacker, admin, ada *User) (again tower.ID){
			"left": func(a, own, seen attacker, admin, ada *User) tower.ID {
				answer := seen.greet(transport).answer(1, `{"id":1,"call":"DELETE /see"}`)
				if again := seen.redeem(answer.Session); again.who() != admin.ID || again.cookie.Value == seen.cookie.Value {
					t.Errorf("it is %q's afterwards: %+v", again.who(), answer)
				}
				return admin.ID
			},
			"signed out": func(a, own, seen attacker, admin, ada *User) tower.ID {
				if response, body := seen.request("DELETE", "/session", ""); response.StatusCode != 200 {
					t.Errorf("signing out: %s %s", response.Status, body)
				}
				return ""
			},
			"signed out elsewhere": func(a, own, seen attacker, admin, ada *User) tower.ID {
				if response, body := own.request("DELETE", "/session", ""); response.StatusCode != 200 {
					t.Errorf("signing out: %s %s", response.Status, body)
				}
				return ""
			},
			"all ended": func(a, own, seen attacker, admin, ada *User) tower.ID {
				if err := a.app.EndSessions(admin.ID); err != nil {
					t.Fatal(err)
				}
				return ""
			},
			"ended by ada": func(a, own, seen attacker, admin, ada *User) tower.ID {
				if err := a.app.EndSessions(ada.ID); err != nil {
					t.Fatal(err)
				}
				return admin.ID
			},
			"no right": func(a, own, seen attacker, admin, ada *User) tower.ID {
				if _, err := Users.Update(t.Context(), a.app, admin.ID, func(u *User) error {
					u.Name = "was " + u.Name
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return admin.ID
			},
			"too late": func(a, own, seen attacker, admin, ada *User) tower.ID {
				record, err := tower.Sessions.FindBy(t.Context(), a.app, tower.Is(&tower.Sessions.Fields.ActorID, admin.ID))
				if err != nil || record.EndsAt.Sub(record.CreatedAt) > 30*time.Minute || record.Method != "see as" {
					t.Fatalf("%+v %v", record, err)
				}
				if _, err := tower.Sessions.Update(t.Context(), a.app, record.ID, func(r *tower.SessionRecord) error {
					r.ExpiresAt = time.Now()
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return admin.ID
			},
		} {
			a := a.in(t)
			admin, ada := a.makeUser("admin "+name+" "+transport), a.makeUser("ada "+name+" "+transport)
			own := a.onDevice(admin.ID)
			seen := own.seeAs(ada.ID, transport)
			p := seen.greet(transport)
			p.answer(1, `{"id":1,"open":"notes.all"}`)
			again := end(a, own, seen, admin, ada)
			if err := Notes.Create(t.Context(), a.app, &Note{OwnerID: ada.ID, Title: "private afterwards"}); err != nil {
				t.Fatal(err)
			}
			for over := false; !over; {
				frame, end := p.tryHear()
				if over = end != nil; over && end.Code != signedOut && name != "no right" { // which ends the connection first
					t.Errorf("%s: it ends with %+v", name, end)
				}
				if strings.Contains(frame, "private afterwards") {
					t.Errorf("%s: it hears %s", name, frame)
				}
			}
			if name == "no right" {
				seen.awaitEndOfSession()
			}
			seen.expectNobody(transport)
			if user := own.who(); user != again {
				t.Errorf("%s: the administrator's own session is %q's", name, user)
			}
		}
	})
}

// TestASandboxIsLogged looks for the actor in what a sandbox commits.
func TestASandboxIsLogged(t *testing.T) {
	a, console := attackBesideConsole(t, sights(nil))
	admin, ada := a.makeUser("admin"), a.makeUser("ada")
	seen := a.onDevice(admin.ID).seeAs(ada.ID, towertest.Socket)
	seen.request("DELETE", "/see", url.Values{}.Encode())
	var log []wire.LogEntry
	if err := console.Do(t.Context(), wire.ControlRequest{Do: wire.DoLog, Limit: 10}, &log); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", log)
	for _, by := range []string{"see as " + string(ada.ID) + " by " + string(admin.ID), "end of see as " + string(ada.ID) + " by " + string(admin.ID)} {
		if !strings.Contains(text, by) {
			t.Errorf("nothing is by %q: %s", by, text)
		}
	}
}
