package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"
)

func (c *GuardedController) Match(p *Post) bool {
	return p.Published || c.CurrentUser != nil && p.AuthorID == c.CurrentUser.ID
}

const wantRights = `                                 visitor  author  editor
action  POST /rename              -        yes     yes
action  POST /remove              -        yes     yes
action  POST /write               -        yes     yes
action  POST /count               -        yes     yes
action  POST /editors             -        -       yes
action  POST /broken              -        -       -
see     posts: a draft            -        yes     -
action  POST /rename: a draft     -        yes     -
action  POST /remove: a draft     -        yes     -
action  POST /write: a draft      -        yes     -
see     posts: a published post   yes      yes     yes
action  POST /rename: a published post  -        yes     yes
action  POST /remove: a published post  -        yes     -
action  POST /write: a published post   -        yes     -
`

// A failing test of another's: what it says is kept.
type recordedTest struct {
	testing.TB
	said []string
}

func (r *recordedTest) Errorf(format string, args ...any) {
	r.said = append(r.said, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
}

func TestRightsAreAGoldenFile(t *testing.T) {
	app := towertest.Open(t, guarded())
	ada, editor := makeUser(t, app, "Ada", false), makeUser(t, app, "Eve", true)
	file := filepath.Join(t.TempDir(), "golden", "rights.txt")
	table := towertest.RightsTable{File: file, Roles: []towertest.Role{{Name: "visitor"}, {Name: "author", User: ada.ID}, {Name: "editor", User: editor.ID}},
		Records: []towertest.Example{{Name: "a draft", Record: &Post{AuthorID: ada.ID, Title: "x"}}, {Name: "a published post", Record: &Post{AuthorID: ada.ID, Title: "x", Published: true}}}}
	check := func() string {
		r := &recordedTest{TB: t}
		towertest.Rights(r, app, table)
		return strings.Join(r.said, "\n")
	}
	if said := check(); !strings.Contains(said, "+ action POST /rename") || !strings.Contains(said, "TOWER_TEST_UPDATE=on") {
		t.Errorf("without a file: %s", said)
	}
	t.Setenv("TOWER_TEST_UPDATE", "on")
	check()
	t.Setenv("TOWER_TEST_UPDATE", "")
	if said := check(); said != "" {
		t.Errorf("with its own file: %s", said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := squeeze(string(text)), squeeze(wantRights); got != want {
		t.Errorf("the table is\n%s", text)
	}
	if _, err := Users.Update(t.Context(), app, editor.ID, func(u *User) error {
		u.Editor = false
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	said := check()
	for _, line := range []string{"- action POST /editors - - yes", "+ action POST /editors - - -"} {
		if !strings.Contains(said, line) {
			t.Errorf("a change of rights does not show %q: %s", line, said)
		}
	}
}

// squeeze returns a text with one space where there are several.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
