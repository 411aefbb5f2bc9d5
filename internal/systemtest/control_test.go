package systemtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/private/privatetest"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A line is a client of the control socket.
type line struct {
	t       *testing.T
	conn    net.Conn
	replies *bufio.Scanner
	lastID  uint64
	events  []wire.ControlEvent
}

func openControl(t *testing.T) (*towertest.App, string) {
	t.Helper()
	return controlled(t, func() *towertest.App { return openSample(t) })
}

// controlled opens an application with a control socket, and returns where that is.
func controlled(t testing.TB, open func() *towertest.App) (*towertest.App, string) {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	app := open()
	if err := app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	return app, wire.SocketPath(folder, wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid()))
}

func attach(t *testing.T, path string) *line {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l := &line{t: t, conn: conn, replies: bufio.NewScanner(conn)}
	l.replies.Buffer(nil, 1<<24)
	l.do(wire.ControlRequest{Do: wire.DoHello, By: "console:test"}, nil)
	return l
}

func (l *line) read() wire.ControlReply {
	l.t.Helper()
	l.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if !l.replies.Scan() {
		l.t.Fatalf("the control socket ended: %v", l.replies.Err())
	}
	var reply wire.ControlReply
	if err := json.Unmarshal(l.replies.Bytes(), &reply); err != nil {
		l.t.Fatal(err)
	}
	return reply
}

// do asks and decodes the answer into out; an error is returned as its text.
func (l *line) do(req wire.ControlRequest, out any) string {
	l.t.Helper()
	if refused := l.reply(req, out).Error; refused != nil {
		return fmt.Sprint(refused.Code, ": ", refused.Message, " ", refused.Problems)
	}
	return ""
}

// reply asks, decodes the answer into out, and returns the whole reply.
func (l *line) reply(req wire.ControlRequest, out any) wire.ControlReply {
	l.t.Helper()
	l.lastID++
	req.ID = l.lastID
	data, err := json.Marshal(req)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.conn.Write(append(data, '\n')); err != nil {
		l.t.Fatal(err)
	}
	for {
		reply := l.read()
		if reply.Event != nil {
			l.events = append(l.events, *reply.Event)
			continue
		}
		if reply.Error == nil && out != nil {
			if err := json.Unmarshal(reply.OK, out); err != nil {
				l.t.Fatalf("%s: %v", reply.OK, err)
			}
		}
		return reply
	}
}

func (l *line) event(want func(wire.ControlEvent) bool) wire.ControlEvent {
	l.t.Helper()
	for {
		for i, event := range l.events {
			if want(event) {
				l.events = l.events[i+1:]
				return event
			}
		}
		if reply := l.read(); reply.Event != nil {
			l.events = append(l.events, *reply.Event)
		}
	}
}

func raws(text string) json.RawMessage { return json.RawMessage(text) }

func TestAConsoleReadsAndWrites(t *testing.T) {
	app, path := openControl(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	ada := makeUser(t, app, "ada", false)
	l := attach(t, path)
	var hello wire.ControlHello
	l.do(wire.ControlRequest{Do: wire.DoHello}, &hello)
	if hello.App != "journal" || len(hello.Models) != 4 || hello.Models[0].Type != "User" || hello.Models[0].Fields[0].Name != "id" {
		t.Errorf("hello: %+v", hello)
	}
	var made wire.Written
	l.do(wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"Hi","authorId":"` + string(ada.ID) + `","likes":2}`)}, &made)
	var post Post
	if err := json.Unmarshal(made.Record, &post); err != nil || post.Title != "Hi" || made.Seq != 2 || made.Changes != 1 {
		t.Fatalf("create: %+v, %v", made, err)
	}
	id := string(post.ID)
	var found []Post
	if l.do(wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Where: raws(`{"likes":{"gte":2}}`), Order: []string{"-createdAt"}}, &found); len(found) != 1 || found[0].ID != post.ID {
		t.Errorf("query: %+v", found)
	}
	var count int
	if l.do(wire.ControlRequest{Do: wire.DoCount, Model: "posts", Where: raws(`{"likes":{"lt":2}}`)}, &count); count != 0 {
		t.Errorf("count: %d", count)
	}
	if l.do(wire.ControlRequest{Do: wire.DoUpdate, Model: "posts", Key: id, Set: raws(`{"title":"Ho"}`)}, &made); !strings.Contains(string(made.Record), `"Ho"`) {
		t.Errorf("update: %s", made.Record)
	}
	l.do(wire.ControlRequest{Do: wire.DoDelete, Model: "posts", Key: id}, &made)
	for _, c := range []struct {
		req  wire.ControlRequest
		says string
	}{
		{wire.ControlRequest{Do: wire.DoFind, Model: "posts", Key: id}, "not_found: there is no Post " + id},
		{wire.ControlRequest{Do: wire.DoFind, Model: "pots", Key: id}, `not_found: there is no model "pots"`},
		{wire.ControlRequest{Do: "dance"}, `bad_request: there is no request "dance"`},
		{wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"titel":"x"}`)}, "invalid: not valid map[titel:[is not a field of Post; did you mean title?]]"},
		{wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"","likes":-1}`)}, "invalid: not valid map[likes:[must be at least 0] title:[is required]]"},
		{wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"x","likes":"many"}`)}, `invalid: not valid map[likes:[is an int; "many" is not]]`},
		{wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Where: raws(`{"titel":1}`)}, "title"},
		{wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Where: raws(`7`)}, "bad_request: the conditions are not a JSON object"},
		{wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Limit: -1}, "bad_request"},
		{wire.ControlRequest{Do: wire.DoCommit, Tx: 9}, "not_found: there is no open transaction 9"},
	} {
		if got := l.do(c.req, nil); !strings.Contains(got, c.says) {
			t.Errorf("%+v: %s; want %s", c.req, got, c.says)
		}
	}
}

