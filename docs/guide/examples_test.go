package guide_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// maxExample is how many lines an example may have.
const maxExample = 20

// examples are what an application must be able to do in a few lines, and where a guide
// shows it. The tests of the guide run it.
var examples = map[string]struct{ guide, file string }{
	"a webhook with a signature over the raw body": {"handlers", "controllers/stripe.go"},
	"a callback of another site":                   {"handlers", "controllers/callback.go"},
	"a feed":                                       {"handlers", "controllers/feed.go"},
	"a third-party middleware":                     {"handlers", "main.go"},
	"an export in little memory":                   {"answers", "controllers/export.go"},
	"a download with ranges":                       {"answers", "controllers/download.go"},
	"a page behind sign-in":                        {"answers", "controllers/account.go"},
	"a worker that follows a queue":                {"running", "worker.go"},
	"an application with a main of its own":        {"running", "main.go"},
	"a cursor read and followed by curl":           {"json", "examples.sh"},
}

func TestExamplesAreShortAndRun(t *testing.T) {
	for what, example := range examples {
		lines := 0
		for _, b := range blocks(t, example.guide+".md") {
			if b.file == example.file {
				lines += len(strings.Split(strings.TrimSpace(b.text), "\n"))
			}
		}
		if lines == 0 || lines > maxExample {
			t.Errorf("%s: %s of %s.md has %d lines, not 1 to %d", what, example.file, example.guide, lines, maxExample)
		}
		if tests, err := filepath.Glob(filepath.Join("testdata", example.guide, "*_test.go")); err != nil || len(tests) == 0 {
			t.Errorf("%s: no test runs %s.md (%v)", what, example.guide, err)
		}
	}
}
