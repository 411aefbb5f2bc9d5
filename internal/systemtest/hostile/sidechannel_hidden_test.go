package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// A ShelfController reads and writes notes by id, in every way in which an application can.
type ShelfController struct{ *Session }

var shelfAsked, shelfChanged atomic.Int64 // calls of Match, and of what changes a note

func (c *ShelfController) Match(n *Note) bool {
	shelfAsked.Add(1)
	return n.Public || c.User != nil && n.OwnerID == c.User.ID
}

type noteID struct {
	ID tower.ID `json:"id"`
}

func (c *ShelfController) Show(ctx context.Context, in noteID) (*Note, error) {
	return tower.Visible(ctx, c, Notes, in.ID)
}

func (c *ShelfController) Edit(ctx context.Context, in noteID) (*Note, error) {
	return tower.Visible(ctx, c, Notes, in.ID)
}

func (c *ShelfController) File(w http.ResponseWriter, r *http.Request) error {
	note, err := tower.Visible(r.Context(), c, Notes, tower.ID(r.PathValue("id")))
	if err == nil {
		_, err = fmt.Fprint(w, note.Body)
	}
	return err
}

func (c *ShelfController) Download(ctx context.Context, in noteID) (*tower.Answer, error) {
	note, err := tower.Visible(ctx, c, Notes, in.ID)
	if err != nil {
		return nil, err
	}
	return tower.SendFile(note.Title+".txt", strings.NewReader(note.Body), note.UpdatedAt), nil
}

func (c *ShelfController) Update(ctx context.Context, in EditNote) (*Note, error) {
	return tower.UpdateVisible(ctx, c, Notes, in.ID, func(n *Note) error {
		shelfChanged.Add(1)
		return tower.Assign(n, in)
	})
}

func (c *ShelfController) Delete(ctx context.Context, in noteID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, Notes, in.ID, func(*Note) error { shelfChanged.Add(1); return nil })
}

// Refer makes a note that belongs to another one's id, which it does not look at.
func (c *ShelfController) Refer(ctx context.Context, in struct {
	OwnerID tower.ID `json:"ownerId" tower:"ref=users"`
}) (tower.None, error) {
	return tower.None{}, Notes.Create(ctx, c, &Note{Title: "refers", OwnerID: in.OwnerID})
}

func (c *ShelfController) Of(ctx context.Context, in noteID) (tower.Scope[Note], error) {
	note := Notes.Fields
	return Notes.Where(tower.Is(&note.ID, in.ID)), nil
}

func (c *ShelfController) HowMany(ctx context.Context, in noteID) (tower.ValueScope[Note], error) {
	note := Notes.Fields
	return Notes.Where(tower.Is(&note.ID, in.ID)).AsCount(), nil
}

