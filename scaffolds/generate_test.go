package scaffolds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// everyField has a field of each kind.
const everyField = "scaffold BlogPost title:string body:text published:bool:index author:ref=users starts_at:time stars:int price:float state:enum(open,done):index tags:list notes:text:private rank:int:optional"

// The files of one scaffold, as a person would want to read them. After a
// change of a template, run go test -update and look at the difference.
func TestGolden(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "model User name:string")
	isGolden(t, dir, everyField, "blog_post")
}

func TestGoldenMail(t *testing.T) {
	isGolden(t, newApp(t), "mail PasswordReset", "password_reset")
}

func TestGoldenAuth(t *testing.T) {
	isGolden(t, newApp(t), "auth", "auth")
}

func TestGoldenPasskeys(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	isGolden(t, dir, "auth --passkey", "passkeys")
}

func TestGoldenTOTP(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	isGolden(t, dir, "auth --totp", "totp")
}

func TestGoldenOIDC(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	isGolden(t, dir, "auth --oidc", "oidc")
}

func TestGoldenAPI(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	isGolden(t, dir, "auth --api", "api")
}

func TestGoldenTeams(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	isGolden(t, dir, "auth --teams", "teams")
}

// isGolden compares what a generator adds to an application with the files of a folder.
func isGolden(t *testing.T, dir, line, folder string) {
	t.Helper()
	before := tree(t, dir)
	generate(t, dir, line)
	after := tree(t, dir)
	checkFiles(t, after)

	got := map[string]string{}
	for name, text := range after {
		if text != before[name] && name != manifestName && !strings.HasSuffix(name, "/") {
			got[name+".golden"] = text
		}
	}
	golden := filepath.Join("testdata", folder)
	if *update {
		if err := os.RemoveAll(golden); err != nil {
			t.Fatal(err)
		}
		for name, text := range got {
			put(t, golden, name, text)
		}
	}
	want := tree(t, golden)
	maps.DeleteFunc(want, func(name, _ string) bool { return strings.HasSuffix(name, "/") })
	sameTree(t, got, want)
}

func TestGenerateTwice(t *testing.T) {
	for _, line := range []string{"scaffold Post title:string", "model Post title:string", "controller Pages about contact", "mail Welcome", "auth", "auth --passkey --totp --oidc --api --teams"} {
		dir := newApp(t)
		generate(t, dir, line)
		before := tree(t, dir)
		args := strings.Fields(line)
		plan, err := Generate(dir, args[0], args[1:], false)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan.Steps {
			if step.Verb != Identical {
				t.Errorf("%s: the second time, %s %s", line, step.Verb, step.Path)
			}
		}
		if err := plan.Apply(); err != nil {
			t.Fatal(err)
		}
		sameTree(t, tree(t, dir), before)
	}
}

func TestConflict(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold Post title:string")
	put(t, dir, "views/posts/new.html", "mine\n")
	before := tree(t, dir)

	plan, err := Generate(dir, "scaffold", []string{"Post", "title:string"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if conflicts := plan.Conflicts(); len(conflicts) != 1 || conflicts[0].Path != "views/posts/new.html" || !strings.Contains(conflicts[0].Diff, "-mine\n") {
		t.Fatalf("the plan is\n%s", plan)
	}
	if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), "views/posts/new.html") {
		t.Fatalf("applied: %v", err)
	}
	sameTree(t, tree(t, dir), before)

	apply(t)(Generate(dir, "scaffold", []string{"Post", "title:string"}, true))
	if text := get(t, dir, "views/posts/new.html"); !strings.Contains(text, "New post") {
		t.Errorf("forced, the view is %s", text)
	}
}

// Another page for a controller: its own lines make way for the new ones.
func TestGenerateWithAnotherPage(t *testing.T) {
	dir, other := newApp(t), newApp(t)
	generate(t, dir, "controller Pages about")
	apply(t)(Generate(dir, "controller", []string{"Pages", "about", "contact"}, true))
	generate(t, other, "controller Pages about contact")
	want := tree(t, other)
	want["go.mod"] = get(t, dir, "go.mod") // each has a source of its own
	sameTree(t, tree(t, dir), want)
}

