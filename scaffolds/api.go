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

// apiLines connect tokens with accounts.
func apiLines(*auth) []insertion {
	return []insertion{intoFacts("tokens", "tokenFacts", "Tokens"), intoAccount("tokens/_list.html")}
}
