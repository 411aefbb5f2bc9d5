package commands

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/program"
)

func newVersion(app program.Application) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the application",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			facts := struct {
				App      string `json:"app"`
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Tower    string `json:"tower"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{app.Name, version(app), app.Commit, towerVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			out := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(facts)
			}
			fmt.Fprintf(out, "%s\n", about(app))
			if app.Commit != "" {
				fmt.Fprintf(out, "commit %s\n", app.Commit)
			}
			fmt.Fprintf(out, "tower %s\n%s %s\n", facts.Tower, facts.Go, facts.Platform)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// version returns the version that tower build has stated, or "development".
func version(app program.Application) string {
	if app.Version == "" {
		return "development"
	}
	return app.Version
}

func about(app program.Application) string { return app.Name + " " + version(app) }

// towerVersion returns the version of tower that the program has in it, or "development".
func towerVersion() string {
	const module = "github.com/towerkit/tower"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	for _, dep := range info.Deps {
		if dep.Path == module && dep.Replace == nil {
			return dep.Version
		}
	}
	return "development"
}
