package hostile

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A KeysController makes tokens.
type KeysController struct{ *Session }

func (c *KeysController) Make(ctx context.Context, in struct {
	Actions []string `json:"actions"`
}) (string, error) {
	return tower.IssueToken(ctx, c, &tower.TokenRecord{UserID: c.UserID(), Name: "made", Actions: in.Actions, ExpiresAt: time.Now().Add(time.Hour)})
}

// Remember keeps a secret in the client's cookie.
func (c *KeysController) Remember(ctx context.Context, in struct {
	Secret string `json:"secret"`
}) (tower.None, error) {
	if err := Notes.Create(ctx, c, &Note{OwnerID: c.UserID(), Title: "remembered"}); err != nil {
		return tower.None{}, err
	}
	return tower.None{}, c.SetCookie(ctx, &http.Cookie{Name: "secret", Value: in.Secret, HttpOnly: true})
}

func (c *KeysController) Revoke(ctx context.Context, in tower.None) (tower.None, error) {
	return tower.None{}, tower.Tokens.Delete(ctx, c, c.TokenID())
}

// keys is the notebook with an action that makes tokens.
func keys() tower.Config {
	config := devices()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "keys", func(s *Session) *KeysController { return &KeysController{s} })
	tower.Action(m, "POST /keys", (*KeysController).Make)
	tower.Action(m, "DELETE /keys", (*KeysController).Revoke)
	tower.Action(m, "POST /secrets", (*KeysController).Remember)
	return config
}

// holding returns the attacker with a new token of a user, and the record of that.
func (a attacker) holding(user tower.ID, actions ...string) (attacker, *tower.TokenRecord) {
	a.t.Helper()
	token := &tower.TokenRecord{UserID: user, Name: "a program", Actions: actions, ExpiresAt: time.Now().Add(time.Hour)}
	text, err := tower.IssueToken(a.t.Context(), a.app, token)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.with("Authorization", "Bearer "+text), token
}

// expectRevoked checks that a token is nobody's, even beside the cookie of somebody.
func (a attacker) expectRevoked(bystander tower.ID) {
	a.t.Helper()
	for _, holder := range []attacker{a, a.onDevice(bystander)} {
		for _, path := range []string{"/notes", "/_tower/session", "/_tower/read/notes/all"} {
			response, body := holder.request("GET", path, "")
			if response.StatusCode != 401 || response.Header.Get("WWW-Authenticate") == "" {
				a.t.Errorf("GET %s: %s %s", path, response.Status, body)
			}
		}
		for _, transport := range towertest.Transports() {
			if p, status, refusal := holder.tryConnect(transport); p != nil || status != 401 {
				a.t.Errorf("over %s: %d %s", transport, status, refusal)
			}
		}
	}
}

// expectEnd checks that a connection with a token ends. Over polls the next request is refused,
// because the token says nothing any more.
func (p *peer) expectEnd(transport string) {
	p.t.Helper()
	for {
		message, end, err := p.line.receive()
		switch {
		case end != nil && end.Code == signedOut, err != nil && transport == towertest.Poll && strings.Contains(err.Error(), "status 401"):
			return
		case end != nil || err != nil:
			p.t.Fatalf("it ended with %+v (%v)", end, err)
		case strings.Contains(message, "private"):
			p.t.Fatalf("after its token had ended, it received %s", message)
		}
	}
}

func TestATokenActsForItsUser(t *testing.T) {
	a := attack(t, keys())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	all, _ := a.holding(ada.ID, "*")
	all = all.onDevice(bob.ID).with("Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site") // the token counts, and nobody else can send it
	if user := all.who(); user != ada.ID {
		t.Errorf("with ada's token and bob's cookie it is %q's", user)
	}
	if response, body := all.request("POST", "/notes", `{"title":"over HTTP"}`); response.StatusCode != 201 || !strings.Contains(body, string(ada.ID)) || len(response.Cookies()) > 0 {
		t.Errorf("over HTTP: %s %s %v", response.Status, body, response.Cookies())
	}
	if response, body := all.request("GET", "/_tower/read/notes/all", ""); response.StatusCode != 200 || !strings.Contains(body, "over HTTP") {
		t.Errorf("reading: %s %s", response.Status, body)
	}
	if response, _ := all.request("GET", "/notes", "", "Accept", "text/html"); response.StatusCode != 200 {
		t.Errorf("a page: %s", response.Status)
	}
	for path, body := range map[string]string{"/session": fmt.Sprintf(`{"user":%q}`, bob.ID), "/devices/end": fmt.Sprintf(`{"user":%q,"keep":true}`, bob.ID)} {
		if response, text := all.request("POST", path, body); response.StatusCode != 200 || len(response.Cookies()) > 0 {
			t.Errorf("POST %s: %s %s %v", path, response.Status, text, response.Cookies())
		}
	}
	if response, body := all.request("POST", "/keys", `{"actions":["*"]}`); response.StatusCode != 403 {
		t.Errorf("a token has made a token: %s %s", response.Status, body)
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := all.in(t).greet(transport)
		if called := p.answer(1, `{"id":1,"call":"POST /notes","in":{"title":"over a connection"}}`); called.Status != 201 {
			t.Errorf("called: %+v", called)
		}
		if called := p.answer(2, fmt.Sprintf(`{"id":2,"call":"POST /session","in":{"user":%q}}`, bob.ID)); called.Session != "" {
			t.Errorf("signing in by a token: %+v", called)
		}
		if opened := p.answer(3, `{"id":3,"open":"notes.all"}`); opened.Status != 200 || len(opened.IDs) < 2 {
			t.Errorf("opened: %+v", opened)
		}
	})
}

