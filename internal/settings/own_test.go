package settings

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/environ"
)

// environment returns the variables of a folder with a .env file.
func environment(t *testing.T, env, file string) *environ.Environment {
	for _, v := range variables(env) {
		t.Setenv(v.name, "") // gives it back at the end
		os.Unsetenv(v.name)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := environ.Read(folder, env)
	if err != nil {
		t.Fatal(err)
	}
	return from
}

func TestOwnSaysWhereEachValueComesFrom(t *testing.T) {
	t.Setenv("TOWER_TOKEN", "hush")
	from := environment(t, "development", "TOWER_URL=https://blog.test\nTOWER_SECRET=hush\nTOWER_ENV=production\nTOWER_DB=file.db\nTOWER_CONSOLE=off\n")
	got := map[string]Setting{}
	for _, s := range Own(from, "development", map[string]string{"TOWER_DB": "code.db", "TOWER_URL": ""}) {
		got[s.Name] = s
	}
	for _, want := range []Setting{
		{Name: "TOWER_URL", Value: "https://blog.test", From: ".env"},
		{Name: "TOWER_SECRET", From: ".env", Secret: true},
		{Name: "TOWER_TOKEN", From: environ.Process, Secret: true},
		{Name: "TOWER_ENV", Value: "development", From: "default"},
		{Name: "TOWER_DB", Value: "code.db", From: "Config"},
		{Name: "TOWER_CONSOLE", Value: "off", From: ".env"},
		{Name: "TOWER_ADDR", Value: "127.0.0.1:3000", From: "default"},
		{Name: "TOWER_HOSTS"},
	} {
		if got[want.Name] != want {
			t.Errorf("%+v; want %+v", got[want.Name], want)
		}
	}
}

func TestOwnListsTheVariablesOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "## Variables of tower\n")
	section, _, _ = strings.Cut(section, "\n## ")
	written := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(TOWER_[A-Z_]+)` \\|.*").FindAllStringSubmatch(section, -1) {
		if !strings.Contains(row[0], " of tower itself ") { // its tests and benchmarks
			written[row[1]] = true
		}
	}
	listed := map[string]bool{}
	for _, v := range variables("development") {
		listed[v.name] = true
	}
	if !maps.Equal(written, listed) {
		t.Errorf("the guide has %s\nthe list has %s", names(written), names(listed))
	}
}

func names(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), " ") }
