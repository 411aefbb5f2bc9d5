package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// TestAKeyOfAnotherUserIsNoKey sends a call with the idempotency key of another user's call: it
// is run as if nobody had used the key, whatever its input.
func TestAKeyOfAnotherUserIsNoKey(t *testing.T) {
	a := attack(t, notebook())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	const used, fresh, body = "01JDA7Q4Z3M8X2V6K9T5B1C0RW", "01JDA7Q4Z3M8X2V6K9T5B1C0RX", `{"title":"the same"}`
	keyed := func(who attacker, key, body string) (answer, id string) {
		t.Helper()
		response, text := who.request("POST", "/notes", body, "Idempotency-Key", key)
		_, id, _ = strings.Cut(text, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return answered(response, withoutTimes(text), tower.ID(id)), id
	}
	_, first := keyed(a.as(ada.ID), used, body)
	again, same := keyed(a.as(ada.ID), used, body)
	if same != first || !strings.Contains(again, "Idempotency-Replayed") {
		t.Fatalf("her own key is not known: %s", again)
	}
	for _, who := range []attacker{a.as(bob.ID), a.as("")} {
		for _, body := range []string{body, `{"title":"another"}`} {
			withUsed, id := keyed(who, used, body)
			withFresh, _ := keyed(who, fresh, body)
			if withUsed != withFresh || id == first { // the second time both are their own
				t.Errorf("%q with another's key:\n%s\nwith a new one:\n%s", who.user, withUsed, withFresh)
			}
		}
	}
}

// TestAKeyOfAnotherVisitorTellsNothing sends the key of another visitor's call, which only who was
// given it can know, and keys that are close to it. Visitors have nothing that separates them.
func TestAKeyOfAnotherVisitorTellsNothing(t *testing.T) {
	a := attack(t, notebook())
	const body = `{"title":"of the first visitor"}`
	ways := map[string]func(who attacker, key, body string) (status int, text string){
		"HTTP": func(who attacker, key, body string) (int, string) {
			response, text := who.request("POST", "/notes", body, "Idempotency-Key", key)
			return response.StatusCode, text
		},
	}
	for _, transport := range towertest.Transports() {
		ways[transport] = func(who attacker, key, body string) (int, string) {
			p := who.greet(transport)
			defer p.leave()
			answer := p.answer(1, fmt.Sprintf(`{"id":1,"call":"POST /notes","in":%s,"key":%q}`, body, key))
			text, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			return answer.Status, string(text)
		}
	}
	for name, say := range ways {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			key := string(tower.NewID())
			status, text := say(a, key, body)
			if status != http.StatusCreated {
				t.Fatalf("%d %s", status, text)
			}
			_, id, _ := strings.Cut(text, `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			other := a.at("127.0.0.9")
			if status, text := say(other, key, `{"title":"of the second visitor"}`); status != http.StatusConflict || strings.Contains(text, id) || strings.Contains(text, "first") {
				t.Errorf("the key with another input: %d %s", status, text)
			}
			for _, close := range []string{key[:10] + strings.Repeat("0", 16), key[:10] + string(tower.NewID())[10:]} {
				if status, text := say(other, close, body); status != http.StatusCreated || strings.Contains(text, id) || strings.Contains(text, "repeated") {
					t.Errorf("a key that begins alike: %d %s", status, text)
				}
			}
		})
	}
}

// withoutTimes removes the times of records.
func withoutTimes(text string) string {
	parts := strings.Split(text, `At":"`)
	for i := range parts[1:] {
		_, parts[i+1], _ = strings.Cut(parts[i+1], `"`)
	}
	return strings.Join(parts, "At")
}

// TestNothingCountsOthers asks for everything that is answered without a cursor of the
// application's own, while nobody is there, and while others are connected, hold cursors, commit,
// and are refused what they have too much of. All answers are alike.
func TestNothingCountsOthers(t *testing.T) {
	config := notebook()
	config.Limits.MaxConnections = 2
	config.OpenAPI = true
	tower.Action(tower.Mount(config.Routes.(*tower.Router[*Session]), "paced", func(s *Session) *NotesController { return &NotesController{s} }),
		"POST /paced", (*NotesController).Echo, tower.Rate(3, time.Hour, tower.ByUser))
	a := attack(t, config)
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	a.makeNotes(3)
	attackers := map[string]attacker{"a visitor": a.at("127.0.0.6"), "bob": a.as(bob.ID).at("127.0.0.6").onDevice(bob.ID)}
	ask := func() map[string]string {
		said := map[string]string{}
		for who, from := range attackers {
			for _, path := range []string{"/", "/missing", "/notes/missing", "/_tower/", "/_tower/session", "/_tower/openapi.json", "/_tower/tower.js", "/_tower/worker.js", "/_tower/offline.js",
				"/_tower/app/missing.js", "/_tower/dev", "/_tower/stats", "/_tower/socket", "/_tower/stream", "/_tower/poll", "/_tower/read/notes/missing", "/_tower/read/missing"} {
				for _, accept := range []string{"text/html", "application/json"} {
					response, body := from.request("GET", path, "", "Accept", accept)
					said[who+" "+accept+" "+path] = answered(response, body, "no id")
				}
			}
			response, body := from.request("POST", "/echo", `{"text":"x"}`)
			said[who+" POST /echo"] = answered(response, body, "no id")
			response, body = from.request("POST", "/_tower/send", `[]`)
			said[who+" POST /_tower/send"] = answered(response, body, "no id")
		}
		return said
	}
	alone := ask()
	her := a.as(ada.ID).at("127.0.0.7")
	for i := range 2 {
		p := her.greet("socket")
		p.answer(1, `{"id":1,"open":"notes.all"}`)
		p.answer(2, fmt.Sprintf(`{"id":2,"open":"notes.newest","in":{"n":%d}}`, i+1))
	}
	if p, _, _ := her.tryConnect("socket"); p != nil {
		if end := p.awaitEnd(); end.Code != 4429 {
			t.Errorf("a third connection ended with %d %s", end.Code, end.Reason)
		}
	}
	for range 5 {
		her.request("POST", "/paced", `{"text":"x"}`)
	}
	if response, _ := her.request("POST", "/paced", `{"text":"x"}`); response.StatusCode != 429 {
		t.Errorf("she is not paced: %s", response.Status)
	}
	a.makePrivate(ada.ID)
	for question, answer := range ask() {
		if answer != alone[question] {
			t.Errorf("%s alone:\n%s\nand beside others:\n%s", question, alone[question], answer)
		}
	}
	for who, from := range attackers { // what is counted is their own
		for range 3 {
			if response, _ := from.request("POST", "/paced", `{"text":"x"}`); response.StatusCode != 200 || response.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %s, Retry-After %q", who, response.Status, response.Header.Get("Retry-After"))
			}
		}
	}
}

// A CatalogController has no rule: what it lists is shared by all who list the same.
type CatalogController struct{ *Session }

func (c *CatalogController) Newest(ctx context.Context, in tower.None) (tower.Scope[Note], error) {
	return Notes.All().Desc(&Notes.Fields.Title).Limit(5), nil
}

func (c *CatalogController) HowMany(ctx context.Context, in tower.None) (tower.ValueScope[Note], error) {
	return Notes.All().AsCount(), nil
}

// TestTheTimeOfAnOpenSaysNothingOfWhatOthersHold narrows cursors that read every record by a text,
// while nobody holds the same, and while another user does. Then they cost nothing, but the
// answer comes no sooner.
func TestTheTimeOfAnOpenSaysNothingOfWhatOthersHold(t *testing.T) {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "catalog", func(s *Session) *CatalogController { return &CatalogController{s} })
	tower.Cursor(m, "newest", (*CatalogController).Newest, tower.Narrow(Notes, &Notes.Fields.Title))
	tower.Value(m, "howMany", (*CatalogController).HowMany, tower.Narrow(Notes, &Notes.Fields.Title))
	a := attack(t, config)
	ada := a.makeUser("ada")
	count := scaled(10_000, 100_000)
	a.makeNotes(count)
	least := time.Duration(count) * time.Microsecond // half of what reading is taken to cost
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		holder := a.as(ada.ID).greet(transport)
		for i, name := range []string{"newest", "howMany"} {
			open := fmt.Sprintf(`{"id":%d,"open":"catalog.%s","where":{"title":"a secret of %s %s"}}`, i+1, name, transport, name)
			if answer := holder.answer(uint64(i+1), open); answer.Status != 200 {
				t.Fatalf("%s: %+v", open, answer)
			}
			var times []time.Duration
			for try := range 3 {
				p := a.at(fmt.Sprintf("127.0.3.%d", 10*i+try+1)).greet(transport)
				begun := time.Now()
				p.answer(uint64(i+1), open)
				times = append(times, time.Since(begun))
				p.leave()
			}
			for _, took := range times {
				if took < least {
					t.Errorf("%s over %s is answered in %v while another holds it; reading %d records takes longer", name, transport, times, count)
					break
				}
			}
		}
		holder.leave()
	})
}