func TestATokenDoesWhatItNames(t *testing.T) {
	a := attack(t, keys())
	ada := a.makeUser("ada")
	some, _ := a.holding(ada.ID, "notes.create", "notes.newest", "keys.*")
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/notes", `{"title":"mine"}`, 201},
		{"POST", "/echo", `{"text":"x"}`, 403},
		{"GET", "/notes", "", 403},
		{"GET", "/_tower/read/notes/newest?n=3", "", 200},
		{"GET", "/_tower/read/notes/all", "", 403},
		{"GET", "/_tower/read/notes/count", "", 403},
		{"POST", "/devices/end", fmt.Sprintf(`{"user":%q}`, ada.ID), 403},
	} {
		if response, body := some.request(c.method, c.path, c.body); response.StatusCode != c.want {
			t.Errorf("%s %s: %s %s", c.method, c.path, response.Status, body)
		}
	}
	reader, _ := a.holding(ada.ID, "notes.index") // and not the cursors of the page's view
	if response, body := reader.request("GET", "/notes", "", "Accept", "text/html"); response.StatusCode != 403 || strings.Contains(body, "mine") {
		t.Errorf("a page with a cursor that the token does not name: %s %s", response.Status, body)
	}
	key := tower.NewID()
	if response, _ := a.as(ada.ID).request("POST", "/devices/end", fmt.Sprintf(`{"user":%q}`, ada.ID), "Idempotency-Key", string(key)); response.StatusCode != 200 {
		t.Fatalf("by ada herself: %s", response.Status)
	}
	if response, body := some.request("POST", "/devices/end", fmt.Sprintf(`{"user":%q}`, ada.ID), "Idempotency-Key", string(key)); response.StatusCode != 403 {
		t.Errorf("the answer to another call of ada's: %s %s", response.Status, body)
	}
	_, page := a.as(ada.ID).request("GET", "/notes", "", "Accept", "text/html")
	_, live, _ := strings.Cut(page, `data-live="`)
	live, _, _ = strings.Cut(live, `"`)
	onEachTransport(t, func(t *testing.T, transport string) {
		p := some.in(t).connect(transport)
		var hello wire.Hello
		if err := json.Unmarshal([]byte(p.ask(`{"hello":1}`)), &hello); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(hello.Allowed.Actions, hello.Allowed.Cursors); got != "[POST /notes POST /keys DELETE /keys POST /secrets] [notes.newest]" {
			t.Errorf("it is announced %s", got)
		}
		for i, c := range []struct {
			frame string
			want  int
		}{
			{`"call":"POST /notes","in":{"title":"mine"}`, 201}, {`"call":"POST /echo","in":{"text":"x"}`, 403},
			{`"open":"notes.newest","in":{"n":3}`, 200}, {`"open":"notes.all"`, 403}, {`"open":"notes.count"`, 403},
			{fmt.Sprintf(`"live":%q`, live), 200},
		} {
			if answer := p.answer(uint64(i+1), fmt.Sprintf(`{"id":%d,%s}`, i+1, c.frame)); answer.Status != c.want {
				t.Errorf("%s: %+v", c.frame, answer)
			}
		}
	})
}

