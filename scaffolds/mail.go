package scaffolds

import (
	"fmt"
	"path"
)

const mailLayoutFile = "views/layouts/mail.html"

// A mail describes a generated mail, for the templates in mail/.
type mail struct {
	Module string
	App    string // the name of the application
	Func   string // PasswordReset
	File   string // password_reset
	Title  string // Password reset
}

func mailName(args []string) (name, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("the name is missing; for example: tower generate mail Welcome")
	}
	if len(args) > 1 {
		return nil, fmt.Errorf("mail %s: %q is too much: it has a name only", args[0], args[1])
	}
	n, err := parseName("mail", args[0])
	if err != nil {
		return nil, err
	}
	return n, n.checkWord("mail", args[0])
}

func makeMail(p *project, args []string) (*generation, error) {
	n, err := mailName(args)
	if err != nil {
		return nil, err
	}
	m := mail{Module: p.module, App: path.Base(p.module), Func: n.goName(), File: n.snake(), Title: n.title()}
	g := &generation{kind: "mail", name: m.Func}
	for _, f := range [][2]string{
		{"mails/" + m.File + ".go", "mail/mail.go.tmpl"},
		{"views/mail/" + m.File + ".html", "mail/view.html"},
		{m.File + "_mail_test.go", "mail/test.go.tmpl"},
	} {
		if err := g.add(f[0], f[1], m); err != nil {
			return nil, err
		}
	}
	return g, g.addMailLayout(p, m)
}

// addMailLayout adds the layout of all mail, unless there is one.
func (g *generation) addMailLayout(p *project, data any) error {
	layout, err := p.read(mailLayoutFile)
	if err != nil || layout != nil {
		return err
	}
	if layout, err = render("mail/layout.html", data); err != nil {
		return err
	}
	// The layout is that of all mail, so it is not removed with the first.
	g.insertions = append(g.insertions, insertion{file: mailLayoutFile, text: string(layout), owner: "layout", shared: true, fresh: []byte{},
		at: func([]byte) (int, error) { return 1, nil }})
	return nil
}
