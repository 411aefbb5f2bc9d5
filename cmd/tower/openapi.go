package main

import (
	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/openapi"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newGenerateOpenAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Write an OpenAPI document of the application's routes",
		Long: `Write openapi.json: an OpenAPI 3.0 document of the actions, the cursors as they are read
over HTTP, and the handlers, from their Go declarations. If the application is not
running, tower generate openapi starts it.

An application whose Config.OpenAPI is set serves the document at /_tower/openapi.json.`,
	}
	return derivedCommand(cmd, func(app *application, connected *control.Client, schema wire.Schema, force bool) (*scaffolds.Plan, error) {
		document, err := openapi.Document(schema, openapi.Info{Title: connected.Hello().App})
		if err != nil {
			return nil, err
		}
		return scaffolds.OpenAPI(app.Folder, document, openapi.Mark, force)
	})
}
