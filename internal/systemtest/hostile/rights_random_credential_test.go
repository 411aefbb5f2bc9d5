package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A credential is a session or a token that the model knows.
type credential struct {
	attacker
	user  tower.ID
	id    tower.ID // of its record
	token bool
	under *credential // of a sandbox: the administrator's session
	until time.Time   // by when it ends by itself; zero: it does not
	late  bool        // it was asked after that
	state state
	tabs  []*tab
	since string // a position that one of its connections had
}

// A state is what is known of a credential.
type state string

const (
	lives  state = "lives"
	ending state = "is ending" // the answer to that is missing
	ended  state = "has ended"
)

// A tab is a connection of a credential on which the note of its user is open.
type tab struct {
	*peer
	transport string
	calls     int
}

func (c *credential) String() string {
	kind := "session"
	switch {
	case c.token:
		kind = "token"
	case c.under != nil:
		kind = "sandbox"
	}
	return fmt.Sprintf("the %s %s, which %s,", kind, c.id, c.state)
}

// answers reports whether a request by the credential is answered as its user's.
func (c *credential) answers() bool {
	response, body := c.request("GET", "/_tower/session", "")
	return response.StatusCode == 200 && strings.Contains(body, string(c.user))
}

// settle finds out whether a credential has ended when the server was killed.
func (c *credential) settle() {
	asked, answers := time.Now(), c.answers()
	late := !c.until.IsZero() && asked.After(c.until)
	if answers && (c.state == ended || late) || !answers && c.state == lives && c.until.IsZero() {
		c.t.Fatalf("%s is answered after a restart: %v", c, answers)
	}
	if c.state = lives; !answers {
		c.state = ended
	}
}

// open opens a connection and the note of its user, from the position that the credential has. It returns the answer too.
func (c *credential) open(transport string) (o *tab, opened string) {
	o = &tab{peer: c.connect(transport), transport: transport, calls: 1}
	defer func() {
		if opened == "" {
			o.hangUp()
		}
	}()
	if hello := o.ask(fmt.Sprintf(`{"hello":%d}`, wire.Version)); !strings.Contains(hello, string(c.user)) {
		c.t.Fatalf("over a %s %s is greeted by %s", transport, c, hello)
	}
	text, answer := o.openNote(c.since), wire.Answer{}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Status != 200 {
		c.t.Fatalf("over a %s %s opens %s (%v)", transport, c, text, err)
	}
	c.since = answer.At
	return o, text
}

// openNote opens the note of the client from a position, "" for none, and returns the answer.
func (p *peer) openNote(since string) (answer string) {
	from := ""
	if since != "" {
		from = fmt.Sprintf(`,"since":%q`, since)
	}
	p.say(fmt.Sprintf(`{"id":1,"open":"me.note"%s}`, from))
	for !strings.HasPrefix(answer, `{"id":1,`) {
		answer = p.hear()
	}
	return answer
}

// call calls an action and returns its answer.
func (o *tab) call(action string, in any) wire.Answer {
	text, err := json.Marshal(in)
	if err != nil {
		o.t.Fatal(err)
	}
	o.calls++
	return o.answer(uint64(o.calls), fmt.Sprintf(`{"id":%d,"call":%q,"in":%s}`, o.calls, action, text))
}

func (o *tab) hangUp() { o.line.close() }

// hangUp closes the connections of a credential.
func (c *credential) hangUp() {
	for _, o := range c.tabs {
		o.hangUp()
	}
	c.tabs = nil
}

// await receives until a write arrives, or a later one.
func (o *tab) await(number int) {
	for newest(o.hear()) < number {
	}
}

// newest returns the number of the newest write in a message, -1 if there is none.
func newest(message string) int {
	number := -1
	for _, part := range strings.Split(message, "secret ")[1:] {
		digits, _, _ := strings.Cut(part, ".")
		if n, err := strconv.Atoi(digits); err == nil {
			number = max(number, n)
		}
	}
	return number
}

// What a session asks for after its end.
const (
	lateID = 99999
	stolen = "stolen"
)

// expectSilence calls on a connection whose end came before a write, and receives all that comes until the server
// closes it. No answer and no later write may be in it.
func (o *tab) expectSilence(c *credential, number int) {
	_ = o.line.send(fmt.Sprintf(`{"id":%d,"call":"POST /me/write","in":{"title":%q}}`, lateID, stolen))
	for {
		message, end, err := o.line.receive()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			o.t.Fatalf("a connection over a %s of %s is open after %v", o.transport, c, patience)
		case end != nil && end.Code != signedOut:
			o.t.Fatalf("a connection over a %s of %s is closed with %+v", o.transport, c, end)
		case end != nil || err != nil:
			if o.transport != towertest.Poll {
				o.hangUp()
			}
			return
		case newest(message) >= number || strings.Contains(message, fmt.Sprintf(`"id":%d,`, lateID)): // a cursor's number may hold its digits
			o.t.Fatalf("a connection over a %s of %s received after that, from write %d on: %.300s", o.transport, c, number, message)
		}
	}
}

// expectNobody checks that a credential that has ended is nobody's over HTTP, and over a new connection on a transport
// that goes on where one of its own was.
func (c *credential) expectNobody(transport string) {
	if c.answers() {
		c.t.Fatalf("%s is answered", c)
	}
	if response, body := c.request("POST", "/me/write", fmt.Sprintf(`{"title":%q}`, stolen)); response.StatusCode != 401 {
		c.t.Fatalf("%s writes: %s %s", c, response.Status, body)
	}
	p, status, refusal := c.tryConnect(transport)
	if c.token && status == 401 {
		return
	}
	if c.token || p == nil {
		c.t.Fatalf("%s connects over a %s: %d %s", c, transport, status, refusal)
	}
	defer p.leave()
	hello := p.ask(fmt.Sprintf(`{"hello":%d}`, wire.Version))
	if opened := p.openNote(c.since); strings.Contains(hello, `"user"`) || newest(opened) >= 0 {
		c.t.Fatalf("over a %s %s is greeted by %s and opens %s", transport, c, hello, opened)
	}
}

// do sends a request that must succeed. It returns the answer's body, and the attacker with the cookie
// that it sets.
func (a attacker) do(method, path string, in any) (string, attacker) {
	text, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	response, body := a.request(method, path, string(text))
	if response.StatusCode/100 != 2 {
		a.t.Fatalf("%s %s %s: %s %s", method, path, text, response.Status, body)
	}
	for _, cookie := range response.Cookies() {
		a.cookie = cookie
	}
	return body, a
}

// output sends a request as do does, and returns the output of its action.
func (a attacker) output(path string, in any) (out string) {
	body, _ := a.do("POST", path, in)
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		a.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return out
}
