package systemtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

func request(t *testing.T, app *towertest.App, method, path, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, app.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func cookieOf(t testing.TB, app *towertest.App, user tower.ID) string {
	t.Helper()
	cookie, err := app.Cookie(user)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.Name + "=" + cookie.Value
}

func TestTheSameActionAnswersJSONAndForms(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	as := cookieOf(t, app, ada.ID)
	json := map[string]string{"Cookie": as, "Content-Type": "application/json"}
	form := map[string]string{"Cookie": as, "Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}

	response, body := request(t, app, "POST", "/posts", `{"title":"by JSON"}`, json)
	if response.StatusCode != 201 || !strings.Contains(body, `"title":"by JSON"`) {
		t.Errorf("JSON: %d %s", response.StatusCode, body)
	}
	response, _ = request(t, app, "POST", "/posts", "title=by+form&published=false&published=true&button=Go", form)
	if location := response.Header.Get("Location"); response.StatusCode != 303 || !regexp.MustCompile(`^/posts/[0-9A-Z]{26}$`).MatchString(location) {
		t.Errorf("form: %d %s", response.StatusCode, location)
	}
	response, body = request(t, app, "POST", "/posts", `{"title":""}`, json)
	if response.StatusCode != 422 || body != `{"error":{"code":"invalid","message":"not valid","problems":{"title":["is required"]}}}`+"\n" {
		t.Errorf("invalid JSON input: %d %s", response.StatusCode, body)
	}
	response, body = request(t, app, "POST", "/posts", `title=SHOUT`, form)
	if response.StatusCode != 422 || !strings.Contains(body, `value="SHOUT"`) ||
		!strings.Contains(body, `<p class="problem" data-problem="title" role="alert" id="title-problem">is too loud</p>`) {
		t.Errorf("invalid form: %d %s", response.StatusCode, body)
	}
	n, err := Posts.Where().Count(t.Context(), app)
	if n != 2 || err != nil {
		t.Errorf("%d posts, %v", n, err)
	}
}

func TestFormsReachEveryMethod(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	post := makePost(t, app, ada, "a title", true)
	if status, body := app.PostForm(t, ada.ID, "/posts/"+string(post.ID)+"?_method=PATCH", "title=another"); status != 303 || body != "/" {
		t.Errorf("patch: %d %s", status, body)
	}
	if stored, err := Posts.Find(t.Context(), app, post.ID); err != nil || stored.Title != "another" || !stored.Published {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if status, body := app.PostForm(t, ada.ID, "/posts/"+string(post.ID)+"?_method=DELETE", ""); status != 303 || body != "/posts" {
		t.Errorf("delete: %d %s", status, body)
	}
}

func TestBadRequestsAreRefusedClearly(t *testing.T) {
	app := openSample(t)
	json := map[string]string{"Content-Type": "application/json"}
	for _, c := range []struct {
		method, path, body string
		header             map[string]string
		status             int
		says               string
	}{
		{"GET", "/nowhere", "", nil, 404, "there is no GET /nowhere"},
		{"PUT", "/posts", "{}", json, 405, "/posts accepts GET, HEAD, POST, not PUT"},
		{"POST", "/posts", "{", json, 400, "not a JSON object"},
		{"POST", "/posts", "[1]", json, 400, "the input is a JSON array; it must be an object"},
		{"POST", "/posts", "title=x", nil, 400, "no Content-Type"},
		{"POST", "/posts", "x", map[string]string{"Content-Type": "image/png"}, 400, "a image/png is not understood"},
		{"POST", "/posts", strings.Repeat("x", 1<<20+100), json, 413, "larger than 1048576 bytes"},
		{"POST", "/posts", `{"title":"x"}`, json, 401, "sign in to write"},
		{"POST", "/posts", `{"title":"x"}`, map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403, "from another site"},
		{"POST", "/posts", "title=x", map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example"}, 403, "from another site"},
		{"POST", "/_tower/session", "made-up", nil, 403, "ticket"},
		{"DELETE", "/_tower/session", "", nil, 405, "/_tower/session accepts GET, HEAD, POST, not DELETE"},
		{"GET", "/_tower/what", "", nil, 404, "there is no /_tower/what"},
		{"GET", "/go.mod", "", nil, 404, "there is no"},
		{"GET", "/%2e%2e/go.mod", "", nil, 404, "there is no"},
		{"GET", "/views/layout.html", "", nil, 404, "there is no"},
	} {
		response, body := request(t, app, c.method, c.path, c.body, c.header)
		if response.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s; want %d with %q", c.method, c.path, response.StatusCode, body, c.status, c.says)
		}
		if allow := response.Header.Get("Allow"); c.status == 405 && allow != "GET, HEAD, POST" {
			t.Errorf("%s %s: it allows %q", c.method, c.path, allow)
		}
	}
	if n, err := Posts.All().Count(t.Context(), app); n != 0 || err != nil {
		t.Errorf("%d posts were made, %v", n, err)
	}
}

func TestAnswersCarrySecurityHeaders(t *testing.T) {
	app := openSample(t)
	for _, path := range []string{"/posts", "/app.css", "/nowhere", "/_tower/tower.js"} {
		response, _ := request(t, app, "GET", path, "", nil)
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "same-origin"} {
			if got := response.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

func TestSigningIn(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar}
	post := func(path, kind, body string) *http.Response {
		response, err := client.Post(app.URL+path, kind, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	response := post("/session", "application/json", fmt.Sprintf(`{"user":%q}`, ada.ID))
	cookie := response.Header.Get("Set-Cookie")
	if response.StatusCode != 200 || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, string(ada.ID)) && false {
		t.Errorf("sign in: %d, cookie %q", response.StatusCode, cookie)
	}
	if response := post("/posts", "application/json", `{"title":"mine"}`); response.StatusCode != 201 {
		t.Errorf("signed in: %d", response.StatusCode)
	}

	forged := map[string]string{"Cookie": regexp.MustCompile(`^[^;]*`).FindString(cookie) + "x", "Content-Type": "application/json"}
	if response, _ := request(t, app, "POST", "/posts", `{"title":"x"}`, forged); response.StatusCode != 401 {
		t.Errorf("with a forged cookie: %d", response.StatusCode)
	}

	// Over a socket a client is given a ticket, good for one cookie.
	socket := app.Connect(t, "")
	if answer := socket.Call("POST /session", map[string]any{"user": ada.ID}); answer.Status != 200 {
		t.Fatalf("sign in over a socket: %+v", answer)
	}
	frames := socket.Frames()
	ticket := regexp.MustCompile(`"session":"([^"]+)"`).FindStringSubmatch(frames[len(frames)-1])
	if ticket == nil {
		t.Fatalf("no ticket in %s", frames)
	}
	if response, _ := request(t, app, "POST", "/_tower/session", ticket[1], nil); response.StatusCode != 204 || response.Header.Get("Set-Cookie") == "" {
		t.Errorf("ticket: %d", response.StatusCode)
	}
	if response, _ := request(t, app, "POST", "/_tower/session", ticket[1], nil); response.StatusCode != 403 {
		t.Errorf("the ticket a second time: %d", response.StatusCode)
	}
}

func TestSocketsOfOtherOriginsAreRefused(t *testing.T) {
	app := openSample(t)
	url := "ws" + strings.TrimPrefix(app.URL, "http") + "/_tower/socket"
	for origin, want := range map[string]int{"https://evil.example": 403, "null": 403, app.URL: 101, "": 101} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		socket, response, _ := websocket.DefaultDialer.DialContext(t.Context(), url, header)
		if response == nil || response.StatusCode != want {
			t.Errorf("origin %q: %v, want %d", origin, response, want)
		}
		if socket != nil {
			socket.Close()
		}
	}
}

func TestPagesAreCompleteAndSayWhichCursorTheyShow(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	makePost(t, app, ada, "first <b>", true)
	makePost(t, app, ada, "second", true)
	draft := makePost(t, app, ada, "third, a draft", false)
	status, body := app.GetAs(t, ada.ID, "/posts")
	if status != 200 || !regexp.MustCompile(`(?s)<title>Journal</title>.*<h1>Journal</h1>.*<ul data-cursor="posts.newest" data-live="[^"]+" data-since="[0-9A-Z]+:6" data-count="2">`+
		`<li data-id="`+string(draft.ID)+`" class="post">third, a draft</li><li data-id="[0-9A-Z]+" class="post">second</li></ul>`).MatchString(body) {
		t.Errorf("ada's page: %d %s", status, body)
	}
	_, body = app.GetAs(t, bob.ID, "/posts")
	if strings.Contains(body, "draft") || strings.Contains(body, string(draft.ID)) || !strings.Contains(body, "second") || !strings.Contains(body, "first &lt;b&gt;") {
		t.Errorf("bob's page, whose rule applies before the limit: %s", body)
	}
}
