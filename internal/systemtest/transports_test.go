package systemtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// TestOverEveryTransport runs what is true of connections over sockets over the
// other transports.
func TestOverEveryTransport(t *testing.T) {
	defer func() { transport = towertest.Socket }()
	for _, transport = range []string{towertest.Stream, towertest.Poll} {
		t.Run(transport, func(t *testing.T) {
			t.Run("ACommitReachesWhomItConcerns", TestACommitReachesWhomItConcerns)
			t.Run("ARecordThatChangesHandsChangesSight", TestARecordThatChangesHandsChangesSight)
			t.Run("RightsThatAreLostTakeRecordsWithThem", TestRightsThatAreLostTakeRecordsWithThem)
			t.Run("ATransactionIsOneFrameKeyedByModel", TestATransactionIsOneFrameKeyedByModel)
			t.Run("AnAnswerComesAfterItsOwnEffects", TestAnAnswerComesAfterItsOwnEffects)
			t.Run("AnUpdateAnswersWithProblems", TestAnUpdateAnswersWithProblems)
			t.Run("ControllersAreMadeOncePerConnection", TestControllersAreMadeOncePerConnection)
			t.Run("ActionsThatAreNotAllowed", TestActionsThatAreNotAllowedAreNeitherCalledNorAnnounced)
			t.Run("EveryConnectionHandlesARequest", TestEveryConnectionHandlesARequest)
			t.Run("PrivateFieldsAreNeverSent", TestPrivateFieldsAreNeverSent)
			t.Run("ClientsNarrowWhatTheyMay", TestClientsNarrowWhatTheyMay)
		})
	}
}

// A link is the client's side of polls, for what no well-behaved client sends.
type link struct {
	t      *testing.T
	app    *towertest.App
	header map[string]string
	id     string
	batch  int
	have   uint64
}

func openLink(t *testing.T, app *towertest.App, user *User) *link {
	t.Helper()
	l := &link{t: t, app: app, header: map[string]string{"Content-Type": "application/json"}}
	if user != nil {
		l.header["Cookie"] = cookieOf(t, app, user.ID)
	}
	var d wire.Delivery
	l.must("/_tower/poll", `{}`, &d)
	l.id = d.Link
	return l
}

func (l *link) post(path, body string) (int, string) {
	l.t.Helper()
	response, text := request(l.t, l.app, "POST", path, body, l.header)
	return response.StatusCode, text
}

func (l *link) must(path, body string, into any) {
	l.t.Helper()
	status, text := l.post(path, body)
	if status >= 300 {
		l.t.Fatalf("%s %s: %d %s", path, body, status, text)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			l.t.Fatalf("%s %s: %v in %s", path, body, err, text)
		}
	}
}

// say sends frames as the next batch.
func (l *link) say(frames ...string) {
	l.t.Helper()
	l.batch++
	l.must("/_tower/send", fmt.Sprintf(`{"link":%q,"number":%d,"frames":[%s]}`, l.id, l.batch, strings.Join(frames, ",")), nil)
}