// Other fields for a model that is there: only what differs is a conflict.
func TestGenerateWithOtherFields(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "model Post title:string")
	plan, err := Generate(dir, "scaffold", []string{"Post", "title:string", "body:text"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if conflicts := plan.Conflicts(); len(conflicts) != 1 || conflicts[0].Path != "models/post.go" {
		t.Fatalf("the plan is\n%s", plan)
	}
}

// Nothing that is refused leaves a file behind.
func TestGenerateRefuses(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "model User name:string")
	put(t, dir, "models/mine.go", "package models\n\n// Tag is mine.\ntype Tag struct{}\n")
	put(t, dir, "controllers/mine.go", "package controllers\n\nfunc NewLabels() {}\n")
	before := tree(t, dir)
	for line, want := range map[string]string{
		"widget Post":                                  "the generators are auth, controller, deploy, field, mail, migration, model, scaffold",
		"scaffold":                                     "the name is missing",
		"controller":                                   "the name is missing",
		"scaffold Post":                                "it has no fields",
		"scaffold Post title":                          "a field is NAME:TYPE",
		"scaffold Post author:ref":                     "there is no model authors",
		"scaffold Func title:string":                   "keyword in Go",
		"scaffold Item title:string":                   `"items", which tower's messages use as a key`,
		"scaffold Tag title:string":                    "models/mine.go:4 already declares Tag",
		"scaffold Label title:string":                  "controllers/mine.go:3 already declares NewLabels",
		"controller Session":                           "controllers/session.go:11 already declares Session",
		"controller Home":                              "controllers/home.go:4 already declares Home",
		"model All":                                    "models/models.go:7 already declares All",
		"controller Pages about about":                 "given twice",
		"controller Pages title:string":                "tower generate scaffold Page title:string",
		"controller Pages pages":                       "has the name of its controller",
		"controller Pages match":                       "because tower uses that method",
		"controller Pages ../about":                    "cannot be part of a name",
		"scaffold ../../Post title:string":             "cannot be part of a name",
		"scaffold Post user:ref:required user_id:text": "there is already a field userId",
	} {
		args := strings.Fields(line)
		plan, err := Generate(dir, args[0], args[1:], true)
		if err == nil {
			err = plan.Apply()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", line, err, want)
		}
	}
	sameTree(t, tree(t, dir), before)
}

// Files that the generator adds to may have become something else.
func TestGenerateIntoAnotherShape(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"go.mod":               {"module blog\n", "does not require github.com/towerkit/tower"},
		"models/models.go":     {"package models\n\nfunc All() []tower.AnyModel { return []tower.AnyModel{Users} }\n", "models/models.go:3: put the closing brace of the list on a line of its own"},
		"routes.go":            {"package main\n\nfunc Routes() int { return 1 }\n", "Routes should end with return r"},
		"models/other.go":      {"package models\n\nfunc {\n", "models/other.go:3:6"},
		".tower/manifest.json": {"{", "restore it from version control"},
	} {
		dir := newApp(t)
		put(t, dir, name, c.text)
		before := tree(t, dir)
		if _, err := Generate(dir, "scaffold", []string{"Post", "title:string"}, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, c.want)
		}
		sameTree(t, tree(t, dir), before)
	}
	if _, err := Generate(t.TempDir(), "model", []string{"Post"}, false); err == nil || !strings.Contains(err.Error(), "it has no go.mod") {
		t.Errorf("outside of an application: %v", err)
	}
}

// What an application calls its router is its own affair, and so is its layout.
func TestGenerateIntoAnEditedApplication(t *testing.T) {
	dir := newApp(t)
	routes := strings.NewReplacer("r := ", "site := ", "(r, ", "(site, ", "return r", "return site").Replace(get(t, dir, "routes.go"))
	put(t, dir, "routes.go", strings.ReplaceAll(routes, "\n", "\r\n"))
	put(t, dir, "views/layout.html", "<main>{{template \"main\" .}}</main>\n")
	before := tree(t, dir)

	generate(t, dir, "scaffold Post title:string")
	if got := get(t, dir, "routes.go"); !strings.Contains(got, "\tposts := tower.Mount(site, \"posts\", controllers.NewPosts)\r\n") {
		t.Errorf("routes.go is\n%s", got)
	}
	destroy(t, dir, "scaffold Post")
	sameTree(t, tree(t, dir), before)
}

func TestPluralNamesOneRecord(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold blog_posts title:string")
	before := tree(t, dir)
	generate(t, dir, "scaffold BlogPost title:string")
	sameTree(t, tree(t, dir), before)
}

