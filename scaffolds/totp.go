package scaffolds

// totpFiles are the generated files of the second step by their templates. NAME stands for the
// file of the model of users.
var totpFiles = [][2]string{
	{"models/NAME_authenticator.go", "user_authenticator.go.tmpl"},
	{"controllers/authenticators.go", "authenticators.go.tmpl"},
	{"mails/authenticator.go", "mails.go.tmpl"},
	{"views/authenticators/_authenticator.viewer.html", "views/_authenticator.viewer.html"},
	{"views/authenticators/_codes.html", "views/_codes.html"},
	{"views/authenticators/_late.html", "views/_late.html"},
	{"views/authenticators/_list.html", "views/_list.html"},
	{"views/authenticators/new.html", "views/new.html"},
	{"views/authenticators/newcodes.html", "views/newcodes.html"},
	{"views/authenticators/recovery.html", "views/recovery.html"},
	{"views/authenticators/step.html", "views/step.html"},
	{"authenticators_test.go", "test.go.tmpl"},
}

// makeTOTP makes what the second step adds to accounts.
func makeTOTP(a *auth) (*generation, error) {
	g := a.part("totp")
	if err := g.addAll(totpFiles, "auth/totp/", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions, intoModels(a.Type+"Authenticators"))
	if err := g.addAuthRoutes(a.Authenticators, "auth/totp/routes.tmpl", a); err != nil {
		return nil, err
	}
	g.insertions = append(g.insertions,
		atStart("controllers/identity.go", "Session.signIn",
			"\tif answer, err := s.askSecondStep(ctx, user, to); answer != nil || err != nil {\n\t\treturn answer, err\n\t}\n"),
		intoMethod("controllers/accounts.go", "Accounts", "facts", "facts",
			"\tsecondStep, err := c.authenticatorFacts(ctx, user.ID)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tfacts[\"SecondStep\"] = secondStep\n"),
		beforeLine("views/accounts/show.html", "{{template \"authenticators/_list.html\" .}}\n\n", "<h2>Your data</h2>", "{{end}}"))
	return g, nil
}
