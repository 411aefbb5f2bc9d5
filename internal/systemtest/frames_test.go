package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A raw socket, for what no well-behaved client sends.
type raw struct {
	t testing.TB
	*websocket.Conn
}

func dial(t testing.TB, app *towertest.App, user *User) raw {
	t.Helper()
	if user == nil {
		return dialAs(t, app, "")
	}
	return dialAs(t, app, user.ID)
}

func dialAs(t testing.TB, app *towertest.App, user tower.ID) raw {
	t.Helper()
	header := map[string][]string{}
	if user != "" {
		header["Cookie"] = []string{cookieOf(t, app, user)}
	}
	dialer := websocket.Dialer{NetDialContext: narrow}
	socket, _, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(app.URL, "http")+"/_tower/socket", header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return raw{t, socket}
}

// narrow dials with little room for what is not read yet: then who does not read
// holds the server up soon.
func narrow(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetReadBuffer(16 << 10)
}

func (r raw) say(text string) {
	r.t.Helper()
	if err := r.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		r.t.Fatal(err)
	}
}

func (r raw) hear() string {
	r.t.Helper()
	r.SetReadDeadline(time.Now().Add(time.Minute))
	_, message, err := r.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(message)
}

func (r raw) ask(text string) string {
	r.t.Helper()
	r.say(text)
	return r.hear()
}

func TestBadFramesAreAnsweredAndChangeNothing(t *testing.T) {
	app := openSample(t)
	socket := dial(t, app, nil)
	if answer := socket.ask(`{"id":1,"call":"POST /posts"}`); !strings.Contains(answer, "first frame must be") {
		t.Errorf("before hello: %s", answer)
	}
	if answer := socket.ask(`{"hello":1}`); !strings.Contains(answer, `"cursors":["posts.visible","posts.newest","posts.signed","posts.howMany","posts.allLikes","posts.lastTitle","users.everyone"]`) {
		t.Errorf("hello: %s", answer)
	}
	for frame, want := range map[string]string{
		`nonsense`:                        `"code":"bad_frame"`,
		`{"id":"x"}`:                      `"code":"bad_frame"`,
		`{"id":2}`:                        `"id":2,"status":400,"error":{"code":"bad_frame"`,
		`7`:                               `"code":"bad_frame"`,
		`{"id":3,"open":"posts.secret"}`:  `"id":3,"status":404,"error":{"code":"not_found","message":"there is no cursor \"posts.secret\""`,
		`{"id":4,"open":"posts.newest"}`:  `"status":422,"error":{"code":"invalid"`,
		`{"id":5,"call":"nonsense"}`:      `"id":5,"status":400`,
		`{"id":6,"call":"POST /nowhere"}`: `"id":6,"status":404`,
		`{"id":7,"call":"GET /posts"}`:    `"id":7,"status":400,"error":{"code":"bad_request","message":"GET /posts is a page`,
		`{"id":8,"close":99}`:             `"id":8,"status":404`,
		`{"id":9,"live":"made up"}`:       `"id":9,"status":400,"error":{"code":"bad_request","message":"its lists come from another run of the application`,
		`{"id":10,"hello":1}`:             `"id":10,"status":400`,
		`{"id":11,"open":"posts.visible","since":"x"}`: `"id":11,"status":400`,
		`{"id":12,"call":"POST /posts","form":"%zz"}`:  `"id":12,"status":400`,
	} {
		if answer := socket.ask(frame); !strings.Contains(answer, want) {
			t.Errorf("%s: %s; want %s", frame, answer, want)
		}
	}
	if answer := socket.ask(`{"id":20,"open":"posts.visible"}`); !strings.Contains(answer, `"status":200`) {
		t.Errorf("the connection still works: %s", answer)
	}
	if answer := dial(t, app, nil).ask(`{"hello":99}`); !strings.Contains(answer, "unsupported version 99; this server speaks 1") {
		t.Errorf("another version: %s", answer)
	}
	long := dial(t, app, nil)
	_ = long.WriteMessage(websocket.TextMessage, []byte(`{"hello":1,"x":"`+strings.Repeat("x", 70<<10)+`"}`)) // it may be cut off
	if answer := long.hear(); strings.Contains(answer, "hello") {
		t.Errorf("a frame that is too long: %s", answer)
	}
}

// What comes in one message is answered in one, but for calls, which may take long.
func TestAnswersToOneMessageAreOne(t *testing.T) {
	app := openSample(t)
	socket := dial(t, app, nil)
	answer := socket.ask(`[{"hello":1},{"id":1,"open":"posts.visible"},{"id":"x"},{"id":2,"open":"posts.howMany"},{"id":3,"close":99}]`)
	for _, part := range []string{`[{"hello":1,`, `{"id":1,"status":200,`, `"code":"bad_frame"`, `{"id":2,"status":200,`, `{"id":3,"status":404,`} {
		at := strings.Index(answer, part)
		if at < 0 {
			t.Fatalf("no %s comes in %s", part, answer)
		}
		answer = answer[at:]
	}

	l := newLedger(t)
	l.committed, l.release = make(chan struct{}), make(chan struct{})
	socket = l.enter()
	socket.say(`[{"id":4,"close":98},{"id":5,"call":"POST /entries","in":{"text":"Hi"}}]`)
	<-l.committed
	if answer := socket.hear(); !strings.HasPrefix(answer, `{"id":4,`) {
		t.Errorf("what comes before a call waits for it: %s", answer)
	}
	close(l.release)
	if answer := socket.hear(); !strings.HasPrefix(answer, `{"id":5,"status":201`) {
		t.Error(answer)
	}
}

