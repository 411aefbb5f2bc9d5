package systemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

type BoundedController struct{ *Session }

type BoundedInput struct {
	Text string `json:"text"`
}

func (c *BoundedController) Take(ctx context.Context, in BoundedInput) (int, error) {
	return len(in.Text), nil
}

func (c *BoundedController) Note(ctx context.Context, in BoundedInput) (*Post, error) {
	post := &Post{Title: in.Text, Published: true}
	return post, Posts.Create(ctx, c, post)
}

// Deadline returns the minutes that the call has left.
func (c *BoundedController) Deadline(ctx context.Context, in tower.None) (int, error) {
	until, _ := ctx.Deadline()
	return int(time.Until(until).Minutes()), nil
}

// Hang waits for the end of its time.
func (c *BoundedController) Hang(ctx context.Context, in tower.None) (tower.None, error) {
	<-ctx.Done()
	return tower.None{}, ctx.Err()
}

func (c *BoundedController) Raw(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	until, _ := r.Context().Deadline()
	_, err = fmt.Fprint(w, len(body), " ", int(time.Until(until).Minutes()))
	return err
}

func (c *BoundedController) Later(ctx context.Context, in tower.None) (tower.None, error) {
	return tower.None{}, &tower.Error{Code: tower.CodeTooMany, Message: "later", Wait: 90 * time.Second}
}

// Guess never knows the secret. It returns an error of tower's as its own.
func (c *BoundedController) Guess(ctx context.Context, in BoundedInput) (bool, error) {
	right, err := c.Connection.Guess("ada", func() bool { return false })
	var coded *tower.Error
	if in.Text == "own" && errors.As(err, &coded) {
		err = coded
	}
	return right, err
}

