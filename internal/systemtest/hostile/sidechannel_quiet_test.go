package hostile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
)

// The tests in this file make commits that an attacker may not see, and then one that it may see.
// Frames come in the order of commits, so whatever the attacker hears before the last one is of
// the others. They need no clock.

// makePrivate makes commits that only their owner may see: notes are created, changed, and deleted.
func (a attacker) makePrivate(owner tower.ID) {
	a.t.Helper()
	for i := range 5 {
		note := &Note{OwnerID: owner, Title: fmt.Sprint("private ", i), Rank: i}
		err := Notes.Create(a.t.Context(), a.app, note)
		if err == nil {
			_, err = Notes.Update(a.t.Context(), a.app, note.ID, func(n *Note) error { n.Rank += 100; return nil })
		}
		if err == nil && i > 0 {
			err = Notes.Delete(a.t.Context(), a.app, note.ID)
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a attacker) makePublic(title string) *Note {
	a.t.Helper()
	note := &Note{Title: title, Public: true}
	if err := Notes.Create(a.t.Context(), a.app, note); err != nil {
		a.t.Fatal(err)
	}
	return note
}

// TestPrivateCommitsAreNotHeard holds cursors of every kind while others commit what the holder
// may not see: the next frame is of the commit that it may see. A position says how many commits
// there were, and that is all: see the protocol's section on numbers.
func TestPrivateCommitsAreNotHeard(t *testing.T) {
	a := attack(t, notebook())
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	a.makeNotes(3)
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		holders := map[string]*peer{"a visitor": a.at("127.0.0.8").greet(transport), "bob": a.as(bob.ID).greet(transport)}
		idle := a.as(bob.ID).at("127.0.0.9").greet(transport) // holds nothing
		for _, p := range holders {
			for i, open := range []string{`"open":"notes.all"`, `"open":"notes.newest","in":{"n":2}`, `"open":"notes.count"`, `"open":"notes.all","where":{"rank":{"gte":100}}`} {
				if answer := p.answer(uint64(i+1), fmt.Sprintf(`{"id":%d,%s}`, i+1, open)); answer.Status != 200 {
					t.Fatalf("%s: %+v", open, answer)
				}
			}
		}
		before := a.app.Seq()
		a.makePrivate(ada.ID)
		hidden := a.app.Seq() - before
		seen := a.makePublic("all may see this")
		for who, p := range holders {
			frame := p.hear()
			var commit wire.Commit
			if err := json.Unmarshal([]byte(frame), &commit); err != nil || commit.Seq != before+hidden+1 {
				t.Errorf("%s heard %s; its seq should be %d", who, frame, before+hidden+1)
			}
			if !strings.Contains(frame, string(seen.ID)) || strings.Contains(frame, "private") || strings.Contains(frame, string(ada.ID)) {
				t.Errorf("%s heard %s", who, frame)
			}
			p.leave()
		}
		// Whoever holds nothing hears nothing, so the answer to its next frame comes first.
		if frame := idle.ask(`{"id":9,"call":"POST /echo","in":{"text":"first"}}`); !strings.Contains(frame, `"id":9`) {
			t.Errorf("one who holds nothing heard %s", frame)
		}
		idle.leave()
	})
}

// TestReadingsSayNothingOfPrivateCommits reads cursors as JSON around commits that the reader may
// not see: the tag and all but the position stay; a wait for a change is not ended by them, and a
// stream of events is silent.
func TestReadingsSayNothingOfPrivateCommits(t *testing.T) {
	a := attack(t, notebook())
	ada := a.makeUser("ada")
	a.makeNotes(3)
	paths := []string{"/_tower/read/notes/all", "/_tower/read/notes/newest?n=2", "/_tower/read/notes/count", "/_tower/read/notes/all?where=" + `%7B%22rank%22%3A%7B%22gte%22%3A100%7D%7D`}
	said := func(path string) (all, tag, at string) {
		response, body := a.request("GET", path, "")
		if response.StatusCode != 200 {
			t.Fatalf("%s: %s %s", path, response.Status, body)
		}
		tag, at = response.Header.Get("ETag"), response.Header.Get("Tower-At")
		return strings.ReplaceAll(answered(response, body, "no id"), at, "AT"), tag, at
	}
	for _, path := range paths {
		before, tag, at := said(path)
		a.makePrivate(ada.ID)
		if after, _, _ := said(path); withoutLength(before) != withoutLength(after) {
			t.Errorf("%s before:\n%s\nand after:\n%s", path, before, after)
		}
		if response, _ := a.request("GET", path, "", "If-None-Match", tag); response.StatusCode != 304 {
			t.Errorf("%s with the tag from before: %s", path, response.Status)
		}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		if response, body := a.request("GET", path+separator+"since="+at, ""); response.StatusCode != 204 {
			t.Errorf("%s since %s: %s %s", path, at, response.Status, body)
		}
	}

	// A wait and a stream begin, private commits follow, then a public one.
	_, _, at := said(paths[0])
	epoch, _, _ := strings.Cut(at, ":")
	stream, err := a.client().Do(a.newRequest("GET", paths[0], "", "Accept", "text/event-stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	events := bufio.NewScanner(stream.Body)
	events.Buffer(nil, 1<<20)
	next := func() string {
		for events.Scan() {
			if data, ok := strings.CutPrefix(events.Text(), "data: "); ok {
				return data
			}
			if strings.Contains(events.Text(), epoch) && !strings.HasPrefix(events.Text(), "id: ") {
				t.Errorf("a line between events says %s", events.Text())
			}
		}
		t.Fatalf("the stream has ended: %v", events.Err())
		return ""
	}
	next() // the state
	const waits = 8
	waited := make(chan string, waits)
	for range waits {
		request := a.newRequest("GET", paths[0]+"?since="+at+"&wait=60s", "")
		go func() {
			response, err := a.client().Do(request)
			if err != nil {
				waited <- err.Error()
				return
			}
			defer response.Body.Close()
			waited <- fmt.Sprint(response.StatusCode, " ", response.Header.Get("Tower-At"))
		}()
	}
	for range 20 { // some of them while the waits have begun
		a.makePrivate(ada.ID)
	}
	seen := a.makePublic("all may see this")
	for range waits {
		if got, want := <-waited, fmt.Sprintf("%d %s:%d", http.StatusOK, epoch, a.app.Seq()); got != want {
			t.Errorf("a wait was answered %s; want %s", got, want)
		}
	}
	if event := next(); !strings.Contains(event, string(seen.ID)) || strings.Contains(event, "private") {
		t.Errorf("the first event is %s", event)
	}
}

// withoutLength removes what differs with the digits of a position.
func withoutLength(answer string) string {
	lines := strings.Split(answer, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		var n int
		_, err := fmt.Sscan(line, &n)
		return strings.HasPrefix(line, "Content-Length") || err == nil
	}), "\n")
}
