package database

import (
	"strings"
	"testing"
)

func TestShown(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://ada:secret@db.example.com:5432/app?sslmode=require":   "postgres://ada@db.example.com:5432/app",
		"postgresql://db.example.com/app?user=ada&password=secret":        "postgresql://db.example.com/app",
		"postgres://ada:se%zzcret@db.example.com/app":                     "postgres://…",
		"postgres://ada:secret/with/slashes@db.example.com:5432/app#frag": "postgres://…",
		"postgres://db.example.com/app":                                   "postgres://db.example.com/app",
	} {
		if !Is(address) {
			t.Errorf("%s is no address", address)
		}
		if got := Shown(address); got != want || strings.Contains(got, "secret") {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
	if Is("db/postgres.db") || Is("/srv/postgres:/app.db") {
		t.Error("a path is an address")
	}
}
