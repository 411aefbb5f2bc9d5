package hostile

import (
	"bytes"
	"maps"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// A part is a part of a form: a value, or a file.
type part struct{ name, disposition, kind, text string }

func multipartForm(t *testing.T, parts ...part) (kind, body string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {p.disposition}}
		if p.name != "" {
			header.Set("Content-Disposition", `form-data; name="`+p.name+`"`+p.disposition)
		}
		if p.kind != "" {
			header.Set("Content-Type", p.kind)
		}
		w, err := form.CreatePart(header)
		if err == nil {
			_, err = w.Write([]byte(p.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), out.String()
}

func TestFilesInFormsAreProblems(t *testing.T) {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "upload", func(s *Session) *NotesController { return &NotesController{s} })
	tower.Page(m, "GET /upload/new", tower.ViewOnly)
	tower.Action(m, "POST /upload", (*NotesController).Create, tower.FormPage("GET /upload/new"), tower.RedirectTo("/notes"))
	views := maps.Clone(notebookViews)
	views["views/upload/new.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}<form {{.Form "POST /upload"}}>{{.Input "title" nil}}{{.Problem "photo"}}</form>{{end}}`)}
	config.Files = views
	a := attack(t, config)
	title := part{name: "title", text: "mine"}
	for name, test := range map[string]struct {
		parts  []part
		status int
		says   string
	}{
		"no file":                {[]part{title}, 201, `"title":"mine"`},
		"no file was chosen":     {[]part{title, {"photo", `; filename=""`, "application/octet-stream", ""}}, 201, `"title":"mine"`},
		"a file":                 {[]part{title, {"photo", `; filename="a.png"`, "image/png", "png"}}, 422, `"photo":["cannot be a file here"]`},
		"a file before the rest": {[]part{{"photo", `; filename="a.png"`, "image/png", "png"}, title}, 422, `"photo":["cannot be a file here"]`},
		"an empty file":          {[]part{title, {"photo", `; filename="a.png"`, "image/png", ""}}, 422, `"photo"`},
		"a file without a name":  {[]part{title, {"photo", `; filename=""`, "", "png"}}, 422, `"photo"`},
		"a file for a text":      {[]part{{"title", `; filename="a.txt"`, "text/plain", "mine"}}, 422, `"title"`},
		"a file of a known name": {[]part{title, {"body", `; filename*=UTF-8''a.txt`, "text/plain", "mine"}}, 422, `"body"`},
		"two files":              {[]part{title, {"a", `; filename="a"`, "", "x"}, {"b", `; filename="b"`, "", "x"}}, 422, `"b"`},
		"files within a part":    {[]part{title, {"photo", "", "multipart/mixed; boundary=x", "--x--"}}, 422, `"photo"`},
		"a file beyond the body": {[]part{title, {"photo", `; filename="a.png"`, "image/png", strings.Repeat("x", 1<<20+100)}}, 422, `"photo"`},
		"a part without a name":  {[]part{title, {"", "form-data", "", "x"}}, 400, "no name"},
		"a part that is no form": {[]part{title, {"", `attachment; name="x"`, "", "x"}}, 400, "no name"},
		"a value beyond it":      {[]part{{name: "body", text: strings.Repeat("x", 1<<20+100)}, title}, 413, "too_large"},
	} {
		kind, body := multipartForm(t, test.parts...)
		response, text := a.request("POST", "/notes", body, "Content-Type", kind)
		if response.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s %.300s", name, response.Status, text)
		}
	}
	kind, body := multipartForm(t, title, part{"photo", `; filename="a.png"`, "image/png", "png"})
	response, page := a.request("POST", "/upload", body, "Content-Type", kind, "Accept", "text/html")
	if response.StatusCode != 422 || !strings.Contains(page, "cannot be a file here") || !strings.Contains(page, `value="mine"`) {
		t.Errorf("the form again: %s %s", response.Status, page)
	}
	for _, path := range []string{"/_tower/poll", "/_tower/send"} {
		if response, text := a.request("POST", path, body, "Content-Type", kind); response.StatusCode != 400 && response.StatusCode != 422 {
			t.Errorf("%s: %s %s", path, response.Status, text)
		}
	}
	if response, text := a.request("POST", "/notes", body[:len(body)-20], "Content-Type", kind); response.StatusCode == 201 {
		t.Errorf("a form that is cut off: %s %s", response.Status, text)
	}
}
