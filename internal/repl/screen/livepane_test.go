package screen

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/wire"
)

// commit sends the event of a commit that creates a post.
func (st *stage) commit(seq uint64) {
	c := fakeapp.Commit(seq, "console:ada", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: "01JBXYZ0000000000000000007", Label: fmt.Sprintf("Hello %d", seq)}})
	st.at = st.at.Add(time.Second)
	st.send(wire.ControlEvent{Commit: &c})
}

func TestLivePane(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	st.commit(813)
	st.wants(`#813 create posts/…0007 "Hello 813"`, "console:ada", "→ 2 of 3 connections in 1.3 ms", "ada      posts.all        enter", "bob      posts.mine       denied by Posts.M")
	st.lacks("✓")
	st.send(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: 813, Connection: 1, Micros: 4100}})
	st.wants("enter ✓ 4.1 ms", "…X4Y5:813")
	st.send(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: 700, Connection: 1}}) // no longer kept
	st.send(wire.ControlEvent{Joined: &wire.ConnectionInfo{ID: 9, User: "carl", Transport: "events"}})
	st.wants("+ carl joined over events", "4 connections")
	st.send(wire.ControlEvent{Left: 9})
	st.wants("− carl left", "3 connections")
}

func TestOutcomesOfACommit(t *testing.T) {
	st := newStage(t, 160, 24, Options{})
	commit := wire.CommitEvent{Seq: 813, By: "app", Connections: 9, ReachedAll: 2, Changes: []wire.ChangeInfo{{Op: "update", Model: "posts", ID: "x"}}}
	for i, outcome := range []wire.Outcome{"", wire.Unmatched, wire.Denied, wire.Outside, wire.Same, wire.Closed, wire.Lost, "newer"} {
		reach := wire.Reach{Connection: uint64(i), User: "u", Cursor: "c", Outcome: outcome, By: "Posts.Match"}
		if outcome == "" {
			reach.Included = 2
		}
		commit.Reached = append(commit.Reached, reach)
	}
	st.send(wire.ControlEvent{Commit: &commit})
	st.wants("included 2", "not matched", "denied by Posts.Match", "outside its window", "same value", "closed, no longer allowed", "… 2 more")
	st.press(tea.KeyF2, tea.KeyEnter)
	st.wants("lost, starts over", "newer", "not measured: too many")
}

func TestFollowAndFreeze(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	for seq := uint64(813); seq < 833; seq++ {
		st.commit(seq)
	}
	st.press(tea.KeyF2)
	st.wants("#832")
	st.press(tea.KeyUp, tea.KeyUp) // freezes the view
	st.wants("frozen", "▌#831")
	before := st.text()
	for seq := uint64(833); seq < 843; seq++ {
		st.commit(seq)
	}
	st.wants("frozen, 10 new")
	if pane := func(text string) string { return text[strings.Index(text, "#8"):strings.LastIndex(text, "─┴")] }; pane(before) != pane(st.text()) {
		t.Errorf("the frozen view has moved:\n%s\n%s", before, st.text())
	}
	st.press(tea.KeyHome)
	st.wants("▌#813")
	st.press(tea.KeyPgDown)
	st.lacks("▌#813")
	st.press(tea.KeyEnd)
	st.wants("#842")
	st.lacks("frozen")
	st.type_(" ")
	st.commit(843)
	st.wants("frozen, 1 new")
	st.lacks("#843")
	st.type_(" ")
	st.wants("#843")
	st.press(tea.KeyUp, tea.KeyEsc)
	st.lacks("frozen")
	st.press(tea.KeyEsc) // back to the prompt
	st.type_("1")
	if st.screen.inPane || st.screen.editor.text() != "1" {
		t.Error("esc does not return to the prompt")
	}
}

func TestFilter(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	for seq := uint64(813); seq < 833; seq++ {
		st.commit(seq)
	}
	st.press(tea.KeyF2)
	st.type_("/hello 82")
	st.wants("#829", "/hello 82", "#828")
	st.lacks("#830")
	st.press(tea.KeyEnter)
	st.wants("/hello 82")
	st.commit(1820)
	st.wants("#1820")
	st.type_("/")
	for range 9 {
		st.press(tea.KeyBackspace)
	}
	st.type_("posts !829 nothing")
	st.wants("No rows match")
	for range len("nothing") {
		st.press(tea.KeyBackspace)
	}
	st.wants("#1820", "#832")
	st.press(tea.KeyEsc)
	st.wants("#832")
	st.lacks("/hello")
}

func TestDetails(t *testing.T) {
	st := newStage(t, 160, 40, Options{})
	st.activities()
	st.press(tea.KeyF2, tea.KeyUp, tea.KeyUp, tea.KeyUp, tea.KeyUp, tea.KeyEnter)
	st.wants("#815", "ada · PATCH /posts/{id}", "likes  3 → 4", "secret", "private", "by 1 of 2, the last after 4.1 ms")
	st.send(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: 815, Connection: 3, Micros: 9000}})
	st.wants("by 2 of 2, the last after 9.0 ms")
	st.press(tea.KeyEsc)
	st.wants("▌#815")

	st.type_("2")
	st.polled(live.ConnectionsView)
	st.press(tea.KeyEnter)
	st.wants("ada (01JB0000000000000000000ADA)", "#812, 4.1 ms after the commit", "websocket from 127.0.0.1:50001")
	st.type_("c")
	encoded := strings.TrimSuffix(strings.TrimPrefix(st.sequences.String(), "\x1b]52;c;"), "\x07")
	if copied, err := base64.StdEncoding.DecodeString(encoded); err != nil || !strings.Contains(string(copied), `"userId": "01JB0000000000000000000ADA"`) {
		t.Errorf("copied %q: %v", copied, err)
	}
	st.wants("copied connection 1")
	st.press(tea.KeyEsc)
	st.type_("3")
	st.polled(live.CursorsView)
	st.press(tea.KeyEnter)
	st.wants("posts by -createdAt limit 20", "2 connections: ada, visitor", "read again 3 times", "51.3 ms since a console attached, 1.2 µs each")
	st.press(tea.KeyEsc, tea.KeyEnd, tea.KeyEnter)
	st.wants("every change of posts is tested", "contains on title")
	st.press(tea.KeyEsc)
	st.type_("4")
	st.polled(live.RoutesView)
	st.press(tea.KeyDown, tea.KeyEnter)
	st.wants("POST /posts", "posts.create", "title, string, required")
}

