package scaffolds

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

// passkeyLines connect passkeys with accounts.
func passkeyLines(*auth) []insertion {
	return []insertion{
		intoFacts("passkeys", "passkeyFacts", "Passkeys"),
		beforeLine("views/sessions/new.html", "  {{template \"passkeys/_signin.html\" .}}\n", "</section>"),
		intoAccount("passkeys/_list.html"),
	}
}
