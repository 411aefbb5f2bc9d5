package systemtest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// DoorController takes passwords.
type DoorController struct{ *Session }

type knock struct {
	Email    string `json:"email"`
	Password string `json:"password" validate:"max=20"`
	Age      int    `json:"age"`
}

func (c *DoorController) Enter(_ context.Context, in knock) (struct{}, error) {
	switch in.Email {
	case "panic":
		panic("the door is stuck")
	case "fail":
		return struct{}{}, fmt.Errorf("the door is locked")
	}
	return struct{}{}, tower.Forbidden("wrong password")
}

func (c *DoorController) Reset(context.Context, struct {
	Token string `json:"token"`
}) (struct{}, error) {
	return struct{}{}, fmt.Errorf("nobody is at home")
}

func (c *DoorController) Write(ctx context.Context, in NewPost) (*Post, error) {
	post := &Post{AuthorID: c.UserID(), Title: in.Title, Published: in.Published}
	return post, Posts.Create(ctx, c, post)
}

func (c *DoorController) Found(_ context.Context, in struct {
	Text string `json:"text"`
}) (tower.Scope[Post], error) {
	if in.Text == "" {
		return Posts.All(), fmt.Errorf("there is no door")
	}
	return Posts.Where(tower.Is(&Posts.Fields.Title, in.Text)), nil
}

// What clients send stands in no line of the log, at any level: not a password, a token, a
// key of idempotency or a cookie, over any way, whatever becomes of the request.
func TestTheLogHoldsNoSecret(t *testing.T) {
	t.Setenv("TOWER_SLOW", "1ms") // nearly everything is slow
	const marker = "Zq7XvHush"
	r := routes()
	door := tower.Mount(r, "door", func(s *Session) *DoorController { return &DoorController{s} })
	tower.Action(door, "POST /enter", (*DoorController).Enter)
	tower.Action(door, "POST /reset/{token}", (*DoorController).Reset)
	tower.Action(door, "POST /write", (*DoorController).Write)
	tower.Cursor(door, "found", (*DoorController).Found, tower.Narrow(Posts, &Posts.Fields.Title))
	app, log := openLogged(t, func(c *tower.Config) { c.Routes, c.KeepHeaders = r, []string{"X-Secret"} })
	ada := makeUser(t, app, "Ada", true)
	cookie := cookieOf(t, app, ada.ID)

	header := func(kind, key string) map[string]string {
		return map[string]string{"Content-Type": kind, "Idempotency-Key": key, "Cookie": cookie + "; own=" + marker, "X-Secret": marker, "Accept": "text/html",
			"Authorization": "Bearer " + marker, "X-Request-Id": marker, "X-Forwarded-For": marker, "User-Agent": marker, "Referer": app.URL + "/?" + marker}
	}
	const form, asJSON = "application/x-www-form-urlencoded", "application/json"
	requests := 0
	send := func(method, path, body, kind string) {
		t.Helper()
		requests++
		request(t, app, method, path, body, header(kind, fmt.Sprint(marker, requests)))
	}
	for _, email := range []string{"", "panic", "fail", marker} {
		values := url.Values{"email": {email}, "password": {marker}, "age": {marker}}
		send("POST", "/enter?password="+marker, values.Encode(), form)
		values.Del("age")
		send("POST", "/enter?password="+marker, values.Encode(), form)
		values.Set("password", strings.Repeat(marker, 10))
		send("POST", "/enter", values.Encode(), form)
		send("POST", "/enter?x="+marker, fmt.Sprintf(`{"email":%q,"password":%q}`, email, marker), asJSON)
		send("POST", "/enter", fmt.Sprintf(`{"email":%q,"age":%q}`, email, marker), asJSON)
		send("POST", "/enter", fmt.Sprintf(`{"email":%q,%q:1}`, email, marker), asJSON)
		send("POST", "/enter", fmt.Sprintf(`{"email":%q,%s`, email, marker), asJSON)
		send("POST", "/enter", marker, "text/"+marker)
	}
	send("POST", "/reset/"+marker, "{}", asJSON)
	send("POST", "/write", fmt.Sprintf(`{"title":%q}`, marker), asJSON)
	send("GET", "/posts?"+marker+"="+marker, "", "")
	send("GET", "/none?token="+marker, "", "")
	send("GET", "/_tower/socket?"+marker, "", "")
	send("POST", "/_tower/session?"+marker, marker, "text/plain")
	send("POST", "/_tower/send?"+marker, marker, asJSON)
	send("POST", "/_tower/poll", fmt.Sprintf(`{"link":%q}`, marker), asJSON)
	send("GET", "/_tower/read/door.found?text="+marker, "", "")
	send("GET", "/_tower/metrics?"+marker, "", "")
	for range 2 { // the key is of another request the second time
		request(t, app, "POST", "/write", fmt.Sprintf(`{"title":"%s %d"}`, marker, requests), header(asJSON, marker))
		requests++
	}
	for _, transport := range towertest.Transports() {
		app.Transport = transport
		client := app.Connect(t, ada.ID)
		for _, email := range []string{"", "panic", "fail"} {
			client.Call("POST /enter?"+marker, map[string]any{"email": email, "password": marker})
			client.Call("POST /enter", map[string]any{"email": email, "age": marker})
		}
		client.Call("POST /reset/"+marker, nil)
		client.Call("POST /write", map[string]any{"title": marker})
		client.TryOpen("door.found", map[string]any{"text": marker})
		client.TryOpen("door.found", map[string]any{"text": ""})
		client.TryNarrow("door.found", towertest.Narrowing{Where: map[string]any{"title": marker}})
		client.TryOpen("door.found", map[string]any{"text": 1, marker: 2})
		client.Close()
	}
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	for _, frame := range []string{`{"id":1,"call":"POST /enter","key":"` + marker + `","form":"password=` + marker + `"}`, `{"id":2,"call":"POST /enter","key":7,"in":"` + marker + `"}`,
		`{"id":3,"` + marker + `":1}`, `{"id":4,"live":"` + marker + `"}`, `{"id":5,"open":"door.found","since":"` + marker + `"}`} {
		socket.ask(frame)
	}
	socket.ask(marker)
	request(t, app, http.MethodGet, "/last", "", nil)
	log.await(t, func() bool { return len(log.find("GET /last")) == 1 && len(log.find("POST /enter")) >= 40 })
	text := log.String()
	_, value, _ := strings.Cut(cookie, "=")
	for what, secret := range map[string]string{"what was sent": marker, "a cookie": value[:20], "a private field": "hush-Ada"} {
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToLower(line), strings.ToLower(secret)) {
				t.Errorf("the log holds %s: %s", what, line)
			}
		}
	}
	for _, want := range []string{"slow action", "slow commit", "the door is stuck", "the door is locked", "there is no door", `"DEBUG"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %q, so it proves little", want)
		}
	}
}
