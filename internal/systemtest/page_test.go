package systemtest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type pagesController struct{ *Session }

func (c *pagesController) Allow(action string) bool { return action != "SecretPlans" }

type talk struct {
	tower.Record
	Title   string     `json:"title" validate:"required,max=20"`
	Body    string     `json:"body"`
	Done    bool       `json:"done"`
	Seats   int        `json:"seats"`
	Price   float64    `json:"price"`
	Starts  time.Time  `json:"startsAt"`
	Ends    *time.Time `json:"endsAt"`
	HostID  tower.ID   `json:"hostId" tower:"ref=users" validate:"required"`
	GuestID tower.ID   `json:"guestId" tower:"ref=users"`
}

type talkPage struct {
	Talk  *talk
	Hosts []*User
}

var startsAt = time.Date(2026, 11, 30, 4, 5, 0, 0, time.UTC)

func (c *pagesController) Form(ctx context.Context, in tower.None) (talkPage, error) {
	hosts := []*User{{Record: tower.Record{ID: "01A"}, Name: "Ada"}, {Record: tower.Record{ID: "01B"}, Name: "Bob & co"}}
	return talkPage{&talk{Title: `"Hi"`, Body: "a<b", Done: true, Seats: 3, Price: 1.5, Starts: startsAt, HostID: "01B", GuestID: "01C"}, hosts}, nil
}

func (c *pagesController) Save(ctx context.Context, in struct {
	Title string `json:"title" validate:"max=3"`
	Seats *int   `json:"seats"`
	Done  bool   `json:"done"`
}) (tower.None, error) {
	return tower.None{}, nil
}

const formView = `{{define "main"}}<form {{.Form "POST /pages/form"}}>
{{.Input "title" .Data.Talk "label" "The <title>" "autocomplete" "off" "maxlength" 30}}
{{.TextArea "body" .Data.Talk}}
{{.Input "done" .Data.Talk}}
{{.Input "seats" .Data.Talk "min" 0}}
{{.Input "price" .Data.Talk}}
{{.Input "startsAt" .Data.Talk}}
{{.Input "endsAt" .Data.Talk}}
{{.Select "hostId" .Data.Talk .Data.Hosts "name"}}
{{.Select "guestId" .Data.Talk .Data.Hosts "name"}}
{{.Input "password" nil "type" "password"}}
</form>{{time .Data.Talk.Starts}}|{{time .Data.Talk.Starts "2 Jan"}}|{{or (time .Data.Talk.Ends) "never"}}{{end}}`

func pages(views fstest.MapFS) tower.Config {
	r := tower.NewRouter(Connect)
	pages := tower.Mount(r, "pages", func(s *Session) *pagesController { return &pagesController{s} })
	tower.Page(pages, "GET /", tower.ViewOnly)
	tower.Page(pages, "GET /pages", tower.ViewOnly)
	tower.Page(pages, "GET /pages/about_us", tower.ViewOnly)
	tower.Page(pages, "GET /pages/{id}", tower.ViewOnly)
	tower.Page(pages, "GET /pages/secret-plans", tower.ViewOnly)
	tower.Page(pages, "GET /pages/form", (*pagesController).Form)
	tower.Action(pages, "POST /pages/form", (*pagesController).Save, tower.FormPage("GET /pages/form"))
	views["views/layout.html"] = &fstest.MapFile{Data: []byte(`{{template "main" .}}`)}
	return tower.Config{Name: "pages", Models: []tower.AnyModel{Users}, Routes: r, Files: views}
}

func view(text string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(`{{define "main"}}` + text + `{{end}}`)}
}

func TestAPageWithoutDataIsItsView(t *testing.T) {
	views := fstest.MapFS{}
	for _, missing := range []string{
		"GET / shows views/pages/index.html", "GET /pages/about_us shows views/pages/aboutus.html", "GET /pages/{id} shows views/pages/show.html",
		"GET /pages/secret-plans shows views/pages/secretplans.html", "GET /pages/form shows views/pages/form.html",
	} {
		_, err := tower.New(pages(views))
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Fatalf("without a view the application starts with %v; want an error with %q", err, missing)
		}
		_, file, _ := strings.Cut(missing, "shows ")
		views[file] = view(file + "{{with .Data}} with data{{end}}")
	}
	app := towertest.Open(t, pages(views))
	for path, want := range map[string]string{"/": "index.html", "/pages": "index.html", "/pages/about_us": "aboutus.html", "/pages/7": "show.html"} {
		if status, body := app.Get(t, path); status != http.StatusOK || body != "views/pages/"+want {
			t.Errorf("GET %s answered %d %s", path, status, body)
		}
	}
	if status, _ := app.Get(t, "/pages/secret-plans"); status != http.StatusForbidden {
		t.Errorf("a page that Allow denies answered %d", status)
	}
}