// openBounded opens the sample with a controller whose routes have options.
func openBounded(t *testing.T) (*towertest.App, string) {
	return controlled(t, func() *towertest.App {
		config, r := sample(), routes()
		config.Limits.MaxBody, config.Limits.MaxFrame = 200, 100_000
		m := tower.Mount(r, "bounded", func(s *Session) *BoundedController { return &BoundedController{s} })
		tower.Action(m, "POST /plain", (*BoundedController).Take)
		tower.Action(m, "POST /small", (*BoundedController).Take, tower.MaxBody(50))
		tower.Action(m, "POST /large", (*BoundedController).Take, tower.MaxBody(3000))
		tower.Handle(m, "POST /raw/small", (*BoundedController).Raw, tower.MaxBody(50), tower.Timeout(2*time.Hour))
		tower.Handle(m, "POST /raw/large", (*BoundedController).Raw, tower.MaxBody(3000), tower.Timeout(2*time.Hour))
		tower.Action(m, "POST /long", (*BoundedController).Deadline, tower.Timeout(2*time.Hour))
		tower.Page(m, "GET /long", (*BoundedController).Deadline, tower.Timeout(2*time.Hour))
		tower.Action(m, "POST /short", (*BoundedController).Hang, tower.Timeout(time.Millisecond))
		tower.Action(m, "POST /rated", (*BoundedController).Take, tower.Rate(3, 24*time.Hour, tower.ByUser))
		tower.Action(m, "POST /noted", (*BoundedController).Note, tower.Rate(1, 24*time.Hour, tower.ByUser))
		tower.Action(m, "POST /here", (*BoundedController).Take, tower.Rate(3, 24*time.Hour, tower.ByAddress), tower.Rate(1000, time.Second, tower.ByUser))
		tower.Page(m, "GET /rated", (*BoundedController).Deadline, tower.Rate(1, 24*time.Hour, tower.ByUser))
		tower.Handle(m, "POST /raw/rated", (*BoundedController).Raw, tower.Rate(1, 24*time.Hour, tower.ByUser))
		tower.Action(m, "POST /later", (*BoundedController).Later)
		tower.Action(m, "POST /guess", (*BoundedController).Guess)
		files := maps.Clone(sampleViews)
		files["views/bounded/deadline.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{.Data}} minutes{{end}}`)}
		config.Routes, config.Files = r, files
		return towertest.Open(t, config)
	})
}

const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"

func TestARouteHasItsOwnMaxBody(t *testing.T) {
	app, _ := openBounded(t)
	bodies := map[string]func(text string) (kind, body string){
		"JSON": func(text string) (string, string) { return asJSON, fmt.Sprintf(`{"text":%q}`, text) },
		"form": func(text string) (string, string) { return asForm, "text=" + text },
		"multipart": func(text string) (string, string) {
			return "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + text + "\r\n--b--\r\n"
		},
	}
	for _, c := range []struct {
		path   string
		length int
		status int
	}{
		{"/plain", 60, 200}, {"/plain", 250, 413}, {"/small", 60, 413}, {"/large", 2500, 200}, {"/large", 3500, 413},
		{"/raw/small", 60, 413}, {"/raw/large", 2500, 200}, {"/raw/large", 3500, 413},
	} {
		for how, body := range bodies {
			kind, text := body(strings.Repeat("a", c.length))
			response, answer := request(t, app, "POST", c.path, text, map[string]string{"Content-Type": kind})
			if response.StatusCode != c.status {
				t.Errorf("%s with %d bytes as %s: %d %s; want %d", c.path, c.length, how, response.StatusCode, answer, c.status)
			}
		}
	}
	for _, app.Transport = range towertest.Transports() {
		client := app.Connect(t, "")
		for path, status := range map[string]int{"/plain": 200, "/small": 413, "/large": 200} {
			if got := client.Call("POST "+path, BoundedInput{strings.Repeat("a", 60)}); got.Status != status {
				t.Errorf("%s over a %s: %+v; want %d", path, app.Transport, got, status)
			}
		}
	}
}

func TestARouteHasItsOwnTimeout(t *testing.T) {
	app, path := openBounded(t)
	for _, sent := range [][2]string{{"POST", "/long"}, {"GET", "/long"}, {"POST", "/raw/small"}} {
		response, body := request(t, app, sent[0], sent[1], "", nil)
		if response.StatusCode != 200 || !strings.Contains(body, "119") {
			t.Errorf("%v: %d %s; want 119 minutes left", sent, response.StatusCode, body)
		}
	}
	if response, body := request(t, app, "POST", "/short", "", nil); response.StatusCode != 503 {
		t.Errorf("a short call: %d %s", response.StatusCode, body)
	}
	for _, app.Transport = range towertest.Transports() {
		client := app.Connect(t, "")
		if got := client.Call("POST /long", nil); string(got.Out) != "119" {
			t.Errorf("a long call over a %s: %+v", app.Transport, got)
		}
		if got := client.Call("POST /short", nil); got.Status != 503 {
			t.Errorf("a short call over a %s: %+v", app.Transport, got)
		}
	}
	var called wire.Called
	attach(t, path).do(wire.ControlRequest{Do: wire.DoCall, Name: "POST /long"}, &called)
	if string(called.Out) != "119" {
		t.Errorf("a long call from a console: %+v", called)
	}
}

// refusedFor checks the answer to a request that a rate refused.
func refusedFor(t *testing.T, what string, response *http.Response, body string, least, most int) {
	t.Helper()
	wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if response.StatusCode != 429 || err != nil || wait < least || wait > most {
		t.Errorf("%s: %d with Retry-After %q, %s", what, response.StatusCode, response.Header.Get("Retry-After"), body)
	}
}

func TestARateCountsAllTransportsTogether(t *testing.T) {
	app, path := openBounded(t)
	ada, ben := makeUser(t, app, "ada", false), makeUser(t, app, "ben", false)
	const third = 8 * 60 * 60
	asAda := map[string]string{"Content-Type": asJSON, "Cookie": cookieOf(t, app, ada.ID)}
	if response, body := request(t, app, "POST", "/rated", `{"text":"a"}`, asAda); response.StatusCode != 200 {
		t.Fatalf("the first request: %d %s", response.StatusCode, body)
	}
	left := 2
	var clients []*towertest.Client
	for _, app.Transport = range towertest.Transports() {
		client := app.Connect(t, ada.ID)
		got := client.Call("POST /rated", BoundedInput{"a"})
		if left--; left >= 0 != (got.Status == 200) {
			t.Errorf("with %d left over a %s: %+v", left+1, app.Transport, got)
		}
		clients = append(clients, client)
	}
	for _, client := range clients {
		if got := client.Call("POST /rated", BoundedInput{"a"}); got.Code != "too_many" || !strings.Contains(got.Message, "try again in ") {
			t.Errorf("one too many: %+v", got)
		}
	}
	response, body := request(t, app, "POST", "/rated", `{"text":"a"}`, asAda)
	refusedFor(t, "JSON", response, body, 1, third)
	response, body = request(t, app, "POST", "/rated", "text=a", map[string]string{"Content-Type": asForm, "Cookie": asAda["Cookie"], "Accept": "text/html"})
	refusedFor(t, "a form", response, body, 1, third)

	// Others, consoles and the application itself are not concerned.
	if got := app.Connect(t, ben.ID).Call("POST /rated", BoundedInput{"a"}); got.Status != 200 {
		t.Errorf("another user: %+v", got)
	}
	if got := app.Connect(t, "").Call("POST /rated", BoundedInput{"a"}); got.Status != 200 {
		t.Errorf("a visitor: %+v", got)
	}
	console := attach(t, path)
	for range 4 {
		var called wire.Called
		console.do(wire.ControlRequest{Do: wire.DoCall, Name: "POST /rated", As: string(ada.ID), In: []byte(`{"text":"a"}`)}, &called)
		if called.Status != 200 {
			t.Errorf("a console: %+v", called)
		}
	}
	if _, err := app.Handle(t.Context(), tower.Request{Method: "POST", Path: "/rated", In: BoundedInput{"a"}}); err != nil {
		t.Error(err)
	}
}

func TestARateByAddressCountsUsersTogether(t *testing.T) {
	app, _ := openBounded(t)
	for i := range 5 {
		user := ""
		if i%2 == 0 {
			user = string(makeUser(t, app, fmt.Sprint("user", i), false).ID)
		}
		got := app.Connect(t, tower.ID(user)).Call("POST /here", BoundedInput{"a"})
		if (got.Status == 200) != (i < 3) {
			t.Errorf("call %d: %+v", i, got)
		}
	}
}

func TestARatePerPageAndHandler(t *testing.T) {
	app, _ := openBounded(t)
	for _, sent := range [][2]string{{"GET", "/rated"}, {"POST", "/raw/rated"}} {
		if response, body := request(t, app, sent[0], sent[1], "", nil); response.StatusCode != 200 {
			t.Errorf("%v: %d %s", sent, response.StatusCode, body)
		}
		for _, accept := range []string{asJSON, "text/html"} {
			response, body := request(t, app, sent[0], sent[1], "", map[string]string{"Accept": accept})
			refusedFor(t, fmt.Sprint(sent, accept), response, body, 1, 24*60*60)
		}
	}
}

func TestARepeatedCallDoesNotCount(t *testing.T) {
	app, _ := openBounded(t)
	header := map[string]string{"Content-Type": asJSON, "Idempotency-Key": "01JDA7Q4Z3M8X2V6K9T5B1C0RW"}
	for range 3 {
		if response, body := request(t, app, "POST", "/noted", `{"text":"a"}`, header); response.StatusCode != 201 {
			t.Errorf("the same call: %d %s", response.StatusCode, body)
		}
	}
	header["Idempotency-Key"] = "01JDA7Q4Z3M8X2V6K9T5B1C0RX"
	response, body := request(t, app, "POST", "/noted", `{"text":"b"}`, header)
	refusedFor(t, "another call", response, body, 1, 24*60*60)
}

func TestAnErrorSaysWhenToTryAgain(t *testing.T) {
	app, _ := openBounded(t)
	response, body := request(t, app, "POST", "/later", "", nil)
	refusedFor(t, "the application's own error", response, body, 90, 90)
	for _, text := range []string{"", "own"} {
		for range 40 {
			response, body = request(t, app, "POST", "/guess", fmt.Sprintf(`{"text":%q}`, text), map[string]string{"Content-Type": asJSON})
			if response.StatusCode == 429 {
				break
			}
		}
		refusedFor(t, "a guess", response, body, 1, 60)
	}
}

func TestBadRouteOptionsAreRefusedAtStart(t *testing.T) {
	options := map[string]tower.RouteOption{
		"MaxBody is 0": tower.MaxBody(0), "MaxBody is -1": tower.MaxBody(-1), "Timeout is 0s": tower.Timeout(0), "Timeout is -1s": tower.Timeout(-time.Second),
		"Rate: 0 requests": tower.Rate(0, time.Second, tower.ByUser), "Rate: -2 requests": tower.Rate(-2, time.Second, tower.ByUser),
		"Rate: 0s": tower.Rate(1, 0, tower.ByUser), "Rate: -1m0s": tower.Rate(1, -time.Minute, tower.ByAddress), "by user or by address": tower.Rate(1, time.Minute, "shoe size"),
	}
	refused := func(t *testing.T, want string, add func(m *tower.Mounted[*BoundedController])) {
		t.Helper()
		config, r := sample(), routes()
		add(tower.Mount(r, "bounded", func(s *Session) *BoundedController { return &BoundedController{s} }))
		config.Routes = r
		_, err := tower.New(config)
		if err == nil || !strings.Contains(err.Error(), "/bad: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	for want, option := range options {
		refused(t, want, func(m *tower.Mounted[*BoundedController]) {
			tower.Action(m, "POST /bad", (*BoundedController).Take, option)
		})
		refused(t, want, func(m *tower.Mounted[*BoundedController]) {
			tower.Handle(m, "/bad", (*BoundedController).Raw, option)
		})
	}
	for want, option := range map[string]tower.RouteOption{"FormPage": tower.FormPage("GET /posts/new"), "RedirectTo": tower.RedirectTo("/"), "MaxBody": tower.MaxBody(5), "Timeout": tower.Timeout(0)} {
		refused(t, want, func(m *tower.Mounted[*BoundedController]) {
			tower.Page(m, "GET /bad", (*BoundedController).Deadline, option)
		})
	}
}
