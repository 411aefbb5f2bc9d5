package scaffolds

import (
	"fmt"
	"slices"
	"strings"
)

// passkeyFiles are the generated files of passkeys by their templates. NAME stands for the file
// of the model of users.
var passkeyFiles = [][2]string{
	{"models/NAME_passkey.go", "user_passkey.go.tmpl"},
	{"controllers/passkeys.go", "passkeys.go.tmpl"},
	{"mails/passkey.go", "mails.go.tmpl"},
	{"views/passkeys/_list.html", "views/_list.html"},
	{"views/passkeys/_passkey.viewer.html", "views/_passkey.viewer.html"},
	{"views/passkeys/_signin.html", "views/_signin.html"},
	{"views/passkeys/new.html", "views/new.html"},
	{"public/passkeys.js", "passkeys.js"},
	{"passkeys_test.go", "test.go.tmpl"},
}

// makePasskeys makes what passkeys add to accounts.
func makePasskeys(a *auth) (*generation, error) {
	g := a.part("passkey")
	if err := g.addAll(passkeyFiles, "auth/passkey/", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions, intoModels(a.Type+"Passkeys"))
	if err := g.addAuthRoutes(a.Passkeys, "auth/passkey/routes.tmpl", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions,
		intoMethod("controllers/accounts.go", "Accounts", "facts", "facts",
			"\tpasskeys, err := c.passkeyFacts(ctx, user.ID)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tfacts[\"Passkeys\"] = passkeys\n"),
		beforeLine("views/sessions/new.html", "  {{template \"passkeys/_signin.html\" .}}\n", "</section>"),
		beforeLine("views/accounts/show.html", "{{template \"passkeys/_list.html\" .}}\n\n", "<h2>Your data</h2>", "{{end}}"))
	return g, nil
}

// beforeLine adds lines to a view before the last line that is one of these, the first of them that
// the view has.
func beforeLine(file, lines string, before ...string) insertion {
	return insertion{file: file, text: lines, at: func(text []byte) (int, error) {
		all := strings.Split(string(text), "\n")
		for _, want := range before {
			for i, line := range slices.Backward(all) {
				if strings.TrimSpace(line) == want {
					return i + 1, nil
				}
			}
		}
		return 0, fmt.Errorf("%s should have a line %s, so that %s can be inserted before it", file, strings.Join(before, " or "), strings.TrimSpace(lines))
	}}
}