func (l *link) poll(have uint64) *wire.Delivery {
	l.t.Helper()
	d := &wire.Delivery{}
	l.must("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d,"wait":1}`, l.id, have), d)
	return d
}

// hear returns the next message.
func (l *link) hear() string {
	l.t.Helper()
	d := l.poll(l.have)
	if d.End != nil {
		return fmt.Sprintf("%d %s", d.End.Code, d.End.Reason)
	}
	l.have = max(l.have, d.Number)
	return string(d.Message)
}

func (l *link) ask(frame string) string {
	l.t.Helper()
	l.say(frame)
	return l.hear()
}

func TestARequestThatIsSentAgainDoesNothingTwice(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	l := openLink(t, app, ada)
	if hello := l.ask(`{"hello":1}`); !strings.Contains(hello, `"user":"`+string(ada.ID)) {
		t.Fatalf("hello: %s", hello)
	}
	create := fmt.Sprintf(`{"link":%q,"number":2,"frames":[{"id":1,"call":"POST /posts","in":{"title":"once"}}]}`, l.id)
	for range 3 {
		l.must("/_tower/send", create, nil)
	}
	l.batch = 2
	if n, err := Posts.All().Count(t.Context(), app); n != 1 || err != nil {
		t.Errorf("%d posts, %v", n, err)
	}

	// An answer that was lost on its way is given again, until the client has it.
	first, again := l.poll(1), l.poll(1)
	if first.Number != 2 || again.Number != 2 || string(first.Message) != string(again.Message) || !strings.Contains(string(first.Message), `"status":201`) {
		t.Errorf("first %d %s, then %d %s", first.Number, first.Message, again.Number, again.Message)
	}
	if d := l.poll(2); d.Number != 0 || d.Message != nil || d.End != nil {
		t.Errorf("a message came that nobody sent: %+v", d)
	}
	for body, want := range map[string]string{
		`{"link":"%s","number":9,"frames":[]}`: "batch 9 is out of order; the next batch is 3",
		`{"link":"%s","frames":[]}`:            "batch 0 is out of order; the next batch is 3",
	} {
		if status, text := l.post("/_tower/send", fmt.Sprintf(body, l.id)); status != 409 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	for _, have := range []int{0, 1, 3, 1 << 40} {
		if status, text := l.post("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d}`, l.id, have)); status != 409 || !strings.Contains(text, `"code":"conflict"`) {
			t.Errorf("after message %d: %d %s", have, status, text)
		}
	}
	if l.have = 2; !strings.Contains(l.ask(`{"id":3,"call":"GET /greeting"}`), `"id":3,"status":200`) {
		t.Error("the link does not work any more")
	}
}

func TestALinkIsItsUsersAlone(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	l := openLink(t, app, ada)
	l.ask(`{"hello":1}`)
	for who, cookie := range map[string]string{"bob": cookieOf(t, app, bob.ID), "a visitor": ""} {
		stranger := &link{t: t, app: app, header: map[string]string{"Content-Type": "application/json", "Cookie": cookie}}
		for path, body := range map[string]string{
			"/_tower/poll": `{"link":"%s","have":1}`,
			"/_tower/send": `{"link":"%s","number":2,"frames":[{"id":1,"call":"POST /posts","in":{"title":"not mine"}}]}`,
		} {
			if status, text := stranger.post(path, fmt.Sprintf(body, l.id)); status != 403 || !strings.Contains(text, "opened in another session") {
				t.Errorf("%s at %s: %d %s", who, path, status, text)
			}
		}
		if status, _ := stranger.post("/_tower/send", fmt.Sprintf(`{"link":%q,"end":true}`, l.id)); status != 403 {
			t.Errorf("%s ended it: %d", who, status)
		}
		other := openLink(t, app, nil)
		if who == "bob" {
			other = openLink(t, app, bob)
		}
		other.ask(fmt.Sprintf(`{"hello":1,"instead":%q}`, l.id))
	}
	if n, _ := Posts.All().Count(t.Context(), app); n != 0 {
		t.Errorf("%d posts were made", n)
	}
	if answer := l.ask(`{"id":3,"call":"GET /greeting","in":{"word":"still"}}`); !strings.Contains(answer, "still ada") {
		t.Errorf("after all that: %s", answer)
	}
}

func TestRequestsFromOtherSitesOpenNoLink(t *testing.T) {
	app := openSample(t)
	for _, path := range []string{"/_tower/stream", "/_tower/poll", "/_tower/send"} {
		for _, header := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}} {
			header["Content-Type"] = "application/json"
			if response, text := request(t, app, "POST", path, "{}", header); response.StatusCode != 403 || !strings.Contains(text, "from another site") {
				t.Errorf("%s with %v: %d %s", path, header, response.StatusCode, text)
			}
		}
		if response, _ := request(t, app, "GET", path, "", nil); response.StatusCode != 404 && response.StatusCode != 405 {
			t.Errorf("GET %s: %d", path, response.StatusCode)
		}
	}
}

