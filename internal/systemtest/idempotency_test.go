package systemtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The ledger is an application whose actions stop where a test wants them to.

type Entry struct {
	tower.Record
	Text string `json:"text" validate:"required"`
}

var Entries = tower.NewModel[Entry]("entries")

type ledger struct {
	*towertest.App
	t         *testing.T
	folder    string
	committed chan struct{} // an action has committed, and waits
	release   chan struct{} // nil: actions do not wait
}

type ledgerController struct {
	*tower.Connection
	ledger *ledger
}

type NewEntry struct {
	Text string `json:"text"`
}

func (c *ledgerController) pause() {
	if c.ledger.release != nil {
		c.ledger.committed <- struct{}{}
		<-c.ledger.release
	}
}

func (c *ledgerController) Create(ctx context.Context, in NewEntry) (*Entry, error) {
	entry := &Entry{Text: in.Text}
	if err := Entries.Create(ctx, c, entry); err != nil {
		return nil, err
	}
	c.pause()
	return entry, nil
}

// Refuse commits something and fails.
func (c *ledgerController) Refuse(ctx context.Context, in NewEntry) (*Entry, error) {
	if _, err := c.Create(ctx, in); err != nil {
		return nil, err
	}
	problems := &tower.Problems{}
	problems.Add("text", "is refused")
	return nil, tower.Invalid(problems)
}

// Double makes two transactions.
func (c *ledgerController) Double(ctx context.Context, in NewEntry) (int, error) {
	_, err := c.Create(ctx, in)
	_, err2 := c.Create(ctx, in)
	count, err3 := Entries.All().Count(ctx, c)
	return count, errors.Join(err, err2, err3)
}

func (c *ledgerController) SignUp(ctx context.Context, in NewEntry) (*Entry, error) {
	entry, err := c.Create(ctx, in)
	if err == nil {
		c.SignIn(ctx, entry.ID)
	}
	return entry, err
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, folder: t.TempDir()}
	l.open()
	return l
}

// open opens the application, anew when it was open.
func (l *ledger) open() {
	l.t.Helper()
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	entries := tower.Mount(r, "entries", func(c *tower.Connection) *ledgerController { return &ledgerController{c, l} })
	tower.Action(entries, "POST /entries", (*ledgerController).Create, tower.RedirectTo("/entries/{id}"))
	tower.Action(entries, "POST /refused", (*ledgerController).Refuse)
	tower.Action(entries, "POST /double", (*ledgerController).Double)
	tower.Action(entries, "POST /users", (*ledgerController).SignUp)
	files := fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}}
	app, err := tower.New(tower.Config{Name: "ledger", Env: "test", Models: []tower.AnyModel{Entries}, Routes: r, Files: files,
		Data: filepath.Join(l.folder, "test.db")})
	if err == nil {
		err = app.Open()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	l.App = &towertest.App{App: app, URL: server.URL}
	l.t.Cleanup(func() {
		_ = app.Close() // it may have been closed by the test
		server.CloseClientConnections()
		server.Close()
	})
}

func (l *ledger) count(want int) {
	l.t.Helper()
	if n, err := Entries.All().Count(l.t.Context(), l.App); err != nil || n != want {
		l.t.Errorf("there are %d entries, not %d: %v", n, want, err)
	}
}

// enter dials as a visitor and says hello.
func (l *ledger) enter() raw {
	l.t.Helper()
	socket := dial(l.t, l.App, nil)
	if hello := socket.ask(`{"hello":1}`); !strings.Contains(hello, "epoch") {
		l.t.Fatal(hello)
	}
	return socket
}

func callWith(key tower.ID, route, text string) string {
	return fmt.Sprintf(`{"id":1,"call":%q,"in":{"text":%q},"key":%q}`, route, text, key)
}

// sameAnswer compares two answers but for what says that one is repeated.
func sameAnswer(t *testing.T, again, first string) {
	t.Helper()
	fields := func(text string) map[string]any {
		var fields map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		delete(fields, "repeated")
		delete(fields, "session") // a ticket is good once
		return fields
	}
	if a, b := fmt.Sprint(fields(again)), fmt.Sprint(fields(first)); a != b {
		t.Errorf("the answer was %s, then %s", b, a)
	}
}

func TestACallThatLostItsConnectionIsSentAgain(t *testing.T) {
	l := newLedger(t)
	l.committed, l.release = make(chan struct{}), make(chan struct{})
	call := callWith(tower.NewID(), "POST /entries", "a")
	first := l.enter()
	first.say(call)
	<-l.committed
	first.Close() // after the commit, before the answer

	again := l.enter()
	again.say(call)
	l.release <- struct{}{}
	answer := again.hear()
	if !strings.Contains(answer, `"status":201`) || !strings.Contains(answer, `"text":"a"`) || !strings.Contains(answer, `"repeated":true`) {
		t.Errorf("sent again: %s", answer)
	}
	sameAnswer(t, l.enter().ask(call), answer)
	l.count(1)

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.open()
	sameAnswer(t, l.enter().ask(call), answer)
	l.count(1)
}

