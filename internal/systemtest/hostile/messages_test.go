package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// watch reads until the connection ends, and returns the end over a channel. Code 0 is an end
// without a reason.
func (p *peer) watch() <-chan *wire.End {
	ended := make(chan *wire.End, 1)
	go func() {
		for {
			_, end, err := p.line.receive()
			if err != nil {
				end = &wire.End{Reason: err.Error()}
			}
			if end != nil {
				ended <- end
				return
			}
		}
	}()
	return ended
}

// flood sends messages until the connection ends, and returns the end.
func (p *peer) flood(message string) *wire.End {
	p.t.Helper()
	ended := p.watch()
	for sent := 0; ; sent++ {
		select {
		case end := <-ended:
			p.t.Logf("ended after %d messages: %d %s", sent, end.Code, end.Reason)
			return end
		default:
		}
		if p.line.send(message) != nil {
			return <-ended
		}
		if sent > 100_000 {
			p.t.Fatal("100,000 messages did not end the connection")
		}
	}
}

// TestEachMessageCounts floods every transport with every kind of message. The connection
// ends with a code; one beside it does not notice.
func TestEachMessageCounts(t *testing.T) {
	config := notebook()
	config.Limits = tower.Limits{MaxRate: scaled(5, 100)}
	a := attack(t, config)
	beside := a.greet(towertest.Socket)
	onEachTransport(t, func(t *testing.T, transport string) {
		for what, frame := range map[string]string{
			"pings":            `{"id":1,"ping":true}`,
			"acknowledgements": `{"applied":1}`,
			"merged":           `{"applied":1000000,"from":1}`,
			"unknown frames":   `{"id":1,"nonsense":true}`,
			"malformed frames": `{"id":"one"}`,
			"second hellos":    `{"hello":1}`,
			"calls":            `{"id":1,"call":"POST /echo","in":{"text":"hi"}}`,
			"wrong calls":      `{"id":1,"call":"POST /nothing"}`,
			"opens":            `{"id":1,"open":"notes.nothing"}`,
			"closes":           `{"id":1,"close":7}`,
			"bundles":          "[" + strings.Repeat(`{"id":1,"ping":true},`, 99) + `{"id":1,"ping":true}]`,
		} {
			t.Run(what, func(t *testing.T) {
				if end := a.in(t).greet(transport).flood(frame); end.Code != 1008 || !strings.Contains(end.Reason, "slow down") {
					t.Errorf("ended with %d %s", end.Code, end.Reason)
				}
			})
		}
	})
	t.Run("text that is no JSON", func(t *testing.T) {
		if end := a.in(t).greet(towertest.Socket).flood(strings.Repeat("x", 10_000)); end.Code != 1008 {
			t.Errorf("ended with %d %s", end.Code, end.Reason)
		}
	})
	t.Run("control frames", func(t *testing.T) {
		p := a.in(t).greet(towertest.Socket)
		ended := p.watch()
		for {
			select {
			case end := <-ended:
				if end.Code != 1008 {
					t.Errorf("ended with %d %s", end.Code, end.Reason)
				}
				return
			default:
				_ = p.line.(socketLine).WriteControl(websocket.PingMessage, nil, time.Now().Add(patience))
			}
		}
	})
	t.Run("repeated polls", func(t *testing.T) {
		p := a.in(t).greet(towertest.Poll)
		line := p.line.(*pollLine)
		p.say(`{"id":1,"ping":true}`)
		for range scaled(1000, 5000) {
			_, text := line.post("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d,"wait":1}`, *line.id, line.have))
			if strings.Contains(text, `"code":1008`) {
				return
			}
		}
		t.Error("the polls for one message did not end the connection")
	})
	if answer := beside.answer(9, `{"id":9,"ping":true}`); answer.Status != 200 {
		t.Errorf("a connection beside them: %+v", answer)
	}
}

// TestBytesAreReadNoFasterThanAllowed sends more bytes than a client may, in messages that
// count little.
func TestBytesAreReadNoFasterThanAllowed(t *testing.T) {
	config := notebook()
	config.Limits = tower.Limits{MaxInflow: 32 << 10, MaxFrame: 8 << 10, MaxBody: 16 << 10}
	a := attack(t, config)
	frame := `{"id":1,"ping":true,"in":"` + strings.Repeat("x", 7<<10) + `"}`
	onEachTransport(t, func(t *testing.T, transport string) {
		t.Parallel()
		p := a.in(t).greet(transport)
		start := time.Now()
		frames := scaled(36, 360) // of 7 KiB; 128 KiB may come at once
		for range frames {
			p.say(frame)
			p.hear()
		}
		least := time.Duration(frames*7-128-16) * time.Second / 32
		if took := time.Since(start); took < least {
			t.Errorf("%d KiB were read in %s; 32 KiB a second are allowed", frames*7, took)
		}
	})
}

// TestHelloHasADeadline says nothing on each transport.
func TestHelloHasADeadline(t *testing.T) {
	a := attack(t, impatient())
	onEachTransport(t, func(t *testing.T, transport string) {
		t.Parallel()
		if end := a.in(t).connect(transport).awaitEnd(); end.Code != 1008 || !strings.Contains(end.Reason, "no hello") {
			t.Errorf("ended with %d %s", end.Code, end.Reason)
		}
	})
}

// TestClientsCannotFillTheLog sends long methods, paths and names over HTTP and each transport:
// what the log says of a request is short.
func TestClientsCannotFillTheLog(t *testing.T) {
	t.Setenv("TOWER_ACCESS_LOG", "on")
	config, book := logged(notebook())
	config.Env = "test"
	a := serve(t, config)
	long := strings.Repeat("X", 30<<10)
	a.request(long, "/notes", "")
	a.request("GET", "/"+long, "")
	a.request("GET", "/_tower/read/notes/"+long, "")
	a.request("GET", "/notes", "", "User-Agent", long, "Origin", "http://"+long, "Cookie", "a="+long, "X-Forwarded-For", long, "Idempotency-Key", long)
	a.request("POST", "/notes", `{"title":"x"}`, "Idempotency-Key", long)
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		for i, frame := range []string{`"call":"%s /notes"`, `"call":"POST /%s"`, `"open":"%s"`, `"open":"notes.all","where":{"%s":1}`, `"call":"POST /notes","key":"%s"`} {
			if answer := p.answer(uint64(i+1), fmt.Sprintf(`{"id":%d,`+frame+`}`, i+1, long)); answer.Status < 400 {
				t.Errorf("%s: %d", frame, answer.Status)
			}
		}
		p.leave()
	})
	if len(book.lines("msg=")) == 0 {
		t.Error("nothing is logged")
	}
	for _, line := range book.lines("") {
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes: %.300s", len(line), line)
		}
	}
}
