package scaffolds

import (
	"strings"
	"testing"
)

// What an application has is read from its source, whoever wrote that.
func TestModels(t *testing.T) {
	dir := newApp(t)
	put(t, dir, "models/mine.go", `package models

import "github.com/towerkit/tower"

type (
	Account struct {
		tower.Record
		secret   string
		Password string   `+"`json:\"password\" tower:\"private\" validate:\"required\"`"+`
		TeamID   tower.ID `+"`json:\"teamId\" tower:\"ref=teams,index\" validate:\"required\"`"+`
		Email    string   `+"`json:\"email\" validate:\"required,email\"`"+`
	}
	Team struct {
		tower.Record
		OwnerID tower.ID `+"`json:\"ownerId\" tower:\"ref=accounts\" validate:\"required\"`"+`
	}
)

var (
	Accounts, Teams = tower.NewModel[Account]("accounts"), tower.NewModel[Team]("teams")
	other           = len("x")
)
`)
	p, err := openProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	models, err := p.models()
	if err != nil {
		t.Fatal(err)
	}
	if len(models) != 2 {
		t.Fatalf("models are %+v", models)
	}
	a, b := models[0], models[1]
	if a.Type != "Account" || a.Var != "Accounts" || a.Collection != "accounts" || a.Label != "Email" || a.file != "models/mine.go" {
		t.Errorf("the first is %+v", a)
	}
	if b.Var != "Teams" || b.Label != "" || len(b.fields) != 1 || b.fields[0].ref != "accounts" {
		t.Errorf("the second is %+v", b)
	}

	_, err = Generate(dir, "scaffold", []string{"Post", "title:string", "account:ref:required"}, false)
	if err == nil || !strings.Contains(err.Error(), "accounts and teams require each other") {
		t.Errorf("a record that nobody can make first: %v", err)
	}
	apply(t)(Generate(dir, "scaffold", []string{"Post", "title:string", "account:ref"}, false))
}