func shelf() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "shelf", func(s *Session) *ShelfController { return &ShelfController{s} })
	tower.Page(m, "GET /shelf/{id}", (*ShelfController).Show)
	tower.Page(m, "GET /shelf/{id}/edit", (*ShelfController).Edit)
	tower.Action(m, "GET /shelf/{id}/data", (*ShelfController).Show)
	tower.Action(m, "GET /shelf/{id}/download", (*ShelfController).Download)
	tower.Handle(m, "GET /shelf/{id}/file", (*ShelfController).File)
	tower.Action(m, "PATCH /shelf/{id}", (*ShelfController).Update, tower.FormPage("GET /shelf/{id}/edit"))
	tower.Action(m, "DELETE /shelf/{id}", (*ShelfController).Delete)
	tower.Action(m, "POST /shelf/refer", (*ShelfController).Refer)
	tower.Cursor(m, "of", (*ShelfController).Of, tower.Narrow(Notes, &Notes.Fields.Title))
	tower.Value(m, "howMany", (*ShelfController).HowMany)
	files := maps.Clone(notebookViews)
	form := `<form {{.Form "PATCH /shelf/{id}" .Data}}>{{.Input "title" .Data}}</form>`
	files["views/shelf/show.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}<h1>{{.Data.Title}}</h1>{{$l := .Cursor "of" "shelf/_note.html" "id" .Data.ID}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{.LiveValue "howMany" "id" .Data.ID}}{{end}}`)}
	files["views/shelf/edit.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}` + form + `{{end}}`)}
	files["views/shelf/_note.html"] = &fstest.MapFile{Data: []byte(`<li>{{.Title}}</li>`)}
	config.Files = files
	return config
}

// hiddenNote makes a note of another user, and returns its id and one that no note has.
func (a attacker) hiddenNote(owner tower.ID) (hidden *Note, missing tower.ID) {
	a.t.Helper()
	var notes [3]*Note // of one user, in a row: the missing one was there
	for i := range notes {
		notes[i] = &Note{OwnerID: owner, Title: "hidden", Body: strings.Repeat("a secret of some length. ", 100)}
		if err := Notes.Create(a.t.Context(), a.app, notes[i]); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := Notes.Delete(a.t.Context(), a.app, notes[1].ID); err != nil {
		a.t.Fatal(err)
	}
	return notes[2], notes[1].ID
}

// answered returns all that an answer says, with ID in place of an id.
func answered(response *http.Response, body string, id tower.ID) string {
	var text strings.Builder
	fmt.Fprintln(&text, response.Status)
	for _, name := range slices.Sorted(maps.Keys(response.Header)) {
		switch value := response.Header[name]; name {
		case "Date", "X-Request-Id":
		case "Content-Security-Policy": // it has a nonce
			fmt.Fprintln(&text, name, len(value[0]))
		case "Content-Length": // that of the body below, where a caller may have removed times
			fmt.Fprintln(&text, name)
		default:
			fmt.Fprintln(&text, name, strings.ReplaceAll(fmt.Sprint(value), string(id), "ID"))
		}
	}
	fmt.Fprintln(&text, len(body))
	return text.String() + withoutNonces(strings.ReplaceAll(body, string(id), "ID"))
}

// withoutNonces removes the nonces of a page.
func withoutNonces(body string) string {
	parts := strings.Split(body, `nonce="`)
	for i := range parts[1:] {
		_, parts[i+1], _ = strings.Cut(parts[i+1], `"`)
	}
	return strings.Join(parts, "nonce=")
}

// TestAHiddenRecordAnswersAsOneThatIsMissing asks for a record that is another user's, and for
// one that does not exist, in every way: all that comes back is alike, to the byte.
func TestAHiddenRecordAnswersAsOneThatIsMissing(t *testing.T) {
	a := attack(t, shelf())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	hidden, missing := a.hiddenNote(ada.ID)
	if response, body := a.as(ada.ID).request("GET", "/shelf/"+string(hidden.ID), "", "Accept", "text/html"); response.StatusCode != 200 || strings.Count(body, "hidden") < 2 {
		t.Fatalf("its owner: %s %s", response.Status, body)
	}
	const form = "application/x-www-form-urlencoded"
	requests := []struct{ method, path, body, kind string }{
		{"GET", "", "", ""}, {"HEAD", "", "", ""}, {"GET", "/edit", "", ""}, {"GET", "/data", "", ""}, {"GET", "/download", "", ""}, {"GET", "/file", "", ""},
		{"PATCH", "", `{"title":"mine"}`, ""}, {"PATCH", "", `{"title":""}`, ""}, {"PATCH", "", `{"title":5}`, ""}, {"PATCH", "", `{}`, ""}, {"DELETE", "", ``, ""}, {"DELETE", "", `{}`, ""},
		{"POST", "?_method=PATCH", "title=mine", form}, {"POST", "?_method=PATCH", "title=", form}, {"POST", "?_method=PATCH", "rank=x", form},
		{"POST", "?_method=DELETE", "", form}, {"POST", "", "_method=DELETE", form}, {"POST", "", "_method=PATCH&title=mine", form}, {"PUT", "", `{"title":"mine"}`, ""},
	}
	changed := shelfChanged.Load()
	for _, who := range []attacker{a.as(bob.ID).onDevice(bob.ID), a.as("")} {
		for _, accept := range []string{"text/html", "application/json"} {
			for _, r := range requests {
				var all [2]string
				for i, id := range []tower.ID{hidden.ID, missing} {
					header := []string{"Accept", accept, "If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT", "Range", "bytes=0-3", "Referer", a.app.URL + "/shelf/" + string(id)}
					if r.kind != "" {
						header = append(header, "Content-Type", r.kind)
					}
					response, body := who.request(r.method, "/shelf/"+string(id)+r.path, r.body, header...)
					if response.StatusCode < 400 {
						t.Errorf("%s %s %s as %q: %s", r.method, r.path, r.body, who.user, response.Status)
					}
					all[i] = answered(response, body, id)
				}
				if all[0] != all[1] {
					t.Errorf("%s %s %s as %q, hidden:\n%s\nmissing:\n%s", r.method, r.path, r.body, who.user, all[0], all[1])
				}
			}
		}
		for _, cursor := range []string{"/_tower/read/shelf/of?id=", "/_tower/read/shelf/howMany?id="} {
			var all [2]string
			for i, id := range []tower.ID{hidden.ID, missing} {
				response, body := who.request("GET", cursor+string(id), "")
				all[i] = answered(response, body, id)
			}
			if all[0] != all[1] {
				t.Errorf("%s as %q, hidden:\n%s\nmissing:\n%s", cursor, who.user, all[0], all[1])
			}
		}
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).as(bob.ID).greet(transport)
		number := uint64(0)
		for _, frame := range []string{
			`"call":"GET /shelf/ID/data"`, `"call":"GET /shelf/ID/download"`, `"call":"PATCH /shelf/ID","in":{"title":"mine"}`, `"call":"PATCH /shelf/ID","in":{"title":""}`,
			`"call":"PATCH /shelf/ID","form":"title=mine"`, `"call":"DELETE /shelf/ID"`, `"open":"shelf.of","in":{"id":"ID"}`, `"open":"shelf.of","in":{"id":"ID"},"where":{"title":"hidden"}`,
			`"open":"shelf.howMany","in":{"id":"ID"}`,
		} {
			var all [2]string
			for i, id := range []tower.ID{hidden.ID, missing} {
				number++
				answer := p.answer(number, fmt.Sprintf(`{"id":%d,%s}`, number, strings.ReplaceAll(frame, "ID", string(id))))
				answer.ID, answer.Cursor = 0, 0
				text, err := json.Marshal(answer)
				if err != nil {
					t.Fatal(err)
				}
				all[i] = strings.ReplaceAll(string(text), string(id), "ID")
			}
			if all[0] != all[1] {
				t.Errorf("%s\nhidden:  %s\nmissing: %s", frame, all[0], all[1])
			}
		}
	})
	if n := shelfChanged.Load() - changed; n > 0 {
		t.Errorf("a change was tried %d times on records that nobody may see", n)
	}
	if note, err := Notes.Find(t.Context(), a.app, hidden.ID); err != nil || note.Title != "hidden" {
		t.Errorf("the hidden note is now %+v, %v", note, err)
	}
}

