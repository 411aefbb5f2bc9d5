package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type AnswersController struct{ *Session }

var modified = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type Want struct {
	What string `json:"what"`
	To   string `json:"to"`
}

// answer returns the answer that a client wants.
func answer(in Want) (any, error) {
	switch in.What {
	case "redirect":
		return tower.Redirect(in.To), nil
	case "external":
		return tower.RedirectExternal(in.To), nil
	case "text":
		return tower.SendText("<plain>"), nil
	case "html":
		return tower.SendHTML(template.HTML("<b>bold</b>")).WithStatus(202), nil
	case "status":
		return tower.SendStatus(http.StatusAccepted), nil
	case "file":
		return tower.SendFile(in.To, bytes.NewReader([]byte("0123456789")), modified).WithHeader("ETag", `"v1"`), nil
	case "inline":
		return tower.SendFile("a.png", strings.NewReader("png"), time.Time{}).Inline(), nil
	case "stream":
		return tower.SendStream("all.csv", func(w io.Writer) error {
			for i := range 3 {
				fmt.Fprintln(w, i)
			}
			if in.To != "" {
				return errors.New("hush")
			}
			return nil
		}).WithType("text/csv"), nil
	case "wrong":
		return tower.SendStatus(42), nil
	case "private":
		return map[string]any{"users": []any{&User{Secret: "hush"}}}, nil
	}
	return map[string]string{"plain": "data"}, nil
}

func (c *AnswersController) Give(ctx context.Context, in Want) (any, error) {
	if c.CurrentUser != nil {
		if err := Posts.Create(ctx, c, &Post{AuthorID: c.CurrentUser.ID, Title: "given", Published: true}); err != nil {
			return nil, err
		}
	}
	return answer(in)
}

func (c *AnswersController) Typed(ctx context.Context, in tower.None) (*tower.Answer, error) {
	return tower.SendText("typed"), nil
}

// Moved is a page without a view. It has no answer for visitors that say so.
func (c *AnswersController) Moved(ctx context.Context, in Want) (*tower.Answer, error) {
	if in.To == "" {
		return nil, nil
	}
	return tower.Redirect(in.To), nil
}

func (c *AnswersController) Show(ctx context.Context, in Want) (any, error) { return answer(in) }

func openAnswers(t *testing.T) *towertest.App {
	config := sample()
	r := routes()
	answers := tower.Mount(r, "answers", func(s *Session) *AnswersController { return &AnswersController{s} })
	tower.Action(answers, "POST /give", (*AnswersController).Give, tower.RedirectTo("/posts"))
	tower.Action(answers, "GET /give", (*AnswersController).Give)
	tower.Action(answers, "GET /typed", (*AnswersController).Typed)
	tower.Page(answers, "GET /shown", (*AnswersController).Show)
	tower.Page(answers, "GET /moved", (*AnswersController).Moved)
	config.Routes = r
	files := fstest.MapFS{"views/answers/show.html": {Data: []byte(`{{define "main"}}a view{{end}}`)}}
	for name, file := range sampleViews {
		files[name] = file
	}
	config.Files = files
	return towertest.Open(t, config)
}