// Words that are their own plural, words that Go code uses, words that other
// generated names contain: the names never collide.
func TestUnusualNames(t *testing.T) {
	dir := newApp(t)
	for _, line := range []string{
		"scaffold News headline:string news:ref", "scaffold Form title:string", "scaffold Detail title:string", "scaffold App title:string",
		"scaffold Context app:ref:required", "scaffold Tower context:ref:required at:time:required", "scaffold Err tower:ref:required",
		"scaffold Page count:int", "scaffold Model body:text", "scaffold APIKey type:ref=models url:string:unique",
		"controller R", "controller Controllers", "controller Search", "model Empty",
	} {
		generate(t, dir, line)
	}
	written := tree(t, dir)
	checkFiles(t, written)
	for name, want := range map[string]string{
		"models/news.go":            `var NewsRecords = tower.NewModel[News]("news")`,
		"controllers/news.go":       "type NewsRecordInput struct",
		"views/forms/index.html":    `"forms/_form_item.html"`,
		"controllers/contexts.go":   "contextRecord := &models.Context{",
		"controllers/errs.go":       "errRecord := &models.Err{",
		"errs_test.go":              "appRecord := &models.App{Title: \"Ada\"}",
		"routes.go":                 "rRoutes := tower.Mount(r, \"r\", controllers.NewR)",
		"views/models/_model.html":  `{{printf "%.80s" .Body}}`,
		"controllers/api_keys.go":   "type APIKeyID struct",
		"views/api_keys/_form.html": `{{.Input "url" .Data.APIKey "label" "URL"}}`,
	} {
		if !strings.Contains(written[name], want) {
			t.Errorf("%s has no %s:\n%s", name, want, written[name])
		}
	}
}

// Generating and then destroying leaves the application byte by byte as it
// was; destroying some of it leaves what generating only the rest would have.
func TestGenerateAndDestroyAtRandom(t *testing.T) {
	r := random(t)
	lines := []string{
		"scaffold Post title:string body:text", "scaffold News headline:string", "model Person name:string email:string:unique",
		"controller Pages about contact_us", "scaffold BlogEntry done:bool at:time", "controller Search", "model Person name:string",
		"scaffold Person name:string", "model Post title:string body:text", "scaffold Comment body:text parent:ref=comments",
		"controller Posts index", "controller BlogEntries", "scaffold Datum value:float",
	}
	for range 8 {
		chosen := chooseCompatible(t, r, lines)
		dir := newApp(t)
		put(t, dir, ".tower-notes", "mine")
		before := tree(t, dir)
		for _, line := range chosen {
			generate(t, dir, line)
		}

		gone := slices.Clone(chosen)
		r.Shuffle(len(gone), func(i, j int) { gone[i], gone[j] = gone[j], gone[i] })
		half := r.IntN(len(gone) + 1)
		for _, line := range gone[:half] {
			destroy(t, dir, line)
		}

		other := newApp(t)
		put(t, other, ".tower-notes", "mine")
		for _, line := range chosen {
			if !slices.Contains(gone[:half], line) {
				generate(t, other, line)
			}
		}
		want := tree(t, other)
		want["go.mod"] = before["go.mod"] // each has a source of its own
		sameTree(t, tree(t, dir), want)

		for _, line := range gone[half:] {
			destroy(t, dir, line)
		}
		sameTree(t, tree(t, dir), before)
	}
}

// chooseCompatible returns some of the lines, in some order, of which each can
// be generated after those before it.
func chooseCompatible(t *testing.T, r *rand.Rand, lines []string) []string {
	t.Helper()
	dir := newApp(t)
	var chosen []string
	for _, i := range r.Perm(len(lines))[:1+r.IntN(len(lines))] {
		args := strings.Fields(lines[i])
		plan, err := Generate(dir, args[0], args[1:], false)
		if err != nil || len(plan.Conflicts()) > 0 || slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Verb == Identical }) {
			continue // it shares names with another
		}
		if err := plan.Apply(); err != nil {
			t.Fatal(err)
		}
		chosen = append(chosen, lines[i])
	}
	return chosen
}

func ExamplePlan_Print() {
	plan := &Plan{Steps: []Step{{Verb: Create, Path: "models/post.go"}, {Verb: Insert, Path: "routes.go"}}}
	fmt.Print(plan)
	// Output:
	//       create  models/post.go
	//       insert  routes.go
}
