package systemtest

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// openAssets serves the sample, with a page that names an asset.
func openAssets(t *testing.T, env, asset string, files fstest.MapFS) string {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("TOWER_SECRET", "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF")
	if err := os.Mkdir(filepath.Join(folder, "app"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "app", "board.tsx"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	config := sample()
	views := maps.Clone(sampleViews)
	maps.Copy(views, files)
	views["views/layout.html"] = &fstest.MapFile{Data: []byte(`<script type="module" src="{{.Asset "` + asset + `"}}"></script>{{template "main" .}}`)}
	config.Files, config.Env, config.Data, config.Log = views, env, filepath.Join(folder, "test.db"), slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := tower.New(config)
	if err == nil {
		err = app.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	t.Cleanup(func() {
		server.Close()
		app.Close()
	})
	return server.URL
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestAPageNamesWhatCameOfAScript(t *testing.T) {
	bundled := fstest.MapFS{
		"public/_tower/app/manifest.json":  {Data: []byte(`{"board.tsx": "board-AB12.js", "board.css": "board-CD34.css"}`)},
		"public/_tower/app/board-AB12.js":  {Data: []byte(`export {};`)},
		"public/_tower/app/board-CD34.css": {Data: []byte(`a { color: red }`)},
	}
	for _, test := range []struct {
		env, asset string
		files      fstest.MapFS
		want       string
	}{
		{"production", "board.tsx", bundled, `src="/_tower/app/board-AB12.js"`},
		{"production", "board.css", bundled, `src="/_tower/app/board-CD34.css"`},
		{"development", "board.tsx", nil, `src="/_tower/app/board.js"`},
		{"development", "board.css", nil, `src="/_tower/app/board.css"`},
		{"test", "other.ts", nil, `src="/_tower/app/other.js"`},
		{"development", "other.ts", nil, `there is no app/other.ts`},
		{"development", "inner/board.ts", nil, `neither a script in app/`},
		{"development", "board", nil, `neither a script in app/`},
	} {
		url := openAssets(t, test.env, test.asset, test.files)
		request, err := http.NewRequest("GET", url+"/posts", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/html")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), test.want) {
			t.Errorf("%s %s: %v\n%s\nhas no %s", test.env, test.asset, err, text, test.want)
		}
	}

	url := openAssets(t, "production", "board.tsx", bundled)
	response, text := get(t, url+"/_tower/app/board-AB12.js")
	if text != "export {};" || response.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		!strings.HasPrefix(response.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("the script is %q with %v", text, response.Header)
	}
	for _, path := range []string{"manifest.json", "other.js", "..%2f..%2f..%2fviews%2flayout.html", "%2e%2e", "a/b"} {
		if response, text := get(t, url+"/_tower/app/"+path); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}

	url = openAssets(t, "production", "board.tsx", nil)
	if response, text := get(t, url+"/posts"); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("without a bundle: %d %s", response.StatusCode, text)
	}
}
