package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/protocol/notes"
	"github.com/towerkit/tower/towertest"
)

func TestConformance(t *testing.T) {
	app := towertest.Open(t, notes.Config())
	for _, test := range []struct {
		args         []string
		code         int
		stdout, errs string
	}{
		{[]string{"conformance", app.URL}, 0, "✓ socket  changes   Records enter", ""},
		{[]string{"conformance", app.URL + "/", "--transport", "poll", "--json"}, 0, `{"script":"changes","transport":"poll","ok":true}`, ""},
		{[]string{"conformance"}, 2, "", "conformance needs URL"},
		{[]string{"conformance", "localhost:3000"}, 2, "", `"localhost:3000" is not the URL of a server`},
		{[]string{"conformance", app.URL, "--transport", "pigeon"}, 2, "", "it is socket, stream or poll"},
		{[]string{"conformance", "http://127.0.0.1:1", "--transport", "poll"}, 1, "✗ poll", "of docs/protocol.md"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(test.args, strings.NewReader(""), &stdout, &stderr)
		if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.errs) {
			t.Errorf("tower %q: exit %d, %s%s", test.args, code, &stdout, &stderr)
		}
	}
}
