package public

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestServe(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"secret.txt": "secret", "views/layout.html": "view", "public/app.css": "css", "public/docs/index.html": "index", "public/docs/page.html": "page",
		"public/.env": "secret", "public/x/.git/config": "secret", "public/.well-known/security.txt": "contact", "public/.well-known/.env": "secret",
		"public/x/.well-known/y": "secret", "public/.hidden/app.css": "secret", `public/back\slash`: "secret", "public/~backup": "backup", "public/a..b": "dots",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out.txt": "../secret.txt", "whole": "..", "etc": "/etc", "in.css": "app.css"} {
		if err := os.Symlink(target, filepath.Join(folder, "public", name)); err != nil {
			t.Skip(err) // not on this system
		}
	}
	files := Dir(folder)
	for path, want := range map[string]string{
		"/app.css": "css", "/docs/index.html": "index", "/docs/page.html": "page", "/.well-known/security.txt": "contact", "/in.css": "css",
		"/x/../app.css": "css", "/~backup": "backup", "/a..b": "dots", "//app.css": "css",
		"/": "", "/docs": "", "/docs/": "", "/app.css/": "", "/none": "",
		"/.env": "", "/%2eenv": "", "/x/%2e%2e/.env": "", "/x/.git/config": "", "/.well-known/.env": "", "/x/.well-known/y": "", "/.hidden/app.css": "",
		"/..%5csecret.txt": "", `/back%5cslash`: "", "/../secret.txt": "", "/%2e%2e/secret.txt": "", "/app.css%00": "",
		"/out.txt": "", "/whole/secret.txt": "", "/etc/passwd": "", "/.well-known/../.env": "",
	} {
		w := httptest.NewRecorder()
		served := Serve(w, httptest.NewRequest("GET", path, nil), files)
		if got := w.Body.String(); served != (want != "") || got != want {
			t.Errorf("%s: served %t, %q, not %q", path, served, got, want)
		}
	}
	if Serve(httptest.NewRecorder(), httptest.NewRequest("POST", "/app.css", nil), files) {
		t.Error("a file was posted to")
	}
	if view, err := files.Open("views/layout.html"); err != nil {
		t.Error(err)
	} else {
		view.Close()
	}
}