func TestATokenEndsInItsCommit(t *testing.T) {
	a := attack(t, keys())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	change := func(change func(*tower.TokenRecord)) func(*testing.T, *tower.Tx, *tower.TokenRecord) error {
		return func(t *testing.T, tx *tower.Tx, token *tower.TokenRecord) error {
			_, err := tower.Tokens.Update(t.Context(), tx, token.ID, func(r *tower.TokenRecord) error {
				change(r)
				return nil
			})
			return err
		}
	}
	ways := map[string]func(*testing.T, *tower.Tx, *tower.TokenRecord) error{
		"deleted": func(t *testing.T, tx *tower.Tx, r *tower.TokenRecord) error {
			return tower.Tokens.Delete(t.Context(), tx, r.ID)
		},
		"another user":  change(func(r *tower.TokenRecord) { r.UserID = bob.ID }),
		"other actions": change(func(r *tower.TokenRecord) { r.Actions = []string{"notes.all"} }),
		"another hash":  change(func(r *tower.TokenRecord) { r.Hash = "x" }),
		"expired":       change(func(r *tower.TokenRecord) { r.ExpiresAt = time.Now() }),
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		for name, end := range ways {
			a := a.in(t)
			holder, token := a.holding(ada.ID, "notes.*")
			other, _ := a.holding(ada.ID, "notes.*")
			p, stays := holder.greet(transport), other.greet(transport)
			p.answer(1, `{"id":1,"open":"notes.all"}`)
			if err := a.app.Transaction(t.Context(), func(tx *tower.Tx) error {
				if err := Notes.Create(t.Context(), tx, &Note{OwnerID: ada.ID, Title: "private " + transport + name}); name != "expired" && err != nil {
					return err
				}
				return end(t, tx, token)
			}); err != nil {
				t.Fatal(err)
			}
			_ = p.line.send(`{"id":2,"call":"POST /notes","in":{"title":"too late"}}`)
			p.expectEnd(transport)
			if called := stays.answer(1, `{"id":1,"call":"POST /echo","in":{"text":"x"}}`); called.Status != 200 {
				t.Errorf("%s: another token: %+v", name, called)
			}
			if name != "other actions" && name != "another user" {
				holder.expectRevoked(bob.ID)
			}
		}
	})
	if n, err := Notes.Where(tower.Is(&Notes.Fields.Title, "too late")).Count(t.Context(), a.app); err != nil || n != 0 {
		t.Errorf("%d notes were written by tokens that had ended (%v)", n, err)
	}
	holder, _ := a.holding(ada.ID, "keys.*")
	p := holder.greet(towertest.Socket)
	if answer := p.answer(1, `{"id":1,"call":"DELETE /keys"}`); answer.Status != 200 {
		t.Errorf("a token that revokes itself: %+v", answer)
	}
	p.expectEnd(towertest.Socket)
	holder.expectRevoked(bob.ID)
}

// A HeldController writes a note while something else happens.
type HeldController struct {
	*Session
	meanwhile func()
	over      chan<- struct{}
}

func (c *HeldController) Create(ctx context.Context, in struct {
	Title string `json:"title"`
}) (tower.None, error) {
	defer func() { c.over <- struct{}{} }()
	return tower.None{}, c.Transaction(ctx, func(tx *tower.Tx) error {
		if err := Notes.Create(ctx, tx, &Note{OwnerID: c.UserID(), Title: in.Title}); err != nil {
			return err
		}
		c.meanwhile()
		return nil
	})
}

// TestACallWritesNothingAfterTheEnd ends a token, or a session, while its call writes. No client
// could tell that from a call which begins after the end.
func TestACallWritesNothingAfterTheEnd(t *testing.T) {
	config := keys()
	var end func() error
	called := make(chan struct{}, 1)
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "held", func(s *Session) *HeldController {
		return &HeldController{s, func() {
			if once := end; once != nil {
				end = nil
				if err := once(); err != nil {
					t.Error(err)
				}
			}
		}, called}
	})
	tower.Action(m, "POST /held", (*HeldController).Create)
	a := attack(t, config)
	ada := a.makeUser("ada")
	written := func() int {
		<-called
		n, err := Notes.Where().Count(t.Context(), a.app)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for kind, begin := range map[string]func() (attacker, func() error){
		"token": func() (attacker, func() error) {
			holder, token := a.holding(ada.ID, "*")
			return holder, func() error { return tower.Tokens.Delete(context.Background(), a.app, token.ID) }
		},
		"session": func() (attacker, func() error) {
			return a.onDevice(ada.ID), func() error { return a.app.EndSessions(ada.ID) }
		},
	} {
		t.Run(kind, func(t *testing.T) {
			holder, over := begin()
			end = over
			response, body := holder.request("POST", "/held", `{"title":"over HTTP"}`)
			if n := written(); response.StatusCode != 401 || n > 0 {
				t.Errorf("over HTTP: %s %s, %d notes", response.Status, body, n)
			}
			onEachTransport(t, func(t *testing.T, transport string) {
				holder, over := begin()
				p := holder.in(t).greet(transport)
				end = over
				_ = p.line.send(`{"id":2,"call":"POST /held","in":{"title":"too late"}}`)
				p.expectEnd(transport)
				if n := written(); n > 0 {
					t.Errorf("%d notes were written", n)
				}
			})
		})
	}
}

