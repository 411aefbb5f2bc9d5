package scaffolds

// apiFiles are the generated files of tokens by their templates.
var apiFiles = [][2]string{
	{"controllers/tokens.go", "tokens.go.tmpl"},
	{"mails/token.go", "mails.go.tmpl"},
	{"views/tokens/_list.html", "views/_list.html"},
	{"views/tokens/_token.viewer.html", "views/_token.viewer.html"},
	{"views/tokens/made.html", "views/made.html"},
	{"views/tokens/new.html", "views/new.html"},
	{"tokens_test.go", "test.go.tmpl"},
}

// makeAPI makes what tokens add to accounts.
func makeAPI(a *auth) (*generation, error) {
	g := a.part("api")
	if err := g.addAll(apiFiles, "auth/api/", a); err != nil {
		return nil, err
	}
	if err := g.addAuthRoutes(a.Tokens, "auth/api/routes.tmpl", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions,
		intoMethod("controllers/accounts.go", "Accounts", "facts", "facts",
			"\ttokens, err := c.tokenFacts(ctx, user.ID)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tfacts[\"Tokens\"] = tokens\n"),
		beforeLine("views/accounts/show.html", "{{template \"tokens/_list.html\" .}}\n\n", "<h2>Your data</h2>", "{{end}}"))
	return g, nil
}
