package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/towerkit/tower/internal/cli"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of tower",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			facts := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
				Source   string `json:"source,omitempty"`
			}{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, sourceTree()}
			out := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(facts)
			}
			fmt.Fprintf(out, "tower %s\n%s %s\n", facts.Version, facts.Go, facts.Platform)
			if facts.Source != "" {
				fmt.Fprintf(out, "built from %s\n", facts.Source)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// version returns the version of this program, or "development" if it is no release.
func version() string {
	if v := released(); v != "" {
		return v
	}
	return "development"
}

// released returns the version of this program if it is a release, which an application
// can require, or "".
func released() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != towerModule {
		return ""
	}
	v := info.Main.Version
	if !semver.IsValid(v) || semver.Build(v) != "" || module.IsPseudoVersion(v) {
		return ""
	}
	return v
}