// TestATokenIsShownOnce looks for tokens, and for what is in cookies, in everything that is stored, sent and logged.
func TestATokenIsShownOnce(t *testing.T) {
	config := keys()
	var log lockedBuffer
	config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "test.db"), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	app, end := towertest.Serve(t, config)
	a := attacker{t: t, app: app}
	ada := a.makeUser("ada")
	key := tower.NewID()
	once, text := a.as(ada.ID).request("POST", "/keys", `{"actions":["notes.*"]}`, "Idempotency-Key", string(key))
	again, repeated := a.as(ada.ID).request("POST", "/keys", `{"actions":["notes.*"]}`, "Idempotency-Key", string(key))
	if once.StatusCode != 201 || again.StatusCode != 200 || strings.TrimSpace(repeated) != "null" {
		t.Errorf("made: %s %s; sent again: %s %s", once.Status, text, again.Status, repeated)
	}
	var token string
	if err := json.Unmarshal([]byte(text), &token); err != nil || !strings.HasPrefix(token, "twr_") {
		t.Fatalf("%q is no token (%v)", text, err)
	}
	if user := a.with("Authorization", "Bearer "+token).who(); user != ada.ID {
		t.Errorf("it is %q's", user)
	}
	kept, key := rand.Text(), tower.NewID()
	for range 2 {
		answer, _ := a.as(ada.ID).request("POST", "/secrets", fmt.Sprintf(`{"secret":%q}`, kept), "Idempotency-Key", string(key))
		if cookies := answer.Cookies(); len(cookies) == 0 || cookies[0].Value != kept {
			t.Errorf("the cookies of %s are %v", answer.Status, cookies)
		}
	}
	end()
	data, err := os.ReadFile(config.Data)
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{"the token": token[len("twr_")+len(key):], "the cookie": kept} {
		if bytes.Contains(data, []byte(secret)) || strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the store or in the log", what)
		}
	}
}

// TestAnInvalidTokenIsNotMade checks what IssueToken refuses.
func TestAnInvalidTokenIsNotMade(t *testing.T) {
	a := attack(t, keys())
	ada, later := a.makeUser("ada"), time.Now().Add(time.Hour)
	for field, token := range map[string]tower.TokenRecord{
		"userId":    {Name: "x", Actions: []string{"*"}, ExpiresAt: later},
		"name":      {UserID: ada.ID, Actions: []string{"*"}, ExpiresAt: later},
		"actions":   {UserID: ada.ID, Name: "x", ExpiresAt: later},
		"expiresAt": {UserID: ada.ID, Name: "x", Actions: []string{"*"}},
	} {
		text, err := tower.IssueToken(t.Context(), a.app, &token)
		var coded *tower.Error
		if text != "" || !errors.As(err, &coded) || coded.Problems == nil || len(coded.Problems.Map()[field]) == 0 {
			t.Errorf("without %s: %v", field, err)
		}
	}
	for _, action := range []string{"notes.creates", "note.*", "notes.files", "POST /notes", "notes.create keys.make", "", "*.*"} {
		token := &tower.TokenRecord{UserID: ada.ID, Name: "x", Actions: []string{"notes.create", action}, ExpiresAt: later}
		if _, err := tower.IssueToken(t.Context(), a.app, token); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", action)) {
			t.Errorf("for %q: %v", action, err)
		}
	}
}

// A lockedBuffer is what many goroutines write to.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestATokenIsRevokedOnceByManyAtOnce revokes with one token over many connections at once.
func TestATokenIsRevokedOnceByManyAtOnce(t *testing.T) {
	a := attack(t, keys())
	holder, _ := a.holding(a.makeUser("ada").ID, "keys.*")
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			response, _ := holder.request("DELETE", "/keys", "")
			mu.Lock()
			statuses[response.StatusCode]++
			mu.Unlock()
		})
	}
	all.Wait()
	if statuses[200] != 1 || statuses[200]+statuses[401]+statuses[404] != 8 {
		t.Errorf("it was revoked so: %v", statuses)
	}
}
