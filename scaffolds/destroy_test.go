package scaffolds

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func verbs(p *Plan) map[string]Verb {
	all := map[string]Verb{}
	for _, s := range p.Steps {
		all[s.Path] = s.Verb
	}
	return all
}

func TestDestroyKeepsWhatWasEdited(t *testing.T) {
	dir := newApp(t)
	before := tree(t, dir)
	generate(t, dir, "scaffold Post title:string")
	put(t, dir, "views/posts/index.html", "mine\n")
	put(t, dir, "views/posts/extra.html", "mine too\n")

	plan, err := Destroy(dir, "scaffold", []string{"Post"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if v := verbs(plan); v["views/posts/index.html"] != Keep || v["models/post.go"] != Remove || v["views/posts/extra.html"] != "" {
		t.Fatalf("the plan is\n%s", plan)
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	left := tree(t, dir)
	if left["views/posts/index.html"] != "mine\n" || left["models/post.go"] != "" || left["routes.go"] != before["routes.go"] {
		t.Errorf("left are %v", left)
	}

	// What was kept is still known, and goes when it is forced.
	apply(t)(Destroy(dir, "scaffold", []string{"Post"}, true))
	before["views/posts/"], before["views/posts/extra.html"] = "", "mine too\n"
	sameTree(t, tree(t, dir), before)
}

func TestDestroyRemovesOnlyItsOwnLines(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "controller Pages about contact")
	routes := get(t, dir, "routes.go")
	routes = strings.Replace(routes, "GET /pages/contact", "GET /contact", 1)
	routes = strings.Replace(routes, "\tpages := ", "\t// The pages.\n\tpages := ", 1)
	routes = strings.Replace(routes, "\ttower.Page(pages, \"GET /pages/about\"", "\t_ = 1\n\ttower.Page(pages, \"GET /pages/about\"", 1)
	put(t, dir, "routes.go", routes)

	plan, err := Destroy(dir, "controller", []string{"Pages"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan.String(), `tower.Page(pages, "GET /pages/contact", tower.ViewOnly)`) {
		t.Errorf("the plan does not name the line that was edited:\n%s", plan)
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	got := get(t, dir, "routes.go")
	for _, line := range []string{"\t// The pages.\n", "\t_ = 1\n", "\ttower.Page(pages, \"GET /contact\", tower.ViewOnly)\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q was removed:\n%s", line, got)
		}
	}
	for _, line := range []string{"pages := ", "GET /pages/about"} {
		if strings.Contains(got, line) {
			t.Errorf("%q is still there:\n%s", line, got)
		}
	}
}

// Git may write other line endings than it read.
func TestDestroyWhateverTheLineEndings(t *testing.T) {
	dir := newApp(t)
	before := tree(t, dir)
	generate(t, dir, "scaffold Post title:string")
	for name, text := range tree(t, dir) {
		if !strings.HasSuffix(name, "/") {
			put(t, dir, name, strings.ReplaceAll(text, "\n", "\r\n"))
		}
	}
	destroy(t, dir, "scaffold Post")
	for name, text := range before {
		before[name] = strings.ReplaceAll(text, "\n", "\r\n")
	}
	sameTree(t, tree(t, dir), before)
}

func TestDestroyWhatIsPartlyGone(t *testing.T) {
	dir := newApp(t)
	before := tree(t, dir)
	generate(t, dir, "scaffold Post title:string")
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "views/posts")), os.Remove(filepath.Join(dir, "models/post.go"))); err != nil {
		t.Fatal(err)
	}
	destroy(t, dir, "scaffold Post title:string")
	sameTree(t, tree(t, dir), before)
}

