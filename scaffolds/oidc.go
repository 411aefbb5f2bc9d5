package scaffolds

// oidcFiles are the generated files of sign-in at providers, by their templates. NAME stands for the file
// of the model of users.
var oidcFiles = [][2]string{
	{"models/NAME_openid.go", "user_openid.go.tmpl"},
	{"controllers/openids.go", "openids.go.tmpl"},
	{"controllers/providers.go", "providers.go.tmpl"},
	{"mails/openid.go", "mails.go.tmpl"},
	{"views/openids/_list.html", "views/_list.html"},
	{"views/openids/_openid.viewer.html", "views/_openid.viewer.html"},
	{"views/openids/_signin.html", "views/_signin.html"},
	{"views/openids/new.html", "views/new.html"},
	{"views/openids/problem.html", "views/problem.html"},
	{"openids_test.go", "test.go.tmpl"},
}

// oidcLines connect sign-in at providers with accounts.
func oidcLines(a *auth) []insertion {
	return []insertion{
		intoFacts("openIDs", "openIDFacts", "OpenIDs"),
		beforeLine("views/sessions/new.html", "  {{template \"openids/_signin.html\" .}}\n", "</section>"),
		beforeLine("views/accounts/new.html", "  {{template \"openids/_signin.html\" .}}\n", "</section>"),
		intoAccount("openids/_list.html"),
		intoConfigList(a.program, "Settings", "[]any", "&controllers.Providers,", a.Module+"/controllers"),
	}
}
