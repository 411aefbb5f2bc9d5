package repl

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
)

// The test binary acts as the console itself if the environment names an application to
// attach to.
const childSocket = "TOWER_REPL_TEST_SOCKET"

func TestMain(m *testing.M) {
	time.Local = time.UTC
	path := os.Getenv(childSocket)
	if path == "" {
		os.Exit(m.Run())
	}
	o := Options{
		Dial:     func(ctx context.Context) (*control.Client, error) { return control.Attach(ctx, path, "console:ada") },
		Plain:    os.Getenv("TOWER_REPL_TEST_PLAIN") != "",
		History:  os.Getenv("TOWER_REPL_TEST_HISTORY"),
		Sandbox:  os.Getenv("TOWER_REPL_TEST_SANDBOX") != "",
		ReadOnly: os.Getenv("TOWER_REPL_TEST_READ_ONLY") != "",
		onMsg: func(msg any) {
			if key, ok := msg.(tea.KeyMsg); ok && strings.HasPrefix(string(key.Runes), "¡panic!") {
				panic("asked to")
			}
		},
	}
	os.Exit(Run(context.Background(), o))
}