func TestDestroyRefuses(t *testing.T) {
	dir := newApp(t)
	put(t, dir, "models/mine.go", "package models\n\ntype Mine struct{}\n")
	if _, err := Destroy(dir, "model", []string{"Mine"}, true); err == nil || !strings.Contains(err.Error(), "was not generated here") {
		t.Errorf("what a person wrote: %v", err)
	}
	generate(t, dir, "model User name:string")
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, "scaffold Post title:string author:ref=users")
	before := tree(t, dir)

	if _, err := Destroy(dir, "controller", []string{"Posts"}, true); err == nil || !strings.Contains(err.Error(), "model User, scaffold User, scaffold Post") {
		t.Errorf("another kind: %v", err)
	}
	plan, err := Destroy(dir, "model", []string{"User"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if v := verbs(plan); v["models/post.go"] != Conflict || len(plan.Conflicts()) != 2 {
		t.Errorf("the plan is\n%s", plan)
	}
	if err := plan.Apply(); err == nil {
		t.Error("a model that others refer to was destroyed")
	}
	sameTree(t, tree(t, dir), before)

	put(t, dir, ".tower/manifest.json", `{"generated":[{"kind":"model","name":"User","files":{"../../x":"00"}}]}`)
	if _, err := Destroy(dir, "model", []string{"User"}, true); err == nil || !strings.Contains(err.Error(), `"../../x" is outside`) {
		t.Errorf("a manifest that leads elsewhere: %v", err)
	}
}

// Passkeys, providers, a second step and teams are added to accounts whose files were edited, and are taken
// back alone or with them.
func TestPartsOfAccountsAreAddedLaterAndTakenBack(t *testing.T) {
	for _, edit := range []bool{false, true} {
		dir := newApp(t)
		generate(t, dir, "auth Member")
		if edit {
			for _, name := range []string{"views/sessions/new.html", "views/accounts/show.html", "controllers/accounts.go", "controllers/identity.go", "controllers/session.go", "views/layout.html"} {
				put(t, dir, name, get(t, dir, name)+"\n")
			}
		}
		before := tree(t, dir)
		generate(t, dir, "auth --passkey --totp --oidc --teams") // of Member, the only one
		contains(t, get(t, dir, "models/member_passkey.go"), "type MemberPasskey struct")
		contains(t, get(t, dir, "views/sessions/new.html"), "  {{template \"passkeys/_signin.html\" .}}\n  {{template \"openids/_signin.html\" .}}\n</section>")
		contains(t, get(t, dir, "main.go"), "\t\tSettings: []any{\n\t\t\t&controllers.Providers,\n\t\t},\n")
		contains(t, get(t, dir, "controllers/accounts.go"), "c.passkeyFacts(ctx, user.ID)")
		contains(t, get(t, dir, "controllers/identity.go"), "s.askSecondStep(ctx, user, to)")
		contains(t, get(t, dir, "controllers/session.go"), "s.followTeams(ctx)")
		contains(t, get(t, dir, "controllers/accounts.go"), "c.leaveTeams(ctx, tx, user)")
		added := tree(t, dir)
		generate(t, dir, "auth Member --totp")
		generate(t, dir, "auth Member --passkey")
		generate(t, dir, "auth Member --teams")
		sameTree(t, tree(t, dir), added)
		if !edit {
			generate(t, dir, "auth Member") // knows the lines that were added
			sameTree(t, tree(t, dir), added)
		}
		if _, err := Destroy(dir, "auth", []string{"Member", "--passkey", "--totp"}, false); err == nil || !strings.Contains(err.Error(), "take back --passkey first, then --totp") {
			t.Errorf("two at once: %v", err)
		}
		destroy(t, dir, "auth Member --passkey")
		contains(t, get(t, dir, "controllers/identity.go"), "s.askSecondStep(ctx, user, to)")
		destroy(t, dir, "auth Member --teams")
		destroy(t, dir, "auth Member --totp")
		destroy(t, dir, "auth Member --oidc")
		sameTree(t, tree(t, dir), before)
		if edit {
			continue
		}

		other := newApp(t)
		want := tree(t, other)
		generate(t, other, "auth Member --totp --oidc --passkey --teams")
		destroy(t, other, "auth Member")
		got := tree(t, other)
		for name := range got {
			if strings.HasPrefix(name, "views/layouts") || strings.HasPrefix(name, ".tower") {
				delete(got, name) // of all mails
			}
		}
		sameTree(t, got, want)
	}
}

// Settings of an application make room for those of providers, if they are a list.
func TestProvidersBesideOtherSettings(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "auth")
	put(t, dir, "main.go", strings.Replace(get(t, dir, "main.go"), "\t\tFiles:", "\t\tSettings: &Settings,\n\t\tFiles:", 1))
	before := tree(t, dir)
	if _, err := Generate(dir, "auth", []string{"--oidc"}, false); err == nil || !strings.Contains(err.Error(), "main.go: the Settings of Config are not a list; make them one, Settings: []any{…}, and try again") {
		t.Errorf("settings that are one struct: %v", err)
	}
	sameTree(t, tree(t, dir), before)

	put(t, dir, "main.go", strings.Replace(get(t, dir, "main.go"), "Settings: &Settings,", "Settings: []any{\n\t\t\t&Settings,\n\t\t},", 1))
	before = tree(t, dir)
	generate(t, dir, "auth --oidc")
	contains(t, get(t, dir, "main.go"), "\t\t\t&Settings,\n\t\t\t&controllers.Providers,\n\t\t},\n")
	destroy(t, dir, "auth User --oidc")
	sameTree(t, tree(t, dir), before)
}
