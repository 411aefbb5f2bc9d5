package systemtest

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

type HooksController struct {
	*Session
	next chan string // what Stream writes, until it is closed
}

func (c *HooksController) Allow(action string) bool {
	return action != "Locked" || c.CurrentUser != nil
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte("the secret of the sender"))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// Hook creates a post with the title that a signed body holds.
func (c *HooksController) Hook(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(sign(string(body))), []byte(r.Header.Get("Signature"))) {
		return tower.Forbidden("the signature is wrong")
	}
	post := &Post{AuthorID: tower.ID(r.PathValue("author")), Title: string(body), Published: true}
	if err := Posts.Create(r.Context(), c, post); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusAccepted)
	_, err = io.WriteString(w, "thanks, "+c.Label())
	return err
}

func (c *HooksController) Locked(w http.ResponseWriter, r *http.Request) error { return nil }

// Fail fails as the rest of its path says.
func (c *HooksController) Fail(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/csv")
	w.Header().Set("Content-Length", "1000")
	switch r.PathValue("how") {
	case "coded":
		return tower.Conflict("not now")
	case "own":
		return &tower.Error{Code: "payment_required", Message: "no money"}
	case "plain":
		return errors.New("hush")
	case "panic":
		panic("hush")
	case "late":
		w.Header().Del("Content-Length")
		io.WriteString(w, "some of it")
		http.NewResponseController(w).Flush()
		return errors.New("hush")
	case "late/panic":
		w.Header().Del("Content-Length")
		io.WriteString(w, "some of it")
		w.(http.Flusher).Flush()
		panic("hush")
	}
	panic(http.ErrAbortHandler)
}

func (c *HooksController) Any(w http.ResponseWriter, r *http.Request) error {
	_, err := fmt.Fprint(w, r.Method, " ", r.PathValue("rest"))
	return err
}

// Echo returns the word in its path, for an action and a page.
func (c *HooksController) Echo(_ context.Context, in struct {
	Word string `json:"word"`
}) (*tower.Answer, error) {
	return tower.SendText(in.Word), nil
}

func (c *HooksController) Enter(w http.ResponseWriter, r *http.Request) error {
	user, err := Users.FindBy(r.Context(), c, tower.Is(&Users.Fields.Name, r.URL.Query().Get("name")))
	if err != nil {
		return err
	}
	c.SignIn(r.Context(), user.ID)
	http.Redirect(w, r, "/posts", http.StatusSeeOther)
	return nil
}

func (c *HooksController) Stream(w http.ResponseWriter, r *http.Request) error {
	for {
		select {
		case line, more := <-c.next:
			if !more {
				return nil
			}
			fmt.Fprintln(w, line)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

func openHooks(t *testing.T) (*towertest.App, chan string) {
	next := make(chan string)
	config := sample()
	r := routes()
	hooks := tower.Mount(r, "hooks", func(s *Session) *HooksController { return &HooksController{s, next} })
	tower.Handle(hooks, "POST /hook/{author}", (*HooksController).Hook)
	tower.Handle(hooks, "GET /locked", (*HooksController).Locked)
	tower.Handle(hooks, "POST /fail/{how...}", (*HooksController).Fail)
	tower.Handle(hooks, "/any/{rest...}", (*HooksController).Any)
	tower.Action(hooks, "POST /echo/{word}", (*HooksController).Echo)
	tower.Page(hooks, "GET /echo/{word}", (*HooksController).Echo)
	tower.Handle(hooks, "GET /enter", (*HooksController).Enter)
	tower.Handle(hooks, "GET /stream", (*HooksController).Stream)
	config.Routes = r
	config.Mount = map[string]http.Handler{
		"/foreign/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/foreign/panic" {
				panic("hush")
			}
			fmt.Fprint(w, "foreign ", r.Method, " ", r.URL.Path)
		}),
	}
	return towertest.Open(t, config), next
}

func TestAHandlerAnswersForItsController(t *testing.T) {
	var app *towertest.App
	app, path := controlled(t, func() *towertest.App { opened, _ := openHooks(t); return opened })
	ada := makeUser(t, app, "ada", false)
	l := watch(t, path)
	cursor := app.Connect(t, "").Open("posts.visible", nil)

	response, body := request(t, app, "POST", "/hook/"+string(ada.ID), "Paid", map[string]string{"Signature": sign("Paid"), "Content-Type": "application/octet-stream"})
	if response.StatusCode != 202 || body != "thanks, visitor" || response.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("a webhook: %d %s %v", response.StatusCode, body, response.Header)
	}
	cursor.AwaitLen(1)
	commit := l.event(ofCommit(app.Seq())).Commit
	if commit.By != "POST /hook/{author} by visitor" {
		t.Errorf("the author of its commit is %q", commit.By)
	}
	response, body = request(t, app, "POST", "/hook/"+string(ada.ID), "Paid", map[string]string{"Cookie": cookieOf(t, app, ada.ID), "Signature": sign("Paid")})
	if response.StatusCode != 202 || body != "thanks, ada" {
		t.Errorf("a webhook as ada: %d %s", response.StatusCode, body)
	}
	if commit = l.event(ofCommit(app.Seq())).Commit; commit.By != "POST /hook/{author} by ada" {
		t.Errorf("the author of ada's commit is %q", commit.By)
	}
	for what, header := range map[string]map[string]string{
		"a wrong signature":   {"Signature": "forged"},
		"another site's page": {"Signature": sign("Paid"), "Origin": "https://evil.test", "Cookie": cookieOf(t, app, ada.ID)},
		"a cross-site form":   {"Signature": sign("Paid"), "Sec-Fetch-Site": "cross-site", "Cookie": cookieOf(t, app, ada.ID)},
	} {
		if response, body := request(t, app, "POST", "/hook/"+string(ada.ID), "Paid", header); response.StatusCode != 403 {
			t.Errorf("%s: %d %s", what, response.StatusCode, body)
		}
	}
	if n, err := Posts.All().Count(t.Context(), app); n != 2 || err != nil {
		t.Errorf("%d posts, %v", n, err)
	}
	if response, _ := request(t, app, "GET", "/locked", "", nil); response.StatusCode != 403 {
		t.Errorf("Allow does not guard a handler: %d", response.StatusCode)
	}
	if response, _ := request(t, app, "GET", "/locked", "", map[string]string{"Cookie": cookieOf(t, app, ada.ID)}); response.StatusCode != 200 {
		t.Errorf("Allow refuses ada: %d", response.StatusCode)
	}
	if response, body := request(t, app, "POST", "/hook/"+string(ada.ID), strings.Repeat("x", 1<<20+100), nil); response.StatusCode != 413 || !strings.Contains(body, `"too_large"`) {
		t.Errorf("a body that is too large: %d %s", response.StatusCode, body)
	}
}

