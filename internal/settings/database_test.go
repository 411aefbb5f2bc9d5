package settings

import (
	"testing"

	"github.com/towerkit/tower/internal/environ"
)

// TestOwnShowsNoPassword leaves the password out of the address of a database.
func TestOwnShowsNoPassword(t *testing.T) {
	const address = "postgres://ada:secret@db.example.com/app"
	t.Setenv("TOWER_DB", address)
	t.Setenv("TOWER_DB_LISTEN", address)
	from, err := environ.Read(t.TempDir(), "production")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, code := range []map[string]string{nil, {"TOWER_DB": address}} {
		for _, s := range Own(from, "production", code) {
			if s.Name == "TOWER_DB" || s.Name == "TOWER_DB_LISTEN" {
				found++
				if s.Value != "postgres://ada@db.example.com/app" {
					t.Errorf("%s is shown as %s", s.Name, s.Value)
				}
			}
		}
	}
	if found != 4 {
		t.Errorf("%d addresses were shown", found)
	}
}
