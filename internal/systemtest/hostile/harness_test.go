package hostile

import (
	"strings"
	"testing"
)

// TestAttackersReachTheNotebook checks what the other tests rely on.
func TestAttackersReachTheNotebook(t *testing.T) {
	a := attack(t, notebook())
	ada := a.makeUser("ada")
	a.makeNotes(3)
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).as(ada.ID).at("127.0.0.7").greet(transport)
		if opened := p.answer(1, `{"id":1,"open":"notes.all"}`); opened.Status != 200 || len(opened.IDs) < 3 {
			t.Errorf("opened: %+v", opened)
		}
		if called := p.answer(2, `{"id":2,"call":"POST /notes","in":{"title":"mine"}}`); called.Status != 201 {
			t.Errorf("called: %+v", called)
		}
		p.leave()
	})
	if response, body := a.request("GET", "/notes", "", "Accept", "text/html"); response.StatusCode != 200 || !strings.Contains(body, ">note 2</li>") {
		t.Errorf("the page: %s %s", response.Status, body)
	}
}
