package scaffolds

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

const sessionFile = "controllers/session.go"

// An auth describes generated accounts, for the templates in auth/.
type auth struct {
	Module     string
	App        string // the name of the application
	Type       string // User
	A          string // A, before that
	Var        string // Users, the model
	Collection string // users
	File       string // user
	Local      string // user, a record in generated code

	// Variables in routes.go
	Router, Sessions, Accounts, Passkeys, Authenticators, Tokens, Teams, OpenIDs string

	program []byte // main.go
}

// authFiles are the generated files by their templates, without those of views. NAME stands for
// the file of the model.
var authFiles = [][2]string{
	{"models/NAME.go", "models/user.go.tmpl"},
	{"models/NAME_token.go", "models/user_token.go.tmpl"},
	{"controllers/identity.go", "controllers/identity.go.tmpl"},
	{"controllers/sessions.go", "controllers/sessions.go.tmpl"},
	{"controllers/accounts.go", "controllers/accounts.go.tmpl"},
	{"jobs/account_mail.go", "jobs/account_mail.go.tmpl"},
	{"mails/account.go", "mails/account.go.tmpl"},
	{"views/mail/account.html", "views/mail_account.html"},
	{"public/account.css", "public/account.css"},
	{"accounts_test.go", "test.go.tmpl"},
	{"testdata/rights_accounts.txt", "rights.txt"},
}

// authName reads the name of the model of users.
func authName(args []string) (name, error) {
	switch args, _ := authFlags(args); len(args) {
	case 0:
		return name{"user"}, nil
	case 1:
		return modelName(args)
	default:
		return nil, fmt.Errorf("auth %s: %q is too much: it has the name of the model of users only; tower generate field adds fields to it", args[0], args[1])
	}
}

// authFlags separates the flags from the name.
func authFlags(args []string) (names []string, flags []AuthPart) {
	for _, one := range AuthParts() {
		if slices.Contains(args, one.flag()) {
			flags = append(flags, one)
		}
	}
	names = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return slices.ContainsFunc(flags, func(one AuthPart) bool { return one.flag() == arg })
	})
	return names, flags
}

// authEntry returns the name in the manifest of what the arguments name: accounts, or what a flag
// has added to them.
func authEntry(args []string) (string, error) {
	n, err := authName(args)
	if err != nil {
		return "", err
	}
	switch _, flags := authFlags(args); len(flags) {
	case 0:
		return n.goName(), nil
	case 1:
		return n.goName() + " " + flags[0].flag(), nil
	default:
		return "", fmt.Errorf("auth %s: take back %s first, then %s", n.goName(), flags[0].flag(), flags[1].flag())
	}
}

