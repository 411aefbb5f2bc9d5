package screen

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/private/privatetest"
)

func TestHistoryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "history")
	h, err := openHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	typed := []string{"one", `two\n`, "three\nlines\\\n", "one", "one", "日本"}
	for _, text := range typed {
		if err := h.add(text); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%q", []string{`two\n`, "three\nlines\\\n", "one", "日本"})
	if got := fmt.Sprintf("%q", again.entries); got != want || fmt.Sprintf("%q", h.entries) != want {
		t.Errorf("read %s\nkept %q\nwant %s", got, h.entries, want)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want %v", name, info.Mode().Perm(), err, mode)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range 3 * historySize {
		fmt.Fprintf(&text, "entry %d\n", i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h, err := openHistory(path)
		if err != nil || len(h.entries) != historySize || h.entries[historySize-1] != fmt.Sprintf("entry %d", 3*historySize-1) {
			t.Fatalf("%d entries: %v", len(h.entries), err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || strings.Count(string(kept), "\n") != historySize {
		t.Errorf("the file holds %d entries: %v", strings.Count(string(kept), "\n"), err)
	}
}

func TestHistoryThatCannotBeKept(t *testing.T) {
	folder := t.TempDir()
	if h, err := openHistory(folder); err == nil || h.add("x") != nil || len(h.entries) != 1 {
		t.Errorf("a folder: %v", err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := newStage(t, 100, 24, Options{History: filepath.Join(file, "history")})
	st.wants("read the history")
	st.enter("1 + 1")
	st.wants("  2 ")
}

func TestHistoryPath(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	if got := historyPath("my/../blog"); got != "/state/tower/history-my____blog" {
		t.Errorf("got %s", got)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", "/home/ada")
	if got := historyPath("blog"); got != "/home/ada/.local/state/tower/history-blog" {
		t.Errorf("got %s", got)
	}
}

func TestTheHistoryIsThisUsersOwn(t *testing.T) {
	path := func(folder string) string { return filepath.Join(folder, "tower", "history-blog") }
	privatetest.File(t, filepath.Join("tower", "history-blog"), func(folder string) error {
		h, err := openHistory(path(folder))
		if err == nil || h.path != "" {
			t.Errorf("it is kept at %s: %v", h.path, err)
		}
		return err
	})
	privatetest.Written(t, filepath.Join("tower", "history-blog"), func(folder string) error {
		h := &history{path: path(folder)}
		return h.add("secret")
	})
}
