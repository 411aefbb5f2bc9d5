package wire

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestPosition(t *testing.T) {
	epoch, seq, err := ParsePosition(Position("01J8", 812))
	if err != nil || epoch != "01J8" || seq != 812 {
		t.Errorf("got %q, %d, %v", epoch, seq, err)
	}
	for _, bad := range []string{"", "812", ":812", "01J8:", "01J8:-1", "01J8:x", "01J8:1:2", "01J8:18446744073709551616"} {
		_, _, err := ParsePosition(bad)
		if err == nil {
			t.Errorf("ParsePosition(%q) did not fail", bad)
		} else if !strings.Contains(err.Error(), "epoch:seq") {
			t.Errorf("ParsePosition(%q): %v; want it to say what a position looks like", bad, err)
		}
	}
}

func TestSocketPath(t *testing.T) {
	short := filepath.FromSlash("/home/ada/blog")
	if got, want := SocketPath(short, "/run/user/1"), filepath.Join(short, "tmp", "tower.sock"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	deep := filepath.FromSlash("/home/ada/" + strings.Repeat("deep/", 30) + "blog")
	got := SocketPath(deep, "/run/user/1")
	if filepath.Dir(got) != filepath.FromSlash("/run/user/1") || len(got) > maxSocketPath {
		t.Errorf("a folder that is too long listens at %s", got)
	}
	if got != SocketPath(deep, "/run/user/1") {
		t.Error("one folder has two paths")
	}
	if got == SocketPath(deep+"2", "/run/user/1") {
		t.Error("two folders share a path")
	}

	edge := "/" + strings.Repeat("x", maxSocketPath-len("//tmp/tower.sock"))
	if got := SocketPath(edge, "/run"); len(got) != maxSocketPath || filepath.Dir(got) == "/run" {
		t.Errorf("a path of exactly %d bytes was not used: %s", maxSocketPath, got)
	}
}

// FuzzFrames checks that no message, however broken, makes a decoder panic, and that what
// decodes as a commit or an answer survives encoding.
func FuzzFrames(f *testing.F) {
	for _, name := range []string{"frames", "commit", "commit_closed", "answer_open", "answer_items", "request_form"} {
		f.Add(goldens(f)[name])
	}
	f.Add([]byte("{\"seq\":1,\"\\u0001\\\"\":[{}]}"))
	f.Add([]byte(`{"model":"seq","seq":[1]}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		frames, err := Frames(message)
		if err != nil {
			return
		}
		for _, frame := range frames {
			_ = json.Unmarshal(frame, new(Request))
			survives(t, frame, func() any { return new(Commit) })
			survives(t, frame, func() any { return new(Answer) })
		}
	})
}

func survives(t *testing.T, frame []byte, kind func() any) {
	t.Helper()
	first, second := kind(), kind()
	if json.Unmarshal(frame, first) != nil {
		return
	}
	once, err := Encode(first)
	if err != nil {
		t.Fatalf("%s decodes, but %v", frame, err)
	}
	if err := json.Unmarshal(once, second); err != nil {
		t.Fatalf("%s was encoded as %s: %v", frame, once, err)
	}
	twice, err := Encode(second)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%s is first %s, then %s, %v", frame, once, twice, err)
	}
}