func TestLimits(t *testing.T) {
	app := openSample(t)
	c := app.Connect(t, "")
	var last towertest.Answer
	for i := range 201 {
		_, last = c.TryNarrow("posts.visible", towertest.Narrowing{Where: map[string]any{"likes": i}})
	}
	if last.Status != 429 || !strings.Contains(last.Message, "200 cursors are open") {
		t.Errorf("the 201st cursor: %+v", last)
	}
	flood := dial(t, app, nil)
	flood.ask(`{"hello":1}`)
	go func() {
		for range 2000 {
			if flood.WriteMessage(websocket.TextMessage, []byte(`{"id":1,"call":"GET /greeting"}`)) != nil {
				return
			}
		}
	}()
	for range 2000 {
		if answer := flood.hear(); strings.Contains(answer, `"status":429`) {
			return
		}
	}
	t.Error("2000 frames at once were all served")
}

func TestAReturningClientGetsWhatItMissed(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	kept, changed, gone := makePost(t, app, ada, "kept", true), makePost(t, app, ada, "to change", true), makePost(t, app, ada, "to go", true)
	first := dial(t, app, nil)
	first.ask(`{"hello":1}`)
	answer := first.ask(`{"id":1,"open":"posts.visible"}`)
	at := regexp.MustCompile(`"at":"([^"]+)"`).FindStringSubmatch(answer)[1]
	first.Close()

	fresh := makePost(t, app, ada, "new", true)
	makePost(t, app, ada, "a draft", false)
	if _, err := Posts.Update(t.Context(), app, changed.ID, func(p *Post) error { p.Title = "changed"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := Posts.Delete(t.Context(), app, gone.ID); err != nil {
		t.Fatal(err)
	}
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	second := dial(t, app, nil)
	second.ask(`{"hello":1}`)
	var resumed struct {
		Since, Resync string
		IDs           []string
		Delta         struct {
			Enter, Change []struct{ ID tower.ID }
			Leave         []tower.ID
		}
		Posts []Post
	}
	answer = second.ask(fmt.Sprintf(`{"id":1,"open":"posts.visible","since":%q}`, at))
	if err := json.Unmarshal([]byte(answer), &resumed); err != nil {
		t.Fatal(err)
	}
	d := resumed.Delta
	if resumed.Since != at || len(d.Enter) != 1 || d.Enter[0].ID != fresh.ID || len(d.Change) != 1 || d.Change[0].ID != changed.ID ||
		len(d.Leave) != 1 || d.Leave[0] != gone.ID || len(resumed.Posts) != 2 || strings.Contains(answer, string(kept.ID)) {
		t.Errorf("resumed with %s", answer)
	}

	for since, reason := range map[string]string{"OTHER:3": "epoch", strings.Split(at, ":")[0] + ":999999": "epoch"} {
		if answer := second.ask(fmt.Sprintf(`{"id":2,"open":"posts.newest","in":{"n":5},"since":%q}`, since)); !strings.Contains(answer, `"resync":"`+reason+`"`) || !strings.Contains(answer, `"ids":[`) {
			t.Errorf("since %s: %s", since, answer)
		}
	}
}

func TestAPageListIsKeptAsHTML(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	makePost(t, app, ada, "one", true)
	_, page := app.Get(t, "/posts")
	attrs := regexp.MustCompile(`data-live="([^"]+)" data-since="([^"]+)"`).FindStringSubmatch(page)
	late := makePost(t, app, ada, "late", true)
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	socket := dial(t, app, nil)
	socket.ask(`{"hello":1}`)
	want := fmt.Sprintf(`"delta":{"enter":[{"id":%q,"after":"","html":"<li data-id=\"%s\" class=\"post\">late</li>"}]}`, late.ID, late.ID)
	if answer := socket.ask(fmt.Sprintf(`{"id":1,"live":%q,"since":%q}`, attrs[1], attrs[2])); !strings.Contains(answer, want) {
		t.Errorf("opened: %s\nwant %s", answer, want)
	}
	if _, err := Posts.Update(t.Context(), app, late.ID, func(p *Post) error { p.Title = "<late>"; return nil }); err != nil {
		t.Fatal(err)
	}
	if frame := socket.hear(); !strings.Contains(frame, `"change":[{"id":"`+string(late.ID)+`","html":"<li data-id=\"`+string(late.ID)+`\" class=\"post\">&lt;late&gt;</li>"}]`) || strings.Contains(frame, `"posts"`) {
		t.Errorf("changed: %s", frame)
	}
	third := makePost(t, app, ada, "third", true)
	if frame := socket.hear(); !strings.Contains(frame, `"leave":[`) || !strings.Contains(frame, string(third.ID)) {
		t.Errorf("the window moved: %s", frame)
	}
	_, private := app.GetAs(t, ada.ID, "/posts")
	sealed := regexp.MustCompile(`data-live="([^"]+)"`).FindStringSubmatch(private)[1]
	if answer := socket.ask(fmt.Sprintf(`{"id":2,"live":%q,"since":%q}`, sealed, attrs[2])); !strings.Contains(answer, `"resync":"rules"`) {
		t.Errorf("another user's page: %s", answer)
	}
}
