package hostile

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower"
)

const (
	oldKey = "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF"
	newKey = "Q1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6"
)

// openEnv opens the notebook in an environment, with TOWER_SECRET and a folder, and returns
// how to close it. The data is data.db in the folder.
func openEnv(t *testing.T, env, secret, folder string) (*tower.App, error) {
	t.Helper()
	t.Setenv("TOWER_SECRET", secret)
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("TOWER_HOSTS", "example.com") // the host of httptest.NewRequest
	config := notebook()
	config.Env, config.Data, config.Log = env, filepath.Join(folder, "data.db"), slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := tower.New(config)
	if err == nil {
		err = app.Open()
	}
	return app, err
}

func TestProductionHasAKeyOfItsOwn(t *testing.T) {
	for _, c := range []struct{ name, secret, want string }{
		{"none", "", "TOWER_SECRET is not set"},
		{"only separators", " ,\n, ", "openssl rand -base64 32"},
		{"short", "short", "has 5 characters"},
		{"one of two short", oldKey + ",short", "key 2 of 2 has 5 characters"},
		{"equal letters", strings.Repeat("a", 64), "different characters"},
		{"few letters", strings.Repeat("ab", 32), "different characters"},
		{"repeated", strings.Repeat("changeme1", 8), "repeats its first 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := openEnv(t, "production", c.secret, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "openssl rand") {
				t.Errorf("it starts with %v", err)
			}
			if c.secret != "" && err != nil && strings.Contains(err.Error(), strings.TrimSpace(c.secret)) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestKeysAreReplacedWithoutSigningAnybodyOut(t *testing.T) {
	folder := t.TempDir()
	var cookies []*http.Cookie
	for _, secret := range []string{oldKey, newKey + "," + oldKey, newKey + "\n" + oldKey, newKey} {
		app, err := openEnv(t, "production", secret, folder)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := app.Cookie("01JDA7Q4Z3M8X2V6K9T5B1C0RW")
		if err != nil {
			t.Fatal(err)
		}
		cookies = append(cookies, fresh)
		for i, cookie := range cookies {
			request := httptest.NewRequest("GET", "/_tower/session", nil)
			request.AddCookie(cookie)
			answer := httptest.NewRecorder()
			app.Handler().ServeHTTP(answer, request)
			if live, want := strings.Contains(answer.Body.String(), "01JDA7Q4Z3M8X2V6K9T5B1C0RW"), secret != newKey || i > 0; live != want {
				t.Errorf("with %q, cookie %d is somebody's: %v: %d %s", secret, i, live, answer.Code, answer.Body)
			}
		}
		if err := app.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheDataHoldsNoKey copies what a backup of the data would hold.
func TestTheDataHoldsNoKey(t *testing.T) {
	for env, path := range map[string]string{"development": "tmp/secret", "test": "data.db.secret"} {
		folder := t.TempDir()
		var cookie [2]*http.Cookie
		for i := range cookie { // the key stays
			app, err := openEnv(t, env, "", folder)
			if err != nil {
				t.Fatal(err)
			}
			if cookie[i], err = app.Cookie("01JDA7Q4Z3M8X2V6K9T5B1C0RW"); err != nil {
				t.Fatal(err)
			}
			if err := app.Close(); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(folder, path)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: the key is %v %v", env, info, err)
		}
		key, err := os.ReadFile(path)
		data, err2 := os.ReadFile(filepath.Join(folder, "data.db"))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, bytes.TrimSpace(key)) {
			t.Errorf("%s: the data holds the key", env)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openEnv(t, env, "", folder); err == nil || !strings.Contains(err.Error(), "is open to other users") || !strings.Contains(err.Error(), "remove it to get a new one") {
			t.Errorf("%s: with a key that others can read, it starts with %v", env, err)
		}
	}
}
