package scaffolds

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// A deployFile is a file with which an application is deployed.
type deployFile struct{ part, name, template string }

// deployFiles are in the order in which a plan shows them. NAME stands for the application's.
var deployFiles = []deployFile{
	{"systemd", "deploy/install.sh", "install.sh"},
	{"systemd", "deploy/NAME.service", "service"},
	{"systemd", "deploy/NAME.socket", "socket"},
	{"systemd", "deploy/NAME-http.socket", "http.socket"},
	{"systemd", "deploy/NAME.env.example", "env.example"},
	{"docker", "Dockerfile", "Dockerfile"},
	{"docker", ".dockerignore", "dockerignore"},
	{"fly", "fly.toml", "fly.toml"},
	{"kamal", "config/deploy.yml", "kamal.yml"},
	{"kamal", ".kamal/secrets", "kamal.secrets"},
	{"github", ".github/workflows/test.yml", "workflow.yml"},
}

var deployParts = []string{"systemd", "docker", "fly", "kamal", "github"}

// makeDeploy makes the files of the given parts, or of all.
func makeDeploy(p *project, parts []string) (*generation, error) {
	for _, part := range parts {
		if !slices.Contains(deployParts, part) {
			return nil, fmt.Errorf("deploy %q: it is one of %s, or none for all", part, strings.Join(deployParts, ", "))
		}
	}
	text, err := p.read("go.mod")
	if err != nil {
		return nil, err
	}
	mod, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	data := struct{ Name, Go string }{Name: path.Base(p.module), Go: "latest"}
	if mod.Go != nil {
		data.Go = mod.Go.Version
	}
	if problem := unusable(data.Name); problem != "" {
		return nil, fmt.Errorf("deploy: the application's name %q %s, and cannot be that of a user and a unit", data.Name, problem)
	}
	g := &generation{kind: "deploy"}
	for _, f := range deployFiles {
		if len(parts) > 0 && !slices.Contains(parts, f.part) {
			continue
		}
		if err := g.add(strings.ReplaceAll(f.name, "NAME", data.Name), "deploy/"+f.template, data); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// unusable returns why a name cannot be that of a user of Debian.
func unusable(name string) string {
	if len(name) > 31 {
		return "is longer than 31 letters"
	}
	for i, r := range name {
		if !(r >= 'a' && r <= 'z' || i > 0 && (r >= '0' && r <= '9' || r == '-' || r == '_')) {
			return fmt.Sprintf("has %q", r)
		}
	}
	return ""
}

// deployName is the name in the manifest: an application has one of the kind.
func deployName([]string) (string, error) { return "", nil }
