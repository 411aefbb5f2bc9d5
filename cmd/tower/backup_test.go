//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupAndRestore backs up a running application and archives it, changes it, and takes
// it back to every state with the commands that the guide shows.
func TestBackupAndRestore(t *testing.T) {
	app := newHarness(t).newJournal()
	archived := filepath.Join(app.harness.folder, "archive")
	if err := os.WriteFile(filepath.Join(app.folder, ".env"), []byte("TOWER_BACKUP="+archived+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	app.serve()
	app.authors("Ada", "Bob")
	uploaded := filepath.Join(app.folder, "db", "files", "development", "01A", "000000-n")
	if err := errors.Join(os.MkdirAll(filepath.Dir(uploaded), 0o700), os.WriteFile(uploaded, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if said := app.run("db", "backup", "two.backup"); !strings.HasPrefix(said, "two.backup: ") || !strings.Contains(said, ", and 4 B of files") {
		t.Error(said)
	}
	if err := os.RemoveAll(filepath.Join(app.folder, "db", "files")); err != nil {
		t.Fatal(err)
	}
	app.authors("Carl")
	if said := app.run("db", "drill", "two.backup"); !strings.Contains(said, "Its records are those of the application at that commit.") {
		t.Error(said)
	}
	refused := func(why string, args ...string) {
		t.Helper()
		if out, err := app.command(app.folder, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), why) {
			t.Errorf("tower %s: %s, %v; want %q", strings.Join(args, " "), out, err, why)
		}
	}
	refused("two.backup exists", "db", "backup", "two.backup")
	refused("development.db exists", "db", "restore", "two.backup")
	refused("in use by", "db", "restore", "two.backup", "--replace")
	refused("names no state", "db", "restore", "--at", "yesterday")
	if said := app.run("db", "compact"); !strings.HasPrefix(said, "The file had ") {
		t.Error(said)
	}
	app.authors("Dora") // the application goes on with the new file
	app.run("db", "check")
	exported := func() {
		t.Helper()
		lines := app.run("db", "export", "authors")
		if strings.Count(lines, "\n") != 4 || !strings.Contains(lines, `"name":"Dora"`) {
			t.Error(lines)
		}
		table := app.run("db", "export", "authors", "--format", "csv")
		if !strings.HasPrefix(table, "id,") || strings.Count(table, "\n") != 5 || !strings.Contains(table, ",Dora") {
			t.Error(table)
		}
	}
	exported()
	refused("did you mean authors", "db", "export", "author")
	refused("only one model", "db", "export")
	app.stop() // archives what is left
	exported()
	if said := app.run("db", "export", "-o", "records"); !strings.Contains(said, "records/authors.ndjson: 4 records\n") {
		t.Error(said)
	}
	refused("exists", "db", "export", "-o", "records")
	if said := app.run("db", "compact"); !strings.HasPrefix(said, "The file had ") {
		t.Error(said)
	}
	count := func(want string) {
		t.Helper()
		if got := strings.TrimSpace(app.run("query", "Author", "--json")); strings.Count(got, `"id"`) != strings.Count(want, ",")+1 {
			t.Errorf("the authors are %s, want %s", got, want)
		}
	}
	if said := app.run("db", "restore", "two.backup", "--replace"); !strings.Contains(said, "the data that was there") {
		t.Error(said)
	}
	count("Ada,Bob")
	if text, err := os.ReadFile(uploaded); err != nil || string(text) != "text" {
		t.Errorf("the file that was backed up is %q, %v", text, err)
	}
	app.run("db", "restore", archived, "--replace", "--at", app.lastSeq(archived))
	count("Ada,Bob,Carl,Dora")
	if err := os.WriteFile(filepath.Join(app.folder, "cut.backup"), []byte("what is this"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("it is not a backup of a store", "db", "restore", "cut.backup", "--replace")
	count("Ada,Bob,Carl,Dora")
}

// lastSeq returns the newest commit of an archive's oldest epoch.
func (a *testApp) lastSeq(archived string) string {
	a.t.Helper()
	first, _, _ := strings.Cut(a.run("db", "restore", "--list", archived), "\n")
	epoch, _, _ := strings.Cut(first, ",")
	return epoch + ":" + first[strings.LastIndex(first, " ")+1:]
}
