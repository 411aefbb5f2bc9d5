package tower_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script is a program of its own: it imports the library as it would be
// published, and ends when it has closed the store.
const nodeScript = `
import { connect, ulid } from "tower";
import * as svelte from "tower/svelte";

const store = connect({ url: process.argv[2] + "/_tower/socket" });
const posts = store.cursor("posts.visible", {}, { order: ["title"] });
await posts.ready;
console.log("ready", posts.count, typeof svelte.cursor, ulid().length);
const { status, error } = await store.call("POST /posts", { title: "from nobody" });
console.log("called", status, error.code);
posts.subscribe(records => {
  if (records.length === 0) return;
  console.log("told", records.map(post => post.title).join(), store.state.online);
  store.close();
});
`

func TestTheLibraryRunsInNode(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	library, err := filepath.Abs("internal/client")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "node_modules"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(library, filepath.Join(folder, "node_modules", "tower")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "bot.mjs"), []byte(nodeScript), 0o666); err != nil {
		t.Fatal(err)
	}

	node := exec.CommandContext(t.Context(), "node", "bot.mjs", app.URL)
	node.Dir = folder
	var wrong strings.Builder
	node.Stderr = &wrong
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatalf("this test needs Node, which script/test installs: %v", err)
	}
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it says %q, and should %q\n%s", lines.Text(), want, wrong.String())
		}
	}
	expect("ready 0 function 26")
	expect("called 401 unauthenticated")
	makePost(t, app, ada, "Hello", true)
	expect("told Hello true")
	if err := node.Wait(); err != nil {
		t.Fatalf("it ended with %v\n%s", err, wrong.String())
	}
}
