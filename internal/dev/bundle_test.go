package dev

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// put writes files into an application's folder.
func put(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var board = map[string]string{
	"app/tower.d.ts":                  `declare module "tower" {}`,
	"app/board.tsx":                   `import "./board.css"; import { connect } from "tower"; import { useCursor } from "tower/react"; import type { Post } from "tower/types"; import { join } from "./parts/join"; import logo from "./logo.svg"; export const page = (p: Post) => <p title={join(logo)}>{useCursor("posts.all")}{process.env.NODE_ENV}{connect()}</p>;`,
	"app/board.css":                   `p { color: red }`,
	"app/admin.ts":                    `import { join } from "./parts/join"; document.title = join("admin");`,
	"app/admin.test.ts":               `throw new Error("not bundled");`,
	"app/parts/join.ts":               `export const join = (text: string) => text + "joined".repeat(100);`,
	"app/logo.svg":                    `<svg/>`,
	"node_modules/react/package.json": `{"name": "react", "exports": {".": "./index.js", "./jsx-runtime": "./jsx.js"}}`,
	"node_modules/react/index.js":     `export const useMemo = make => make(), useSyncExternalStore = (subscribe, get) => get();`,
	"node_modules/react/jsx.js":       `export const jsx = () => {}, jsxs = jsx;`,
}

func bundleOf(t *testing.T, b *bundler) *bundle {
	t.Helper()
	made, err := b.bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestBundle(t *testing.T) {
	folder := t.TempDir()
	b := &bundler{folder: folder}
	defer b.close()
	if made := bundleOf(t, b); len(made.files) != 0 {
		t.Errorf("without scripts the bundle has %v", made.names)
	}

	put(t, folder, board)
	made := bundleOf(t, b)
	if want := map[string]string{"admin.ts": "admin.js", "board.css": "board.css", "board.tsx": "board.js"}; !maps.Equal(made.names, want) {
		t.Errorf("the bundle has %v", made.names)
	}
	script := string(made.files["board.js"])
	for _, part := range []string{
		`from "/_tower/tower.js"`, `"/_tower/app/logo-`, `"development"`, `from "/_tower/app/chunk-`, "sourceMappingURL=/_tower/app/board.js.map", "useSyncExternalStore",
	} {
		if !strings.Contains(script, part) {
			t.Errorf("board.js has no %s:\n%s", part, script)
		}
	}
	if _, found := made.files["board.js.map"]; !found {
		t.Error("there is no source map")
	}

	// A new script and a removed one.
	put(t, folder, map[string]string{"app/late.js": `document.title = "late";`})
	if err := os.Remove(filepath.Join(folder, "app", "admin.ts")); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(bundleOf(t, b).names)); !slices.Equal(got, []string{"board.css", "board.tsx", "late.js"}) {
		t.Errorf("the bundle has %v", got)
	}
}

func TestBundleForProduction(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, board)
	b := &bundler{folder: folder, production: true}
	defer b.close()
	made := bundleOf(t, b)
	hashed := regexp.MustCompile(`^(board|chunk|admin|logo)-[A-Z0-9]{8}\.(js|css|svg)$`)
	for name := range made.files {
		if !hashed.MatchString(name) {
			t.Errorf("%s is not named after its contents", name)
		}
	}
	script := string(made.files[made.names["board.tsx"]])
	if strings.Contains(script, "development") || !strings.Contains(script, `"production"`) || strings.Contains(script, "sourceMappingURL") {
		t.Errorf("board.tsx is bundled as\n%s", script)
	}
	if again := bundleOf(t, b); !maps.Equal(again.names, made.names) {
		t.Errorf("the names are %v, and then %v", made.names, again.names)
	}

	overlay, err := newOverlay(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(overlay.file)
	if err != nil {
		t.Fatal(err)
	}
	var replaced struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &replaced); err != nil {
		t.Fatal(err)
	}
	for name, contents := range made.files {
		got, err := os.ReadFile(replaced.Replace[filepath.Join(folder, "public", "_tower", "app", name)])
		if err != nil || string(got) != string(contents) {
			t.Errorf("%s is embedded as %q, %v", name, got, err)
		}
	}
	overlay.remove()
	if _, err := os.Stat(filepath.Dir(overlay.file)); !os.IsNotExist(err) {
		t.Errorf("the overlay was not removed: %v", err)
	}
}

func TestBundleFailures(t *testing.T) {
	for _, test := range []struct{ source, want, hint string }{
		{"let a = 1;\n\tlet = ;\n", "app/board.ts:2:8  Unexpected \";\"", ""},
		{"import \"react-dom/client\";\n", "app/board.ts:1:8  Could not resolve \"react-dom/client\"", "npm install react-dom"},
		{"import \"@scope/a/b\";\n", "app/board.ts:1:8  Could not resolve \"@scope/a/b\"", "npm install @scope/a"},
		{"import \"tower/angular\";\n", "app/board.ts:1:8  Could not resolve \"tower/angular\"", "tower has tower, tower/react, tower/svelte and tower/vue"},
		{"import \"./gone\";\n", "app/board.ts:1:8  Could not resolve \"./gone\"", ""},
	} {
		folder := t.TempDir()
		put(t, folder, map[string]string{"app/board.ts": test.source})
		b := &bundler{folder: folder}
		_, err := b.bundle(t.Context())
		b.close()
		f := asFailure(err)
		if err == nil || f.Title != "The bundle failed" || f.Errors[0].String() != test.want || f.Errors[0].Hint != test.hint || len(f.Errors[0].Source) == 0 {
			t.Errorf("%q: %v, hint %q", test.source, err, f.Errors[0].Hint)
		}
	}
}
