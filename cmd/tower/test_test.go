package main

import (
	"testing"

	"github.com/towerkit/tower/internal/commands"
)

func TestTestsNeedNoC(t *testing.T) {
	app := &application{Application: &commands.Application{Folder: t.TempDir()}}
	for _, test := range []struct {
		args  []string
		flags string
		want  bool
	}{
		{[]string{"./...", "-run", "race"}, "-mod=mod", true},
		{[]string{"./...", "-race"}, "", false},
		{[]string{"./...", "--race=true"}, "", false},
		{[]string{"./..."}, "-mod=mod -msan", false},
	} {
		t.Setenv("GOFLAGS", test.flags)
		if got := testEnviron(app, test.args)[0] == "CGO_ENABLED=0"; got != test.want {
			t.Errorf("go test %v with GOFLAGS=%s is built without C: %v", test.args, test.flags, got)
		}
	}
}
