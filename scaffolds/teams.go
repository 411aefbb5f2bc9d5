package scaffolds

// teamsFiles are the generated files of teams by their templates.
var teamsFiles = [][2]string{
	{"models/team.go", "team.go.tmpl"},
	{"models/invitation.go", "invitation.go.tmpl"},
	{"controllers/teams.go", "teams.go.tmpl"},
	{"controllers/memberships.go", "memberships.go.tmpl"},
	{"controllers/invitations.go", "invitations.go.tmpl"},
	{"controllers/joins.go", "joins.go.tmpl"},
	{"mails/team.go", "mails.go.tmpl"},
	{"views/teams/_heading.html", "views/teams/_heading.html"},
	{"views/teams/_menu.html", "views/teams/_menu.html"},
	{"views/teams/_settings.html", "views/teams/_settings.html"},
	{"views/teams/edit.html", "views/teams/edit.html"},
	{"views/teams/index.html", "views/teams/index.html"},
	{"views/teams/new.html", "views/teams/new.html"},
	{"views/teams/remove.html", "views/teams/remove.html"},
	{"views/teams/show.html", "views/teams/show.html"},
	{"views/memberships/_member.viewer.html", "views/memberships/_member.viewer.html"},
	{"views/memberships/_roles.html", "views/memberships/_roles.html"},
	{"views/memberships/_team.html", "views/memberships/_team.html"},
	{"views/memberships/edit.html", "views/memberships/edit.html"},
	{"views/memberships/leave.html", "views/memberships/leave.html"},
	{"views/invitations/_invitation.viewer.html", "views/invitations/_invitation.viewer.html"},
	{"views/invitations/new.html", "views/invitations/new.html"},
	{"views/joins/show.html", "views/joins/show.html"},
	{"teams_test.go", "test.go.tmpl"},
	{"testdata/rights_teams.txt", "rights.txt"},
}

// teamsLines connect teams with accounts.
func teamsLines(*auth) []insertion {
	return []insertion{
		intoSession("Roles", "\tRoles map[tower.ID]string // of the user, by team: see memberships.go\n"),
		intoConnect("\tif err := s.followTeams(ctx); err != nil {\n\t\treturn nil, err\n\t}\n"),
		atStart("controllers/accounts.go", "Accounts.delete", "\tif err := c.leaveTeams(ctx, tx, user); err != nil {\n\t\treturn err\n\t}\n"),
		intoFacts("teams", "teamFacts", "Teams"),
		beforeLine(layoutFile, "      {{.Region \"teams/_menu.html\"}}\n", `{{.Region "sessions/_menu.html"}}`, "</nav>"),
	}
}