func TestAConsoleTransactionIsOneCommit(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	list := app.Connect(t, ada.ID).Open("posts.visible", nil)
	l := attach(t, path)
	l.do(wire.ControlRequest{Do: wire.DoWatch}, nil)
	var tx uint64
	l.do(wire.ControlRequest{Do: wire.DoBegin}, &tx)
	for i := range 3 {
		set := raws(fmt.Sprintf(`{"title":"post %d","authorId":%q}`, i, ada.ID))
		if problem := l.do(wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: set, Tx: tx}, nil); problem != "" {
			t.Fatal(problem)
		}
	}
	var within, outside int
	l.do(wire.ControlRequest{Do: wire.DoCount, Model: "posts", Tx: tx}, &within)
	l.do(wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, &outside)
	if within != 3 || outside != 0 {
		t.Errorf("before the commit: %d within, %d outside", within, outside)
	}
	var done wire.Written
	l.do(wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, &done)
	list.AwaitLen(3)
	event := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil && e.Commit.Seq == done.Seq }).Commit
	if done.Changes != 3 || event.By != "console:test" || len(event.Changes) != 3 || event.ReachedAll != 1 || event.Connections != 1 ||
		len(event.Reached) != 1 || event.Reached[0].User != "ada" || event.Reached[0].Cursor != "posts.visible" || event.Reached[0].Enter != 3 {
		t.Errorf("%+v: %+v", done, event)
	}
}

func TestAControlSocketIsNobodyElses(t *testing.T) {
	app, path := openControl(t)
	if err := app.OpenControl(); err == nil || !strings.Contains(err.Error(), "another process serves "+path) {
		t.Errorf("a second server: %v", err)
	}
	folder := t.TempDir()
	t.Setenv("TOWER_FOLDER", folder)
	other := openSample(t)
	file := filepath.Join(folder, "tmp", "tower.sock")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := other.OpenControl(); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file in its place: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file now: %q, %v", data, err)
	}
}

// TestTheControlSocketIsThisUsersOwn serves consoles where others have put something first.
func TestTheControlSocketIsThisUsersOwn(t *testing.T) {
	privatetest.Socket(t, filepath.Join("tmp", "tower.sock"), func(folder string) error {
		t.Setenv("TOWER_FOLDER", folder)
		return openSample(t).OpenControl()
	})
}

// TestTheRuntimeFolderIsThisUsersOwn serves consoles of an application whose own path is too long
// for a socket.
func TestTheRuntimeFolderIsThisUsersOwn(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has no modes
	}
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	own := t.TempDir()
	for _, path := range []string{folder, filepath.Join(own, "open")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(folder, filepath.Join(own, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	for name, want := range map[string]string{"open": "run chmod 700 ", "link": "is a link to"} {
		t.Setenv("XDG_RUNTIME_DIR", filepath.Join(own, name))
		if err := openSample(t).OpenControl(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(own, name)) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(own, "new"))
	if err := openSample(t).OpenControl(); err != nil {
		t.Error(err)
	}
}
