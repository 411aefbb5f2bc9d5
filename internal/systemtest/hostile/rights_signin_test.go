package hostile

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// A DoorController has a page and an action for which one must be signed in.
type DoorController struct{ *Session }

func (c *DoorController) Inside(ctx context.Context, in struct {
	Room string `json:"room"`
}) (string, error) {
	if c.User == nil {
		return "", tower.Unauthenticated("sign in to enter")
	}
	return "room " + in.Room, nil
}

func (c *DoorController) Knock(ctx context.Context, in tower.None) (tower.None, error) {
	if c.User == nil {
		return tower.None{}, tower.Unauthenticated("sign in to knock")
	}
	return tower.None{}, nil
}

func (c *DoorController) SignIn(ctx context.Context, in struct {
	User tower.ID `json:"user"`
}) (tower.None, error) {
	if _, err := Users.Find(ctx, c, in.User); err != nil {
		return tower.None{}, tower.Unauthenticated("there is no such user")
	}
	c.Connection.SignIn(ctx, in.User)
	return tower.None{}, nil
}

func door() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "door", func(s *Session) *DoorController { return &DoorController{s} })
	tower.Page(m, "GET /inside", (*DoorController).Inside)
	tower.Page(m, "GET /door/new", tower.ViewOnly)
	tower.Action(m, "POST /knock", (*DoorController).Knock)
	tower.Action(m, "POST /door", (*DoorController).SignIn, tower.FormPage("GET /door/new"), tower.RedirectTo("/notes"))
	views := maps.Clone(notebookViews)
	views["views/door/inside.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}<h1>{{.Data}}</h1>{{end}}`)}
	views["views/door/new.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}<form {{.Form "POST /door"}}><input name="user"></form>{{end}}`)}
	config.Files, config.SignIn = views, "/door/new"
	return config
}

// foreign are the ways back that lead elsewhere, or in a circle.
var foreign = []string{
	"//evil.test", "//evil.test/inside", `/\evil.test`, `\\evil.test`, "/\t/evil.test", "/\n/evil.test", "\t//evil.test", " //evil.test", "/ /evil.test",
	"https://evil.test", "https:evil.test", "http://evil.test", "javascript:alert(1)", "data:text/html,x", "evil.test", "inside", "?x", "#x", "",
	"/%2fevil.test", "/%2Fevil.test", "/%5cevil.test", "/%09/evil.test", "///evil.test", "/\x00/evil.test", "/%zz", "/\u00a0/evil.test\r\nSet-Cookie: a=b",
	"/door/new", "/door/new?return=/inside", "/_tower/session",
}

func TestSigningInLeadsBack(t *testing.T) {
	a := attack(t, door())
	ada := a.makeUser("ada")
	html := []string{"Accept", "text/html"}
	form := append([]string{"Content-Type", "application/x-www-form-urlencoded"}, html...)

	response, _ := a.request("GET", "/inside?room=1&x=%26", "", html...)
	to := response.Header.Get("Location")
	if response.StatusCode != 303 || to != "/door/new?return=%2Finside%3Froom%3D1%26x%3D%2526" {
		t.Fatalf("without a session: %s to %s", response.Status, to)
	}
	_, page := a.request("GET", to, "", html...)
	_, action, _ := strings.Cut(page, `action="`)
	action, _, _ = strings.Cut(action, `"`)
	response, _ = a.request("POST", strings.ReplaceAll(action, "&amp;", "&"), "user="+string(ada.ID), form...)
	if back := response.Header.Get("Location"); response.StatusCode != 303 || back != "/inside?room=1&x=%26" {
		t.Errorf("the form to %s leads to %s (%s)", action, back, response.Status)
	}

	response, _ = a.request("POST", "/knock", "", append([]string{"Referer", a.app.URL + "/notes?page=2"}, form...)...)
	if to := response.Header.Get("Location"); response.StatusCode != 303 || to != "/door/new?return=%2Fnotes%3Fpage%3D2" {
		t.Errorf("a form without a session: %s to %s", response.Status, to)
	}
	response, _ = a.request("POST", "/knock", "", append([]string{"Referer", "https://evil.test/notes"}, form...)...)
	if to := response.Header.Get("Location"); to != "/door/new?return=%2F" {
		t.Errorf("a form of another site: %s to %s", response.Status, to)
	}
	response, _ = a.request("POST", "/door", "user=nobody", append([]string{"Referer", a.app.URL + "/door/new?return=/inside"}, form...)...)
	if response.StatusCode != 401 {
		t.Errorf("a wrong sign-in: %s to %s", response.Status, response.Header.Get("Location"))
	}
	if response, body := a.request("GET", "/inside", ""); response.StatusCode != 401 {
		t.Errorf("a program: %s %s", response.Status, body)
	}
	if response, _ := a.as(ada.ID).request("GET", "/inside", "", html...); response.StatusCode != 200 {
		t.Errorf("with a session: %s", response.Status)
	}
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	a := attack(t, door())
	ada := a.makeUser("ada")
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html"}
	for _, to := range foreign {
		values := url.Values{"return": {to}}
		if _, page := a.request("GET", "/door/new?"+values.Encode(), "", "Accept", "text/html"); strings.Contains(page, "return") {
			t.Errorf("%q is kept in the page: %s", to, page)
		}
		inQuery, _ := a.request("POST", "/door?"+values.Encode(), "user="+string(ada.ID), form...)
		values.Set("user", string(ada.ID))
		inForm, _ := a.request("POST", "/door", values.Encode(), form...)
		for _, response := range []string{inQuery.Header.Get("Location"), inForm.Header.Get("Location")} {
			if response != "/notes" {
				t.Errorf("%q leads to %q", to, response)
			}
		}
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		refused := p.answer(1, `{"id":1,"call":"POST /knock","form":""}`)
		if refused.Status != 401 || refused.Location != "/door/new" {
			t.Errorf("a form without a session: %+v", refused)
		}
		for to, want := range map[string]string{"/inside?room=1": "/inside?room=1", "//evil.test": "/notes", `/\evil.test`: "/notes", "/%2fevil.test": "/notes", "": "/notes"} {
			values := url.Values{"return": {to}, "user": {string(ada.ID)}}
			p := a.in(t).greet(transport)
			if answer := p.answer(1, fmt.Sprintf(`{"id":1,"call":"POST /door","form":%q}`, values.Encode())); answer.Location != want || answer.Session == "" {
				t.Errorf("%q leads to %q: %+v", to, answer.Location, answer)
			}
		}
	})
}

func TestSignInIsAPage(t *testing.T) {
	for _, path := range []string{"/knock", "/nothing", "door/new", "https://evil.test/door/new", "/door/new?x=1"} {
		config := door()
		config.SignIn, config.Env = path, "test"
		if _, err := tower.New(config); err == nil || !strings.Contains(err.Error(), "Config.SignIn is") {
			t.Errorf("with %q it starts with %v", path, err)
		}
	}
}