// TestAPathIsDecodedOnce sends words that another decoding would change, or refuse.
func TestAPathIsDecodedOnce(t *testing.T) {
	app, _ := openHooks(t)
	for _, word := range []string{"50%", "%25", "%2F", "a/b", "what?now", "a#b", "a%20b", "a+b", "ä ö", "..", ".", "a//b", "_tower"} {
		for _, c := range []struct{ method, path, want string }{
			{"GET", "/any/", "GET " + word},
			{"GET", "/echo/", word},
			{"POST", "/echo/", word},
		} {
			path := c.path + strings.ReplaceAll(url.PathEscape(word), ".", "%2E")
			response, body := request(t, app, c.method, path, "", nil)
			if response.StatusCode != 200 || body != c.want {
				t.Errorf("%s %s: %d %q", c.method, path, response.StatusCode, body)
			}
		}
	}
	for path, want := range map[string]string{"//any/x": "/any/x", "/any/./x": "/any/x", "/echo/../any/x?y": "/any/x?y"} {
		response, _ := request(t, app, "GET", path, "", nil)
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusTemporaryRedirect || got != want {
			t.Errorf("%s: %d, to %q", path, response.StatusCode, got)
		}
	}
}

func TestAHandlersErrorIsItsAnswer(t *testing.T) {
	app, _ := openHooks(t)
	for how, want := range map[string]string{
		"coded": `409 {"error":{"code":"conflict","message":"not now"}}`,
		"own":   `400 {"error":{"code":"payment_required","message":"no money"}}`,
		"plain": `500 {"error":{"code":"internal","message":"something went wrong; see the server's log","request":"ID"}}`,
		"panic": `500 {"error":{"code":"internal","message":"something went wrong; see the server's log","request":"ID"}}`,
	} {
		response, body := request(t, app, "POST", "/fail/"+how, "", nil)
		body = strings.Replace(body, response.Header.Get("X-Request-Id"), "ID", 1)
		if got := fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(body)); got != want || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s, %v", how, got, response.Header)
		}
	}
	for _, how := range []string{"late", "late/panic", "abort"} {
		response, err := http.Post(app.URL+"/fail/"+how, "text/plain", nil)
		if err != nil {
			if how != "abort" {
				t.Errorf("%s: %v", how, err)
			}
			continue
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil || strings.Contains(string(text), "error") {
			t.Errorf("%s: the answer looks whole: %q", how, text)
		}
	}
}

