package settings

import (
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/database"
	"github.com/towerkit/tower/internal/environ"
)

// A variable is one of tower's own.
type variable struct {
	name     string
	fallback string // "" if nothing stands for it, or what does is no text
	process  bool   // only the process can set it, as the files are found by it
	secret   bool
}

func variables(env string) []variable {
	console, accessLog, audit, slow, workers := "on", "on", "off", "200ms", "10"
	if env == "production" {
		console, audit = "off", "5m"
	}
	if env == "test" {
		accessLog, slow, workers = "off", "off", "0"
	}
	return []variable{
		{name: "TOWER_ENV", fallback: "development", process: true},
		{name: "TOWER_FOLDER", process: true},
		{name: "TOWER_ADDR", fallback: "127.0.0.1:3000"},
		{name: "TOWER_DB", fallback: "db/" + env + ".db"},
		{name: "TOWER_DB_LISTEN"},
		{name: "TOWER_DB_WAIT"},
		{name: "TOWER_REPLICA"},
		{name: "TOWER_FILES"},
		{name: "TOWER_SECRET", secret: true},
		{name: "TOWER_NODE_ADDRESS"},
		{name: "TOWER_BACKUP"},
		{name: "TOWER_BACKUP_KEEP", fallback: "7d"},
		{name: "TOWER_CONSOLE", fallback: console},
		{name: "TOWER_AUDIT", fallback: audit},
		{name: "TOWER_DOMAIN"},
		{name: "TOWER_HTTP_ADDR"},
		{name: "TOWER_CERTIFICATES"},
		{name: "TOWER_ACME"},
		{name: "TOWER_ACME_EMAIL"},
		{name: "TOWER_URL"},
		{name: "TOWER_HOSTS"},
		{name: "TOWER_TRUSTED_PROXIES"},
		{name: "TOWER_ACCESS_LOG", fallback: accessLog},
		{name: "TOWER_SLOW", fallback: slow},
		{name: "TOWER_WORKERS", fallback: workers},
		{name: "TOWER_WEBHOOK_ALLOW"},
		{name: "TOWER_WORK", process: true},
		{name: "TOWER_SMTP", secret: true},
		{name: "TOWER_MAIL_FROM"},
		{name: "TOWER_METRICS_TOKEN", secret: true},
		{name: "TOWER_TEST_UPDATE", process: true},
		{name: "TOWER_MIGRATE", process: true},
		{name: "TOWER_RELEASES", process: true},
		{name: "TOWER_DEPLOY", process: true},
		{name: "TOWER_SUPERVISOR"},
		{name: "TOWER_SERVER_URL"},
	}
}

// Own lists tower's own variables in an environment such as development, set or not. code
// holds those that the application's Config sets instead, "" for none. Then follow others
// that begin with TOWER_; their values may be secret.
func Own(from *environ.Environment, env string, code map[string]string) (all []Setting) {
	known := map[string]bool{}
	for _, v := range variables(env) {
		known[v.name] = true
		s := Setting{Name: v.name, Secret: v.secret, From: from.From(v.name), Value: from.Get(v.name)}
		if v.process && s.From != environ.Process {
			s.From, s.Value = "", ""
		}
		if code[v.name] != "" {
			s.From, s.Value = "Config", code[v.name]
		}
		if s.From == "" && v.fallback != "" {
			s.From, s.Value = "default", v.fallback
		}
		if s.Secret {
			s.Value = ""
		}
		if database.Is(s.Value) {
			s.Value = database.Shown(s.Value)
		}
		all = append(all, s)
	}
	for _, name := range slices.Sorted(maps.Keys(from.All())) {
		if strings.HasPrefix(name, "TOWER_") && !known[name] {
			all = append(all, Setting{Name: name, From: from.From(name), Secret: true})
		}
	}
	return all
}