func TestBadRequestsToALinkAreAnsweredAndChangeNothing(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	l := openLink(t, app, ada)
	l.ask(`{"hello":1}`)
	create := `{"id":1,"call":"POST /posts","in":{"title":"never"}}`
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/_tower/send", ``, 400, "must be a JSON object"},
		{"/_tower/send", `nonsense`, 400, "cannot be read"},
		{"/_tower/send", `[]`, 400, "cannot be read"},
		{"/_tower/send", `{}`, 400, "the request names no link"},
		{"/_tower/send", `{"link":7}`, 400, "cannot be read"},
		{"/_tower/send", `{"link":"made up","number":2,"frames":[]}`, 404, "there is no such link"},
		{"/_tower/send", fmt.Sprintf(`{"link":%q,"number":-1,"frames":[%s]}`, l.id, create), 400, "cannot be read"},
		{"/_tower/send", fmt.Sprintf(`{"link":%q,"number":2,"frames":%s}`, l.id, create), 400, "cannot be read"},
		{"/_tower/send", fmt.Sprintf(`{"link":%q,"number":2,"frames":[%s,{"x":%q}]}`, l.id, create, strings.Repeat("x", 70<<10)), 413, "frame 2 of the batch is larger"},
		{"/_tower/send", fmt.Sprintf(`{"link":%q,"number":2,"frames":[%s,%q]}`, l.id, create, strings.Repeat("x", 1<<20+100)), 413, "larger than 1048576 bytes"},
		{"/_tower/poll", ``, 400, "must be a JSON object"},
		{"/_tower/poll", `{"link":"made up"}`, 404, "there is no such link"},
		{"/_tower/poll", fmt.Sprintf(`{"link":%q,"have":"x"}`, l.id), 400, "cannot be read"},
		{"/_tower/poll", fmt.Sprintf(`{"link":%q,"have":7}`, l.id), 409, "the last message of this link is 1"},
	} {
		if status, text := l.post(c.path, c.body); status != c.status || !strings.Contains(text, c.want) || !strings.Contains(text, `"code":`) {
			t.Errorf("%s %.100s: %d %s; want %d %s", c.path, c.body, status, text, c.status, c.want)
		}
	}
	stream := openStream(t, app, ada)
	if status, text := stream.post("/_tower/poll", fmt.Sprintf(`{"link":%q}`, stream.id)); status != 400 || !strings.Contains(text, "come over its stream") {
		t.Errorf("a poll of a stream: %d %s", status, text)
	}
	l.header["Content-Type"] = "text/plain"
	if status, text := l.post("/_tower/poll", `{}`); status != 400 || !strings.Contains(text, "application/json") {
		t.Errorf("as plain text: %d %s", status, text)
	}
	l.header["Content-Type"] = "application/json"
	for frame, want := range map[string]string{`7`: `"code":"bad_frame"`, `{"id":2}`: `"id":2,"status":400`, `"hello"`: `"code":"bad_frame"`} {
		if answer := l.ask(frame); !strings.Contains(answer, want) {
			t.Errorf("%s: %s", frame, answer)
		}
	}
	if n, _ := Posts.All().Count(t.Context(), app); n != 0 {
		t.Errorf("%d posts were made", n)
	}
}

// FuzzLinks sends what it likes to the endpoints of links: none must fail, or
// change anything.
func FuzzLinks(f *testing.F) {
	for _, body := range []string{`{}`, `{"link":"LINK"}`, `{"link":"LINK","have":1,"wait":1}`, `{"link":"LINK","number":2,"frames":[{"hello":1}]}`,
		`{"link":"LINK","number":2,"frames":[{"id":1,"open":"posts.visible"},{"applied":1},null,[]]}`, `{"link":"LINK","end":true}`, `{"end":true}`,
		`{"link":"LINK","number":18446744073709551615}`, `{"link":"LINK","number":2,"frames":[{"hello":1,"instead":"LINK"}]}`} {
		for path := range uint8(3) {
			f.Add(path, body)
		}
	}
	app := openSample(f)
	impatient := http.Client{Timeout: time.Second} // it may be a poll
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		l := openLink(t, app, nil)
		l.say(`{"hello":1}`)
		body = strings.ReplaceAll(body, "LINK", l.id)
		if path %= 3; path == 0 {
			body = fmt.Sprintf(`{"link":%q,"number":2,"frames":[%s]}`, l.id, body)
		}
		response, err := impatient.Post(app.URL+[]string{"/_tower/send", "/_tower/poll", "/_tower/send"}[path], "application/json", strings.NewReader(body))
		if err == nil {
			response.Body.Close()
			if response.StatusCode >= 500 {
				t.Errorf("%s: %s", body, response.Status)
			}
		}
		l.post("/_tower/send", fmt.Sprintf(`{"link":%q,"end":true}`, l.id))
		if n, err := Posts.All().Count(t.Context(), app); n != 0 || err != nil {
			t.Errorf("%d posts, %v", n, err)
		}
	})
}

// A stream is the events of a link.
type stream struct {
	*link
	lines *bufio.Scanner
	body  interface{ Close() error }
}

