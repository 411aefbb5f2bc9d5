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

// totpLines connect the second step with accounts.
func totpLines(*auth) []insertion {
	return []insertion{
		atStart("controllers/identity.go", "Session.signIn",
			"\tif answer, err := s.askSecondStep(ctx, user, to); answer != nil || err != nil {\n\t\treturn answer, err\n\t}\n"),
		intoFacts("secondStep", "authenticatorFacts", "SecondStep"),
		intoAccount("authenticators/_list.html"),
	}
}