func TestVisibleViewsArePolled(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	asked := 0
	st.app.Before = func(req wire.ControlRequest) {
		if req.Do == wire.DoConnections {
			asked++
		}
	}
	ask := func(msg any) live.PolledMsg {
		t.Helper()
		cmd := st.screen.update(msg)
		if cmd == nil {
			t.Fatal("no request was sent")
		}
		return cmd().(live.PolledMsg)
	}
	st.screen.remote = attach(t, st.app)
	st.press(tea.KeyF2)
	answer := ask(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("2")})
	if tick := st.screen.update(answer); tick == nil || asked != 1 {
		t.Errorf("no second request; %d requests", asked)
	}
	st.wants("ada", "visitor")
	answer = ask(pollMsg(st.screen.polls))
	st.send(answer)
	st.at = st.at.Add(9 * time.Second)
	st.wants("as of 9 s ago")
	st.type_("1")
	if cmd := st.screen.update(pollMsg(st.screen.polls - 1)); cmd != nil {
		t.Error("a hidden view is requested")
	}
	if st.screen.update(answer) != nil {
		t.Error("a late answer triggers a request")
	}
	st.type_("2")
	answer.Number, answer.Err = st.screen.polls, control.ErrLost
	st.send(answer)
	st.wants("the connection to the application was lost")
}

func TestManyCommits(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	st.activities()
	st.busy()
	st.wants("10,000/s, sampled", "create posts 9,820/s", "update users 180/s", "→ 2")
	calm := st.text()
	c := fakeapp.Commit(99_000, "console:ada", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: "x"}})
	if cmd := st.screen.update(wire.ControlEvent{Commit: &c}); cmd != nil || !st.screen.flushDue {
		t.Error("no flush is scheduled")
	}
	if rows := st.text(); strings.Contains(rows, "#99000") || rows != strings.Replace(calm, ":20816", ":99000", 1) {
		t.Errorf("the commit does not wait for the flush:\n%s", rows)
	}
	st.at = st.at.Add(live.RateStep)
	st.send(flushMsg{})
	st.wants("#99000")
	st.at = st.at.Add(10 * time.Second)
	st.send(flushMsg{})
	st.lacks("sampled")
	if st.screen.flushDue {
		t.Error("another flush is scheduled when the pane is calm")
	}
	st.commit(99_001)
	st.wants("#99001", "→ 2 of 3 connections")
}

func TestThePaneTakesTheScreenWhereThereIsNoRoom(t *testing.T) {
	st := newStage(t, 40, 20, Options{})
	st.commit(813)
	st.lacks("commits")
	st.press(tea.KeyF2)
	st.wants("commits", "ada      posts.")
	st.lacks("›")
	st.press(tea.KeyF2)
	st.wants("›")

	st = newStage(t, 120, 24, Options{})
	st.press(tea.KeyF2)
	st.type_("z")
	st.lacks("JavaScript on")
	st.type_("z")
	st.wants("JavaScript on")
}

// BenchmarkSecond measures the console's work for a second at 10,000 commits: the
// events the application sends for them, and the frames drawn.
func BenchmarkSecond(b *testing.B) {
	st := newStage(b, 160, 48, Options{})
	st.screen.st = theme("dark")
	st.activities()
	for b.Loop() {
		for range 10 {
			st.at = st.at.Add(time.Second / 10)
			for range 2 {
				c := fakeapp.Commit(st.screen.live.Seq+500, "POST /posts by bot", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: "01JBXYZ0000000000000000007", Label: "Hello 日本"}})
				st.send(wire.ControlEvent{Commit: &c})
				for range 50 {
					st.send(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: c.Seq, Connection: 1, Micros: 4100}})
				}
			}
			st.send(wire.ControlEvent{Skipped: &wire.Skipped{Commits: 998, Seq: st.screen.live.Seq, Changes: []wire.Count{{Op: "create", Model: "posts", N: 998}}}})
			for range 3 {
				st.screen.view()
			}
			st.send(flushMsg{})
		}
	}
}

func TestConnectionsAreRecountedAfterMissedEvents(t *testing.T) {
	st := newStage(t, 120, 24, Options{})
	st.screen.remote = attach(t, st.app)
	st.send(wire.ControlEvent{Left: 1})
	st.wants("2 connections")
	cmd := st.screen.update(wire.ControlEvent{Missed: 7})
	if cmd == nil || st.screen.update(wire.ControlEvent{Missed: 1}) != nil {
		t.Fatal("no single request was sent")
	}
	st.send(cmd())
	st.wants("3 connections")
}