func TestAnActionAndAPageAnswerOtherThanJSON(t *testing.T) {
	app := openAnswers(t)
	for query, want := range map[string]string{
		"what=redirect&to=/posts%3Fa=b":        "303 /posts?a=b  ",
		"what=external&to=https://example.com": "303 https://example.com  ",
		"what=text":                            "200  text/plain; charset=utf-8 <plain>",
		"what=html":                            "202  text/html; charset=utf-8 <b>bold</b>",
		"what=status":                          "202   ",
		"what=stream":                          "200  text/csv 0\n1\n2\n",
	} {
		for _, path := range []string{"/give?", "/shown?"} {
			response, body := request(t, app, "GET", path+query, "", map[string]string{"Accept": "text/html"})
			got := fmt.Sprint(response.StatusCode, " ", response.Header.Get("Location"), " ", response.Header.Get("Content-Type"), " ", body)
			if got != want {
				t.Errorf("%s%s: %q, not %q", path, query, got, want)
			}
		}
	}
	if _, body := request(t, app, "GET", "/shown", "", nil); !strings.Contains(body, "a view") {
		t.Errorf("a page with data: %s", body)
	}
	if response, body := request(t, app, "GET", "/give", "", nil); response.StatusCode != 200 || body != `{"plain":"data"}`+"\n" {
		t.Errorf("an action with data: %d %s", response.StatusCode, body)
	}
	if _, body := request(t, app, "GET", "/typed", "", nil); body != "typed" {
		t.Errorf("a typed answer: %s", body)
	}
	if response, _ := request(t, app, "GET", "/moved?to=/posts", "", nil); response.StatusCode != 303 || response.Header.Get("Location") != "/posts" {
		t.Errorf("a page without a view: %d %v", response.StatusCode, response.Header)
	}
	if response, body := request(t, app, "GET", "/moved", "", nil); response.StatusCode != 500 || strings.Contains(body, "panic") {
		t.Errorf("a page without a view and without an answer: %d %s", response.StatusCode, body)
	}
	if response, _ := request(t, app, "GET", "/give?what=wrong", "", nil); response.StatusCode != 500 {
		t.Errorf("a status that is none: %d", response.StatusCode)
	}
	if response, body := request(t, app, "GET", "/give?what=private", "", nil); response.StatusCode != 500 || strings.Contains(body, "hush") {
		t.Errorf("a private field behind any: %d %s", response.StatusCode, body)
	}
	if response, err := http.Get(app.URL + "/give?what=stream&to=fail"); err == nil {
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode == 200 && err == nil {
			t.Errorf("a stream that failed looks whole: %d %q", response.StatusCode, text)
		}
	}
}

func TestARedirectStaysWithinTheApplication(t *testing.T) {
	app := openAnswers(t)
	for _, to := range []string{"https://evil.test", "//evil.test", "/\\evil.test", "\\\\evil.test", "evil", "", "javascript:alert(1)", "/\tx", "/%0a/\n", "/ x", "http:/x"} {
		for _, path := range []string{"/give", "/shown"} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", app.URL+path, nil)
			query := req.URL.Query()
			query.Set("what", "redirect")
			query.Set("to", to)
			response, body := request(t, app, "GET", path+"?"+query.Encode(), "", nil)
			if response.StatusCode != 400 || response.Header.Get("Location") != "" {
				t.Errorf("%s to %q: %d %v %s", path, to, response.StatusCode, response.Header, body)
			}
		}
	}
	for _, to := range []string{"javascript:alert(1)", "/posts", "//evil.test", "ftp://x.test"} {
		if response, _ := request(t, app, "GET", "/give?what=external&to="+to, "", nil); response.StatusCode != 500 {
			t.Errorf("external to %q: %d", to, response.StatusCode)
		}
	}
}