func makeAuth(p *project, args []string) (*generation, error) {
	n, err := authName(args)
	if err != nil {
		return nil, err
	}
	many := n.plural()
	a := &auth{Module: p.module, App: path.Base(p.module), Type: n.goName(), A: "A", Var: many.goName(), Collection: many.snake(), File: n.snake(),
		Local: n.local("Record", "problems plain password passkey tower strings err context"), Sessions: "sessions", Accounts: "accounts", Passkeys: "passkeys", Authenticators: "authenticators", Tokens: "tokens", Teams: "teams", OpenIDs: "openids"}
	if a.Var == a.Type {
		a.Var += "Records"
	}
	if strings.ContainsRune("AEIO", rune(a.Type[0])) {
		a.A = "An"
	}
	routes, err := p.read(routesFile)
	if err != nil {
		return nil, err
	}
	if a.Router, _, _, err = routerName(routes); err != nil {
		return nil, err
	}
	if a.program, err = p.read(mainFile); err != nil {
		return nil, err
	}
	names, flags := authFlags(args)
	if len(flags) == 0 {
		return makeAccounts(p, a)
	}
	m, _, err := p.manifest()
	if err != nil {
		return nil, err
	}
	known := m.accounts()
	if len(names) == 0 && len(known) == 1 && known[0] != a.Type { // of another name than User
		return makeAuth(p, append([]string{known[0]}, args...))
	}
	var first *generation
	if !slices.Contains(known, a.Type) { // what is there may have been edited
		if first, err = makeAccounts(p, a); err != nil {
			return nil, err
		}
	}
	last := &first
	for _, one := range flags {
		for *last != nil {
			last = &(*last).more
		}
		if *last, err = one.make(a); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// makeAccounts makes accounts without what flags add.
func makeAccounts(p *project, a *auth) (*generation, error) {
	g := &generation{kind: "auth", name: a.Type}
	if err := g.addAll(authFiles, "auth/", a); err != nil {
		return nil, err
	}
	for _, folder := range []string{"accounts", "sessions"} {
		files, err := trees.ReadDir("auth/views/" + folder)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			view := "views/" + folder + "/" + f.Name()
			if err := g.add(view, "auth/"+view, a); err != nil {
				return nil, err
			}
		}
	}
	if err := g.insertAuth(p, a); err != nil {
		return nil, err
	}
	return g, g.addMailLayout(p, a)
}

// addAll adds files by their templates in a folder. NAME stands for the file of the model.
func (g *generation) addAll(files [][2]string, folder string, a *auth) error {
	for _, f := range files {
		if err := g.add(strings.ReplaceAll(f[0], "NAME", a.File), folder+f[1], a); err != nil {
			return err
		}
	}
	return nil
}

// addAuthRoutes inserts rendered routes, which need the package time.
func (g *generation) addAuthRoutes(variable, template string, a *auth) error {
	block, err := render(template, a)
	if err != nil {
		return err
	}
	routes := intoRoutes(variable, string(block))
	routes.imports = "time"
	g.insertions = append(g.insertions, routes)
	return nil
}

// insertAuth adds the lines that connect accounts with the rest of the application.
func (g *generation) insertAuth(p *project, a *auth) error {
	g.insertions = append(g.insertions, intoModels(a.Var), intoModels(a.Type+"Tokens"), intoSession("Identity", "\tIdentity // who is signed in: see identity.go\n"),
		intoConnect("\tif err := s.identify(ctx); err != nil {\n\t\treturn nil, err\n\t}\n"))
	if err := g.addAuthRoutes(a.Accounts, "auth/routes.tmpl", a); err != nil {
		return err
	}
	signIn := intoConfig(`SignIn: "/session/new",`, "")
	signIn.shared = false
	work := intoConfigList(a.program, "Jobs", "[]tower.Work", "jobs.AccountMail.Do(jobs.SendAccountMail),", p.module+"/jobs")
	g.insertions = append(g.insertions, signIn, work)

	layout, err := p.read(layoutFile)
	if err != nil {
		return err
	}
	if styles, ok := intoHead(layout, `<link rel="stylesheet" href="{{.Asset "/account.css"}}">`); ok {
		g.insertions = append(g.insertions, styles)
	}
	if line, margin := navEnd(layout); line > 0 {
		g.insertions = append(g.insertions, insertion{file: layoutFile, text: margin + "  {{.Region \"sessions/_menu.html\"}}\n",
			at: func(text []byte) (int, error) { line, _ := navEnd(text); return line, nil }})
	}
	return nil
}

// intoSession adds a field to the struct Session.
func intoSession(field, line string) insertion {
	return insertion{file: sessionFile, text: line, at: func(text []byte) (int, error) {
		return structEnd(sessionFile, text, "Session", field)
	}}
}

// intoConnect adds lines before the end of Connect, which know the session as s.
func intoConnect(lines string) insertion {
	return insertion{file: sessionFile, text: lines, at: func(text []byte) (int, error) {
		set, body, err := function(sessionFile, text, "Connect")
		if err != nil {
			return 0, err
		}
		if len(body.List) > 0 {
			ret, ok := body.List[len(body.List)-1].(*ast.ReturnStmt)
			if ok && len(ret.Results) == 2 {
				if id, ok := ret.Results[0].(*ast.Ident); ok && id.Name == "s" {
					return set.Position(ret.Pos()).Line, nil
				}
			}
		}
		return 0, fmt.Errorf("%s: Connect should begin with s := &Session{Connection: c} and end with return s, nil, so that lines about s can be inserted before it", sessionFile)
	}}
}

// intoConfigList adds an element to a field of Config in main.go that is a list, which needs a package.
func intoConfigList(program []byte, field, of, element, imports string) insertion {
	whole := intoConfig(field+": "+of+"{\n\t\t\t"+element+"\n\t\t},", imports)
	whole.shared = false
	_, missing := removeLines(program, whole.text)
	if !bytes.Contains(program, []byte(field+":")) || len(missing) == 0 { // or it was generated before
		return whole
	}
	return insertion{file: mainFile, text: "\t\t\t" + element + "\n", imports: imports, at: func(text []byte) (int, error) {
		set, body, err := function(mainFile, text, "Config")
		if err != nil {
			return 0, err
		}
		var list *ast.CompositeLit
		ast.Inspect(body, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == field {
					list, _ = pair.Value.(*ast.CompositeLit)
				}
			}
			return true
		})
		if list == nil {
			return 0, fmt.Errorf("%s: the %s of Config are not a list; make them one, %s: %s{…}, and try again", mainFile, field, field, of)
		}
		return ownLine(set, list.Rbrace, "list", mainFile, text)
	}}
}

// intoHead adds a line to the head of the layout, if it has one that ends on a line of its own.
func intoHead(layout []byte, line string) (insertion, bool) {
	end := func(text []byte) int {
		n := 0
		for text := range strings.Lines(string(text)) {
			if n++; strings.TrimSpace(text) == "</head>" {
				return n
			}
		}
		return 0
	}
	return insertion{file: layoutFile, text: "  " + line + "\n", at: func(text []byte) (int, error) { return end(text), nil }}, end(layout) > 0
}
