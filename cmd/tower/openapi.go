package main

import (
	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/openapi"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/scaffolds"
)

func newGenerateOpenAPI() *cobra.Command {
	var dryRun, force bool
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Write an OpenAPI document of the application's routes",
		Long: `Write openapi.json: an OpenAPI 3.0 document of the actions, the cursors as they are read
over HTTP, and the handlers, from their Go declarations. If the application is not
running, tower generate openapi starts it.

An application whose Config.OpenAPI is set serves the document at /_tower/openapi.json.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApplication(cmd, func(app *application, connected *control.Client) error {
				schema, err := fetchSchema(cmd.Context(), connected)
				if err != nil {
					return err
				}
				document, err := openapi.Document(schema, openapi.Info{Title: connected.Hello().App})
				if err != nil {
					return err
				}
				plan, err := scaffolds.OpenAPI(app.Folder, document, openapi.Mark, force)
				if err != nil {
					return err
				}
				return applyPlan(cmd.OutOrStdout(), plan, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan, and change nothing")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a file that tower did not write")
	return cmd
}
