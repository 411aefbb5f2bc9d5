package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
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
