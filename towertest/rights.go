package towertest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
)

// A RightsTable says for whom and of what [Rights] makes a table.
type RightsTable struct {
	Roles       []Role    // the columns
	Records     []Example // the records on which the rules are asked; none: the table has only routes
	Controllers []string  // the names of the controllers whose routes the table lists; none: all
	File        string    // default: testdata/rights.txt
}

// A Role is a user who stands for all that have the same rights.
type Role struct {
	Name string
	User tower.ID // "": a visitor
}

// An Example is a record that stands for all that rules treat alike.
type Example struct {
	Name   string // "a draft of the author's"
	Record any    // a pointer to the struct of a model; it need not be stored
}

// Rights compares what each role may do with a golden file, so that a change of who may do what
// shows in review. The file has a line for each action, page, cursor and handler, as the
// controller's Allow and [tower.Only] decide it; and for each example a line for whether Match
// shows it, and one for each action of which Can or [tower.Own] decide for the record. Who may not
// open a record of a cursor because the cursor's own scope omits it does not stand in it.
//
// If the file is another, the test fails and says which lines differ. To write the file, run the
// test with TOWER_TEST_UPDATE=on in its environment.
//
//	towertest.Rights(t, app, towertest.RightsTable{
//		Roles:   []towertest.Role{{Name: "visitor"}, {Name: "author", User: ada.ID}, {Name: "editor", User: eve.ID}},
//		Records: []towertest.Example{{Name: "the author's draft", Record: draft}},
//	})
func Rights(t testing.TB, app *App, table RightsTable) {
	t.Helper()
	text, err := table.text(t, app)
	if err != nil {
		t.Fatalf("rights: %v", err)
	}
	path := filepath.FromSlash(cmp.Or(table.File, "testdata/rights.txt"))
	if os.Getenv("TOWER_TEST_UPDATE") == "on" {
		err := os.MkdirAll(filepath.Dir(path), 0o750)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatalf("rights: %v", err)
		}
		return
	}
	golden, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("rights: %v", err)
	}
	if differ := differing(strings.ReplaceAll(string(golden), "\r\n", "\n"), text); differ != "" {
		t.Errorf("rights are others than in %s:\n%sIf that is right, run the test with TOWER_TEST_UPDATE=on, and commit the file.", path, differ)
	}
}

// text returns the table.
func (r RightsTable) text(t testing.TB, app *App) (string, error) {
	var records []any
	for _, example := range r.Records {
		records = append(records, example.Record)
	}
	var rows [][]string
	heading := []string{"", ""}
	for _, role := range r.Roles {
		heading = append(heading, role.Name)
		rights, err := server.Rights(t.Context(), server.AppOf(app.App), role.User, r.Controllers, records)
		if err != nil {
			return "", fmt.Errorf("of %s: %w", role.Name, err)
		}
		for i, right := range rights {
			if len(rows) <= i {
				rows = append(rows, []string{right.Kind, right.Name})
				if right.Record >= 0 {
					rows[i][1] += ": " + r.Records[right.Record].Name
				}
			}
			rows[i] = append(rows[i], map[bool]string{true: "yes", false: "-"}[right.Permitted])
		}
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return out.String(), nil
}

// differing returns the lines that only one of two texts has, "" if they are the same.
func differing(golden, text string) string {
	if golden == text {
		return ""
	}
	var out strings.Builder
	only := func(sign, of, other string) {
		have := map[string]bool{}
		for line := range strings.Lines(other) {
			have[line] = true
		}
		for line := range strings.Lines(of) {
			if !have[line] {
				out.WriteString(sign + line)
			}
		}
	}
	only("- ", golden, text)
	only("+ ", text, golden)
	return cmp.Or(out.String(), "the order of the lines\n")
}
