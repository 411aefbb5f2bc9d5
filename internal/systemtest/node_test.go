package systemtest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script is a program of its own: it imports the library as it would be
// published, packed and installed, and ends when it has closed the store.
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
	folder := installLibrary(t)
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

// TestTheLibraryHasTypesForWhoInstallsIt checks a program against the types of
// the library as it would be published.
func TestTheLibraryHasTypesForWhoInstallsIt(t *testing.T) {
	folder := installLibrary(t)
	modules, err := filepath.Abs("../client/node_modules")
	if err == nil {
		err = os.Symlink(filepath.Join(modules, "vue"), filepath.Join(folder, "node_modules", "vue"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "bot.mts"), []byte(typedScript), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command(filepath.Join(modules, ".bin", "tsc"), "--pretty", "false", "--noEmit", "--strict",
		"--target", "es2022", "--module", "nodenext", "--types", "", "bot.mts")
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

const typedScript = `
import { connect, type ID } from "tower";
import { useCursor } from "tower/react";
import { cursor } from "tower/svelte";
import { useValue } from "tower/vue";

interface Post {
  id: ID;
  title: string;
}

declare module "tower" {
  interface Cursors {
    "posts.visible": { in: {}; record: Post; narrow: "title" };
  }
}

const store = connect({ url: "http://localhost:3000/_tower/socket", transports: ["stream"] });
const posts = store.cursor("posts.visible", {}, { order: ["title"] });
export const titles: string[] = posts.records.map(post => post.title);
export const stale: boolean = useCursor("posts.visible").stale;
export const stop: () => void = cursor("posts.visible").subscribe(() => {});
export const count: number | null | undefined = useValue("posts.count").value.value;

// @ts-expect-error: there is no such field
posts.records[0]!.titel;
// @ts-expect-error: there is no such cursor
store.cursor("posts.visibel");
// @ts-expect-error: there is no such transport
connect({ transports: ["pigeon"] });
`

// installLibrary makes a folder into which the library has been installed from a
// package, as it would be published.
func installLibrary(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, args := range [][]string{
		{"pack", "--silent", "--pack-destination", folder, "../client"},
		{"install", "--silent", "--offline", "--no-audit", "--no-fund", "--prefix", folder, filepath.Join(folder, "tower-0.0.0.tgz")},
	} {
		npm := exec.Command("npm", args...)
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("this test needs npm, which script/test installs: npm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return folder
}
