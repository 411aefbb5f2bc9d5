package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which tower this is",
		Args:  noArguments,
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

// version is the version that this program was built as, "development" for one
// that was never released.
func version() string {
	if v := released(); v != "" {
		return v
	}
	return "development"
}

// released is the version of a released tower, which an application can
// require; "" if this program is not one.
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
