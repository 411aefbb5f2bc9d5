package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newGenerateTypes() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "types",
		Short: "Write TypeScript types from the application's Go declarations",
		Long: `Write app/tower.d.ts: TypeScript types of the models, of the inputs and outputs of
actions, and of the cursors, from their Go declarations, with the types of the client
library. If the application is not running, tower generate types starts it.

tower server writes the file on every change if the application has a folder app.`,
	}
	return derivedCommand(cmd, func(app *application, _ *control.Client, schema wire.Schema, force bool) (*scaffolds.Plan, error) {
		return scaffolds.Types(app.Folder, schema, client.Types(), force)
	})
}

// updateTypes writes the types of the running application if it has a folder app and the
// types have changed. It returns a note that lists the written files, or "".
func updateTypes(ctx context.Context, app *application) (string, error) {
	if info, err := os.Stat(filepath.Join(app.Folder, "app")); err != nil || !info.IsDir() {
		return "", nil
	}
	connected, err := app.Attach(ctx)
	if err != nil {
		return "", fmt.Errorf("types for app/: %w", err)
	}
	defer connected.Close()
	schema, err := fetchSchema(ctx, connected)
	if err != nil {
		return "", fmt.Errorf("types for app/: %w", err)
	}
	plan, err := scaffolds.Types(app.Folder, schema, client.Types(), false)
	if err != nil {
		return "", fmt.Errorf("types for app/: %w", err)
	}
	if len(plan.Conflicts()) > 0 {
		return "", fmt.Errorf("types for app/: %s is not tower's; see: tower generate types", plan.Conflicts()[0].Path)
	}
	var written []string
	for _, step := range plan.Steps {
		if step.Verb != scaffolds.Identical {
			written = append(written, step.Path)
		}
	}
	if len(written) == 0 {
		return "", nil
	}
	return "wrote " + strings.Join(written, ", "), plan.Apply()
}