func openStream(t *testing.T, app *towertest.App, user *User) *stream {
	t.Helper()
	s := &stream{link: &link{t: t, app: app, header: map[string]string{"Content-Type": "application/json"}}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", app.URL+"/_tower/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		s.header["Cookie"] = cookieOf(t, app, user.ID)
		req.Header.Set("Cookie", s.header["Cookie"])
	}
	response, err := (&http.Transport{DialContext: narrow, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	header := response.Header
	if response.StatusCode != 200 || header.Get("Content-Type") != "text/event-stream" || header.Get("Cache-Control") != "no-store, no-transform" {
		t.Fatalf("%s %v", response.Status, header)
	}
	s.lines, s.body = bufio.NewScanner(response.Body), response.Body
	s.lines.Buffer(nil, 1<<24)
	s.id = s.event().Link
	return s
}

func (s *stream) event() *wire.Delivery {
	s.t.Helper()
	for s.lines.Scan() {
		data, ok := strings.CutPrefix(s.lines.Text(), "data: ")
		if !ok {
			continue
		}
		d := &wire.Delivery{}
		if err := json.Unmarshal([]byte(data), d); err != nil {
			s.t.Fatalf("%v in %.200s", err, data)
		}
		return d
	}
	s.t.Fatalf("the stream has ended: %v", s.lines.Err())
	return nil
}

func TestAStreamCarriesMessagesAndItsEnd(t *testing.T) {
	app := openSample(t)
	s := openStream(t, app, nil)
	s.say(`{"hello":1}`, `{"ping":true}`)
	if d := s.event(); d.Number != 1 || !strings.HasPrefix(string(d.Message), `[{"hello":1`) || !strings.HasSuffix(string(d.Message), `,{"status":200}]`) {
		t.Errorf("hello and a ping: %s", d.Message)
	}
	s.say(`{"ping":true}`)
	if d := s.event(); d.Number != 2 || string(d.Message) != `{"status":200}` {
		t.Errorf("a ping: %+v", d)
	}
	other := openStream(t, app, nil)
	other.say(`{"hello":99}`)
	if d := other.event(); d.End == nil || d.End.Code != 1002 || !strings.HasPrefix(d.End.Reason, wire.UnsupportedVersion) {
		t.Errorf("another version: %+v", d)
	}
	if status, _ := s.post("/_tower/send", fmt.Sprintf(`{"link":%q,"end":true}`, s.id)); status != 204 {
		t.Errorf("end: %d", status)
	}
	if d := s.event(); d.End == nil || d.End.Code != 1000 {
		t.Errorf("after its end: %+v", d)
	}
}

func TestALinkThatIsReplacedEndsAfterWhatWasSent(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	l := openLink(t, app, ada)
	l.ask(`{"hello":1}`)
	l.ask(`{"id":1,"open":"posts.visible"}`)
	l.say(`{"id":2,"call":"GET /greeting"}`)
	makePost(t, app, ada, "one", true)
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	socket := dial(t, app, ada)
	if hello := socket.ask(fmt.Sprintf(`{"hello":1,"instead":%q}`, l.id)); !strings.Contains(hello, `"hello":1`) {
		t.Fatalf("hello: %s", hello)
	}
	makePost(t, app, ada, "two", true)
	if n, err := app.Handle(t.Context(), tower.Request{Method: "GET", Path: "/greeting"}); n != 1 || err != nil {
		t.Errorf("a request to all was handled by %d, %v", n, err)
	}
	heard := ""
	for !strings.Contains(heard, "1000 ") {
		heard += l.hear()
	}
	if !strings.Contains(heard, `"id":2,"status":200`) || !strings.Contains(heard, `"one"`) || strings.Contains(heard, `"two"`) || !strings.HasSuffix(heard, "1000 another connection has taken its place") {
		t.Errorf("heard %s", heard)
	}
	if status, _ := l.post("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d}`, l.id, l.have)); status != 404 {
		t.Errorf("after its end: %d", status)
	}
}

func TestLinksAreCountedAmongAUsersConnections(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	l := openLink(t, app, ada)
	for range 99 {
		openLink(t, app, ada)
	}
	for _, path := range []string{"/_tower/poll", "/_tower/stream"} {
		if status, text := l.post(path, `{}`); status != 429 || !strings.Contains(text, "100 connections open already") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	l.must("/_tower/send", fmt.Sprintf(`{"link":%q,"end":true}`, l.id), nil)
	openLink(t, app, ada)
}

func TestClosingEndsEveryLink(t *testing.T) {
	app := openSample(t)
	l, s := openLink(t, app, nil), openStream(t, app, nil)
	l.ask(`{"hello":1}`)
	heard := make(chan string, 1)
	go func() {
		status, text := l.post("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d}`, l.id, l.have))
		heard <- fmt.Sprint(status, " ", text)
	}()
	if err := app.Close(); err != nil {
		t.Error(err)
	}
	// It may come while the application closes, or after that.
	if got := <-heard; !strings.HasPrefix(got, `200 {"end":{"code":1012`) && !(strings.HasPrefix(got, "503 ") && strings.Contains(got, "closing")) {
		t.Errorf("a poll heard %q", got)
	}
	if d := s.event(); d.End == nil || d.End.Code != 1012 {
		t.Errorf("a stream heard %+v", d)
	}
	for _, path := range []string{"/_tower/poll", "/_tower/stream"} {
		if status, text := l.post(path, `{}`); status != 200 || !strings.Contains(text, `{"end":{"code":1012,`) {
			t.Errorf("%s, late: %d %s", path, status, text)
		}
	}
}

func TestASlowStreamGetsFewerFramesAndAllOfTheState(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", true)
	s := openStream(t, app, ada)
	s.say(`{"hello":1}`, `{"id":1,"open":"posts.visible"}`)
	s.event()
	checkSlow(t, app, ada, func() string { return string(s.event().Message) })
}
