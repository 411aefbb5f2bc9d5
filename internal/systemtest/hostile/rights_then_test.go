package hostile

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/towerkit/tower"
)

func rows() tower.Config {
	config := door()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "rows", func(s *Session) *DoorController { return &DoorController{s} })
	tower.Action(m, "PATCH /row", (*DoorController).Knock, tower.RedirectTo("/inside"))
	tower.Action(m, "POST /row", (*DoorController).Knock, tower.RedirectTo("/inside"))
	tower.Action(m, "DELETE /row", (*DoorController).Knock)
	return config
}

func TestAFormSaysWhereItLeads(t *testing.T) {
	a := attack(t, rows())
	ada := a.makeUser("ada")
	page := a.app.URL + "/notes?page=2"
	leads := map[string]string{"/notes?page=3#here": "/notes?page=3#here", "/door/new": "/door/new", "back": "/notes?page=2"}
	for _, to := range foreign {
		if _, fine := leads[to]; !fine && to != "/door/new?return=/inside" {
			leads[to] = "/inside"
		}
	}
	for then, want := range leads {
		sent := url.Values{"_then": {then}}.Encode()
		for _, path := range []string{"/row", "/row?_method=PATCH", "/row?_method=DELETE"} {
			expected := want
			if path == "/row?_method=DELETE" && want == "/inside" { // the action does not say where
				expected = "/notes?page=2"
			}
			response, _ := a.as(ada.ID).request("POST", path, sent, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Referer", page)
			if to := response.Header.Get("Location"); response.StatusCode != 303 || to != expected {
				t.Errorf("the form to %s with %q leads to %q (%s); want %q", path, then, to, response.Status, expected)
			}
		}
	}
	response, _ := a.as(ada.ID).request("POST", "/row", "_then=back", "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Referer", "https://evil.test/notes")
	if to := response.Header.Get("Location"); to != "/" {
		t.Errorf("back to another site is %q", to)
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		for then, want := range leads {
			if then == "back" { // the client stays
				want = ""
			}
			p := a.as(ada.ID).in(t).greet(transport)
			sent := url.Values{"_then": {then}}.Encode()
			if answer := p.answer(1, fmt.Sprintf(`{"id":1,"call":"PATCH /row","form":%q}`, sent)); answer.Status != 200 || answer.Location != want {
				t.Errorf("the form with %q leads to %q (%d); want %q", then, answer.Location, answer.Status, want)
			}
		}
	})
}