// TestAHiddenRecordCostsOneQuestion counts what is done for a record that is hidden: the rule is
// asked once for each request, whatever the record holds and whoever else holds it.
func TestAHiddenRecordCostsOneQuestion(t *testing.T) {
	a := attack(t, shelf())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	hidden, missing := a.hiddenNote(ada.ID)
	for method, path := range map[string]string{"GET": "/data", "PATCH": "", "DELETE": ""} {
		before := shelfAsked.Load()
		a.as(bob.ID).request(method, "/shelf/"+string(hidden.ID)+path, `{}`)
		forHidden := shelfAsked.Load() - before
		a.as(bob.ID).request(method, "/shelf/"+string(missing)+path, `{}`)
		if forMissing := shelfAsked.Load() - before - forHidden; forHidden != 1 || forMissing != 0 {
			t.Errorf("%s asks the rule %d times for a hidden record and %d times for a missing one", method, forHidden, forMissing)
		}
	}
}

// TestAReferenceSaysOnlyWhetherItLeadsAnywhere writes references to records that are gone and
// that never were. One that exists is accepted: the guide on models says so, and what to do.
func TestAReferenceSaysOnlyWhetherItLeadsAnywhere(t *testing.T) {
	a := attack(t, shelf())
	gone := a.makeUser("gone")
	if err := Users.Delete(t.Context(), a.app, gone.ID); err != nil {
		t.Fatal(err)
	}
	seen := map[string]tower.ID{}
	for _, id := range []tower.ID{gone.ID, "01JDA7Q4Z3M8X2V6K9T5B1C0RW"} {
		response, body := a.request("POST", "/shelf/refer", fmt.Sprintf(`{"ownerId":%q}`, id))
		seen[answered(response, body, id)] = id
	}
	if len(seen) != 1 {
		t.Errorf("references are told apart: %v", seen)
	}
}