func TestAFileTakesRangesAndConditions(t *testing.T) {
	app := openAnswers(t)
	for name, want := range map[string]string{
		"a.csv":            `attachment; filename=a.csv`,
		"../../etc/passwd": `attachment; filename=passwd`,
		"c:\\dir\\b.txt":   `attachment; filename=b.txt`,
		"übung.txt":        `attachment; filename*=utf-8''%C3%BCbung.txt`,
		"a\"b\r\nX: y.txt": `attachment; filename="a\"bX: y.txt"`,
		"a\u202etxt.exe":   `attachment; filename=atxt.exe`,
		"":                 `attachment`,
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", app.URL+"/give", nil)
		query := req.URL.Query()
		query.Set("what", "file")
		query.Set("to", name)
		response, body := request(t, app, "GET", "/give?"+query.Encode(), "", nil)
		if got := response.Header.Get("Content-Disposition"); response.StatusCode != 200 || got != want || body != "0123456789" {
			t.Errorf("%q: %d %s %q", name, response.StatusCode, got, body)
		}
	}
	for header, want := range map[string]string{
		"Range: bytes=2-4":    "206 bytes 2-4/10 234",
		"Range: bytes=-2":     "206 bytes 8-9/10 89",
		"Range: bytes=20-":    "416 bytes */10 invalid range: failed to overlap\n",
		`If-None-Match: "v1"`: "304  ",
		"If-Modified-Since: Sun, 01 Mar 2026 12:00:00 GMT": "304  ",
		`If-Match: "v2"`: "412  ",
	} {
		name, value, _ := strings.Cut(header, ": ")
		for _, path := range []string{"/give", "/shown"} {
			response, body := request(t, app, "GET", path+"?what=file&to=a.bin", "", map[string]string{name: value})
			if got := fmt.Sprint(response.StatusCode, " ", response.Header.Get("Content-Range"), " ", body); got != want {
				t.Errorf("%s %s: %q, not %q", path, header, got, want)
			}
		}
	}
	response, body := request(t, app, "HEAD", "/give?what=file&to=a.bin", "", nil)
	if response.StatusCode != 200 || response.ContentLength != 10 || body != "" || response.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("HEAD: %d %d %q %v", response.StatusCode, response.ContentLength, body, response.Header)
	}
	if response, _ := request(t, app, "GET", "/give?what=inline", "", nil); response.Header.Get("Content-Disposition") != "inline; filename=a.png" || response.Header.Get("Content-Type") != "image/png" {
		t.Errorf("inline: %v", response.Header)
	}
}

func TestAnswersOverASocketAndTwice(t *testing.T) {
	app := openAnswers(t)
	ada := makeUser(t, app, "ada", false)
	client := app.Connect(t, ada.ID)
	for what, want := range map[string]string{
		"text": `200 "<plain>"`, "html": `202 "<b>bold</b>"`, "status": "202 null", "redirect": "303 null", "": `201 {"plain":"data"}`,
		"file": "400 ", "stream": "400 ",
	} {
		answer := client.Call("POST /give", map[string]string{"what": what, "to": "/posts"})
		var got strings.Builder
		fmt.Fprint(&got, answer.Status, " ")
		got.WriteString(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(answer.Out)))
		if got.String() != want {
			t.Errorf("%q: %s, not %s", what, got.String(), want)
		}
		if want == "400 " && !strings.Contains(answer.Message, "POST /give answers with a file; request it over HTTP") {
			t.Errorf("%q: %q", what, answer.Message)
		}
	}
	header := map[string]string{"Cookie": cookieOf(t, app, ada.ID), "Content-Type": "application/json"}
	for what, want := range map[string]string{"redirect": "303 /posts ", "text": "200  <plain>", "file": "200  0123456789"} {
		header["Idempotency-Key"] = string(tower.NewID())
		for run := range 2 {
			response, body := request(t, app, "POST", "/give", `{"what":"`+what+`","to":"/posts"}`, header)
			got := fmt.Sprint(response.StatusCode, " ", response.Header.Get("Location"), " ", body)
			if run == 1 && what == "file" {
				want = "200  null\n"
			}
			if got != want || run == 1 && response.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s, run %d: %q, not %q", what, run, got, want)
			}
		}
	}
	form := map[string]string{"Cookie": header["Cookie"], "Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
	for what, want := range map[string]string{"redirect": "303 /posts/new ", "text": "200  <plain>", "": "303 /posts "} {
		response, body := request(t, app, "POST", "/give", "what="+what+"&to=/posts/new", form)
		if got := fmt.Sprint(response.StatusCode, " ", response.Header.Get("Location"), " ", body); got != want {
			t.Errorf("a form, %q: %q, not %q", what, got, want)
		}
	}
}