func TestCallsWithOneKeyAtOneTime(t *testing.T) {
	l := newLedger(t)
	call := callWith(tower.NewID(), "POST /entries", "a")
	var callers sync.WaitGroup
	answers := make([]string, 16)
	for i := range answers {
		socket := l.enter()
		callers.Go(func() { answers[i] = socket.ask(call) })
	}
	callers.Wait()
	fresh := 0
	for _, answer := range answers {
		sameAnswer(t, answer, answers[0])
		if !strings.Contains(answer, `"repeated"`) {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d answers are not repeated", fresh)
	}
	l.count(1)
}

func TestHowACallEndedIsRepeated(t *testing.T) {
	l := newLedger(t)
	for i, c := range []struct{ route, want string }{
		{"POST /refused", `"problems":{"text":["is refused"]}`},
		{"POST /double", `"out":3`},
		{"POST /users", `"session":"`},
	} {
		call := callWith(tower.NewID(), c.route, "a")
		first := l.enter().ask(call)
		again := l.enter().ask(call)
		if !strings.Contains(first, c.want) || !strings.Contains(again, strings.TrimSuffix(c.want, `"`)) {
			t.Errorf("%s: %s, then %s", c.route, first, again)
		}
		sameAnswer(t, again, first)
		l.count([]int{1, 3, 4}[i])
	}
}

func TestWhatTookNoEffectIsNotRemembered(t *testing.T) {
	l := newLedger(t)
	key := tower.NewID()
	socket := l.enter()
	if answer := socket.ask(callWith(key, "POST /entries", "")); !strings.Contains(answer, `"status":422`) {
		t.Errorf("invalid: %s", answer)
	}
	if answer := socket.ask(callWith(key, "POST /entries", "a")); !strings.Contains(answer, `"status":201`) || strings.Contains(answer, "repeated") {
		t.Errorf("corrected: %s", answer)
	}
	for _, other := range []string{callWith(key, "POST /entries", "b"), callWith(key, "POST /double", "a")} {
		if answer := socket.ask(other); !strings.Contains(answer, `"status":409`) || !strings.Contains(answer, "used for another request") {
			t.Errorf("another request: %s", answer)
		}
	}
	if answer := socket.ask(callWith("k", "POST /entries", "a")); !strings.Contains(answer, `"status":400`) || !strings.Contains(answer, "use a new ULID for each call") {
		t.Errorf("a bad key: %s", answer)
	}
	l.count(1)
}

func TestKeysOverHTTP(t *testing.T) {
	l := newLedger(t)
	key := tower.NewID()
	post := func(user tower.ID, text string) (int, string, string) {
		header := map[string]string{"Content-Type": "application/json", "Idempotency-Key": string(key)}
		if user != "" {
			cookie, err := l.Cookie(user)
			if err != nil {
				t.Fatal(err)
			}
			header["Cookie"] = cookie.Name + "=" + cookie.Value
		}
		response, body := request(t, l.App, "POST", "/entries", fmt.Sprintf(`{"text":%q}`, text), header)
		return response.StatusCode, body, response.Header.Get("Idempotency-Replayed")
	}
	ada, bob := tower.NewID(), tower.NewID()
	status, first, replayed := post(ada, "a")
	if status != 201 || replayed != "" {
		t.Errorf("first: %d %s", status, first)
	}
	if status, body, replayed := post(ada, "a"); status != 201 || body != first || replayed != "true" {
		t.Errorf("again: %d %s, replayed %q", status, body, replayed)
	}
	if status, body, _ := post(ada, "b"); status != 409 {
		t.Errorf("another request: %d %s", status, body)
	}
	l.count(1)
	for i, user := range []tower.ID{bob, ""} {
		if status, body, replayed := post(user, "a"); status != 201 || body == first || replayed != "" {
			t.Errorf("user %q with Ada's key: %d %s", user, status, body)
		}
		l.count(2 + i)
	}
}

// An answer that was too long to be kept.
func TestAnAnswerThatIsNotKnown(t *testing.T) {
	l := newLedger(t)
	header := map[string]string{"Content-Type": "application/json", "Idempotency-Key": `"` + string(tower.NewID()) + `"`}
	text := fmt.Sprintf(`{"text":%q}`, strings.Repeat("a", 70_000))
	if response, body := request(t, l.App, "POST", "/entries", text, header); response.StatusCode != 201 {
		t.Fatalf("%.200s", body)
	}
	response, body := request(t, l.App, "POST", "/entries", text, header)
	if response.StatusCode != 200 || body != "null\n" || response.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %.200s", response.StatusCode, body)
	}
	l.count(1)
}
