package scaffolds

import (
	"fmt"
	"strings"
)

// An AuthPart is what a flag of tower generate auth adds to accounts, at first or later.
type AuthPart struct {
	Name  string // of the flag, without dashes
	About string // a line for people

	files  [][2]string // by their templates in auth/ and the name
	models []string    // the variables of its models; TYPE stands for the type of users
	route  func(*auth) string
	lines  func(*auth) []insertion // into the files of accounts
}

// AuthParts returns what can be added to accounts.
func AuthParts() []AuthPart {
	return []AuthPart{
		{"passkey", "users sign in by passkeys, too", passkeyFiles, []string{"TYPEPasskeys"}, func(a *auth) string { return a.Passkeys }, passkeyLines},
		{"totp", "users may add a second step, a code of an authenticator application", totpFiles, []string{"TYPEAuthenticators"}, func(a *auth) string { return a.Authenticators }, totpLines},
		{"oidc", "users sign in at other providers, by OpenID Connect", oidcFiles, []string{"TYPEOpenIDs"}, func(a *auth) string { return a.OpenIDs }, oidcLines},
		{"api", "users make tokens, by which programs act for them", apiFiles, nil, func(a *auth) string { return a.Tokens }, apiLines},
		{"teams", "users make teams, invite others by mail, and have roles that rules follow", teamsFiles, []string{"Teams", "Memberships", "Invitations"}, func(a *auth) string { return a.Teams }, teamsLines},
	}
}

func (p AuthPart) flag() string { return "--" + p.Name }

// make makes what the part adds to accounts.
func (p AuthPart) make(a *auth) (*generation, error) {
	g := &generation{kind: "auth", name: a.Type + " " + p.flag()}
	folder := "auth/" + p.Name + "/"
	if err := g.addAll(p.files, folder, a); err != nil {
		return nil, err
	}
	for _, model := range p.models {
		g.insertions = append(g.insertions, intoModels(strings.ReplaceAll(model, "TYPE", a.Type)))
	}
	if err := g.addAuthRoutes(p.route(a), folder+"routes.tmpl", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions, p.lines(a)...)
	return g, nil
}

// intoFacts adds what a method returns to the export of an account.
func intoFacts(local, method, key string) insertion {
	return intoMethod("controllers/accounts.go", "Accounts", "facts", "facts",
		fmt.Sprintf("\t%s, err := c.%s(ctx, user.ID)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tfacts[%q] = %[1]s\n", local, method, key))
}

// intoAccount adds a list to the page of an account.
func intoAccount(partial string) insertion {
	return beforeLine("views/accounts/show.html", fmt.Sprintf("{{template %q .}}\n\n", partial), "<h2>Your data</h2>", "{{end}}")
}