func TestAHandlerTakesEveryMethodAndSignsIn(t *testing.T) {
	app, _ := openHooks(t)
	for _, method := range []string{"GET", "POST", "PUT", "PROPFIND", "OPTIONS"} {
		response, body := request(t, app, method, "/any/a/b", "", nil)
		if response.StatusCode != 200 || body != method+" a/b" {
			t.Errorf("%s: %d %s", method, response.StatusCode, body)
		}
	}
	if response, body := request(t, app, "HEAD", "/any/a", "", nil); response.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %s", response.StatusCode, body)
	}
	ada := makeUser(t, app, "ada", false)
	response, _ := request(t, app, "GET", "/enter?name=ada", "", nil)
	if response.StatusCode != 303 || len(response.Cookies()) == 0 {
		t.Fatalf("enter: %d %v", response.StatusCode, response.Header)
	}
	cookie := response.Cookies()[0]
	response, body := request(t, app, "GET", "/me", "", map[string]string{"Cookie": cookie.Name + "=" + cookie.Value})
	if response.StatusCode != 200 || !strings.Contains(body, string(ada.ID)) {
		t.Errorf("after signing in: %d %s", response.StatusCode, body)
	}
	client := app.Connect(t, "")
	if answer := client.Call("GET /enter", nil); answer.Status != 400 || !strings.Contains(answer.Message, "is a handler; load it over HTTP") {
		t.Errorf("a handler over a socket: %+v", answer)
	}
	if actions, cursors := client.Allowed(); strings.Contains(fmt.Sprint(actions, cursors), "enter") {
		t.Errorf("handlers are announced to clients: %v %v", actions, cursors)
	}
}

func TestAHandlerStreams(t *testing.T) {
	app, next := openHooks(t)
	go func() { next <- "one" }()
	response, err := http.Get(app.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"one", "two"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, not %q (%v)", lines.Text(), want, lines.Err())
		}
		if want == "one" {
			next <- "two"
		}
	}
	close(next)
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after its end: %q, %v", lines.Text(), lines.Err())
	}
}

func TestAForeignHandlerIsMounted(t *testing.T) {
	app, _ := openHooks(t)
	response, body := request(t, app, "PATCH", "/foreign/x", "", nil)
	if response.StatusCode != 200 || body != "foreign PATCH /foreign/x" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %s %v", response.StatusCode, body, response.Header)
	}
	if response, _ := request(t, app, "GET", "/foreign/panic", "", nil); response.StatusCode != 500 {
		t.Errorf("a panic: %d", response.StatusCode)
	}
	if response, _ := request(t, app, "POST", "/foreign/x", "", map[string]string{"Origin": "https://evil.test"}); response.StatusCode != 403 {
		t.Errorf("from another site: %d", response.StatusCode)
	}
	if response, _ := request(t, app, "GET", "/foreign", "", nil); response.StatusCode != 404 && response.StatusCode != 307 {
		t.Errorf("without its slash: %d", response.StatusCode)
	}
}

func TestMountsAndHandlersAreCheckedAtStart(t *testing.T) {
	handler := http.NotFoundHandler()
	for mount, want := range map[string]string{
		"/posts":      `"GET /posts" lies within the handler that is mounted at "/posts"`,
		"/posts/":     `"GET /posts/new" lies within the handler that is mounted at "/posts/"`,
		"/_tower/x":   "not below /_tower/",
		"posts":       "a handler is mounted at a path",
		"GET /x":      "a handler is mounted at a path",
		"/any/":       "lies within the handler",
		"/wild/card/": "conflicts",
		"/":           "",
		"/elsewhere":  "",
	} {
		r := routes()
		hooks := tower.Mount(r, "hooks", func(s *Session) *HooksController { return &HooksController{Session: s} })
		tower.Handle(hooks, "/any/{rest...}", (*HooksController).Any)
		tower.Handle(hooks, "GET /wild/{rest...}", (*HooksController).Any)
		config := sample()
		config.Routes, config.Mount = r, map[string]http.Handler{mount: handler}
		_, err := tower.New(config)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("mount %q: %v, not %q", mount, err, want)
		}
	}
	r := routes()
	hooks := tower.Mount(r, "hooks", func(s *Session) *HooksController { return &HooksController{Session: s} })
	tower.Handle(hooks, "POST", (*HooksController).Any)
	tower.Handle(hooks, "post /x", (*HooksController).Any)
	tower.Handle(hooks, "GET /posts", (*HooksController).Any)
	config := sample()
	config.Routes = r
	_, err := tower.New(config)
	for _, want := range []string{`handler "POST" is not of the form METHOD /path, or /path for all methods`, `handler "post /x" is not`, `handler "GET /posts": `} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestRoutesListHandlersAndMounts(t *testing.T) {
	_, path := controlled(t, func() *towertest.App { app, _ := openHooks(t); return app })
	var all []wire.Route
	if refused := attach(t, path).do(wire.ControlRequest{Do: wire.DoRoutes}, &all); refused != "" {
		t.Fatal(refused)
	}
	var found []string
	for _, rt := range all {
		if !rt.IsAnnounced() && rt.Kind != "page" {
			found = append(found, rt.Kind+" "+rt.Pattern()+" "+rt.Controller+"."+rt.Action)
		}
	}
	want := "[handler POST /hook/{author} HooksController.Hook handler GET /locked HooksController.Locked handler POST /fail/{how...} HooksController.Fail " +
		"handler /any/{rest...} HooksController.Any handler GET /enter HooksController.Enter handler GET /stream HooksController.Stream mount /foreign/ .]"
	if fmt.Sprint(found) != want {
		t.Errorf("%s\nnot\n%s", fmt.Sprint(found), want)
	}
}
