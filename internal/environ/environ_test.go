package environ

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesGiveWhatTheProcessDoesNot(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		".env":             "# a comment\nGIVEN_HOST=base\nGIVEN_PORT=1\nexport GIVEN_QUOTED=\"two words\"\nGIVEN_SET=file\nGIVEN_EMPTY=\n",
		".env.test":        "GIVEN_PORT=2\n",
		".env.development": "GIVEN_PORT=3\n",
		".env.production":  "GIVEN_PORT=4\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GIVEN_SET", "process")
	for env, want := range map[string]string{
		"test":        "base .env, 2 .env.test, two words .env, process the environment,  ",
		"development": "base .env, 3 .env.development, two words .env, process the environment,  ",
		"production":  " ,  ,  , process the environment,  ",
	} {
		e, err := Read(folder, env)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{"GIVEN_HOST", "GIVEN_PORT", "GIVEN_QUOTED", "GIVEN_SET", "GIVEN_EMPTY"} {
			got = append(got, e.Get(name)+" "+e.From(name))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, not %q", env, strings.Join(got, ", "), want)
		}
		if e.Or("GIVEN_EMPTY", "else") != "else" || e.All()["GIVEN_SET"] != "process" {
			t.Errorf("%s: %v", env, e.All()["GIVEN_SET"])
		}
	}
	if os.Getenv("GIVEN_HOST") != "" {
		t.Error("the process has changed")
	}
}

func TestABrokenFileIsNamedAndNotShown(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte("API_KEY hush hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(folder, "test"); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), ".env") {
		t.Error(err)
	}
	if _, err := Read(folder, "production"); err != nil {
		t.Errorf("production: %v", err)
	}
}