func formPages() tower.Config {
	return pages(fstest.MapFS{"views/pages/index.html": view(""), "views/pages/aboutus.html": view(""), "views/pages/show.html": view(""),
		"views/pages/secretplans.html": view(""), "views/pages/form.html": {Data: []byte(formView)}})
}

func TestFormFields(t *testing.T) {
	app := towertest.Open(t, formPages())
	_, page := app.Get(t, "/pages/form")
	for _, want := range []string{
		`<label for="title">The &lt;title&gt;</label>`,
		`<input id="title" name="title" type="text" maxlength="30" value="&#34;Hi&#34;" required aria-describedby="title-problem" autocomplete="off">`,
		`<p class="problem" data-problem="title" role="alert" id="title-problem" hidden></p>`,
		"<label for=\"body\">Body</label>\n  <textarea id=\"body\" name=\"body\" rows=\"6\" aria-describedby=\"body-problem\">\na&lt;b</textarea>",
		`<input type="hidden" name="done" value="false">` + "\n  " + `<input id="done" name="done" type="checkbox" value="true" checked aria-describedby="done-problem">` + "\n  " + `<label for="done">Done</label>`,
		`<input id="seats" name="seats" type="number" step="1" value="3" required aria-describedby="seats-problem" min="0">`,
		`<input id="price" name="price" type="number" step="any" value="1.5" required aria-describedby="price-problem">`,
		`<label for="startsAt">Starts at</label>` + "\n  " + `<input id="startsAt" name="startsAt" type="datetime-local" step="any" data-time="2026-11-30T04:05:00Z" value="2026-11-30T04:05:00" aria-describedby="startsAt-problem">`,
		`<input id="endsAt" name="endsAt" type="datetime-local" step="any" data-time="" value="" aria-describedby="endsAt-problem">`,
		`<label for="hostId">Host</label>` + "\n  " + `<select id="hostId" name="hostId" required aria-describedby="hostId-problem">` + "\n    " +
			`<option value="">—</option>` + "\n    " + `<option value="01A">Ada</option>` + "\n    " + `<option value="01B" selected>Bob &amp; co</option>`,
		`<option value="">—</option>` + "\n    " + `<option value="01C" selected hidden>01C</option>`,
		`<input id="password" name="password" type="password" aria-describedby="password-problem">`,
		`<time datetime="2026-11-30T04:05:00Z" data-time-layout="2 January 2006, 15:04">30 November 2026, 04:05 UTC</time>|<time datetime="2026-11-30T04:05:00Z" data-time-layout="2 Jan">30 Nov</time>|never`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s\nis not in\n%s", want, page)
		}
	}
}

// A form that was refused keeps what was sent, and shows the problems.
func TestARefusedFormKeepsWhatWasSent(t *testing.T) {
	app := towertest.Open(t, formPages())
	status, page := app.PostForm(t, "", "/pages/form", "title=long&seats=many&done=false&password=hush")
	if status != http.StatusUnprocessableEntity {
		t.Fatalf("answered %d", status)
	}
	for _, want := range []string{
		`value="long" required aria-describedby="title-problem"`,
		`role="alert" id="seats-problem">is not a whole number</p>`,
		`type="number" step="1" value="many" required aria-invalid="true"`,
		`type="checkbox" value="true" aria-describedby="done-problem">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s\nis not in\n%s", want, page)
		}
	}
	if strings.Contains(page, "hush") {
		t.Error("the page shows a password")
	}
}

func TestFormFieldsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		`{{.Input "titel" .Data.Talk}}`:                         `has no field "titel"`,
		`{{.Input "title" .Data.Talk "label"}}`:                 "one is missing",
		`{{.Input "title" .Data.Talk "onclick" "x"}}`:           "onclick cannot be an attribute",
		`{{.Input "title" .Data.Talk "a=b" "x"}}`:               "a=b cannot be an attribute",
		`{{.Select "hostId" .Data.Talk .Data.Talk "name"}}`:     "not a list of records",
		`{{.Select "hostId" .Data.Talk .Data.Hosts "surname"}}`: `has no field "surname"`,
		`{{time .Data.Talk.Title}}`:                             "time takes a time",
	} {
		config := formPages()
		config.Files.(fstest.MapFS)["views/pages/form.html"] = view(text)
		var log bytes.Buffer
		config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "test.db"), slog.New(slog.NewTextHandler(&log, nil))
		app, end := towertest.Serve(t, config)
		status, _ := app.Get(t, "/pages/form")
		end()
		if logged := strings.ReplaceAll(log.String(), `\\\"`, `"`); status != http.StatusInternalServerError || !strings.Contains(strings.ReplaceAll(logged, `\"`, `"`), want) {
			t.Errorf("%s: %d %s; want an error with %q", text, status, logged, want)
		}
	}
}
