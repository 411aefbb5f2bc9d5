package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/conformance"
	"github.com/towerkit/tower/internal/wire/line"
)

func newConformance() *cobra.Command {
	var transport string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "conformance URL",
		Short: "Hold a server of the protocol against scripts of frames",
		Long: `Hold a server of tower's protocol against scripts of frames, over each transport.

The server at URL must serve the notes application, which docs/protocol.md describes, and
must have no records. Each script connects clients, sends frames, and compares what the
server sends. Scripts remove the records that they make.

The exit code is 0 if the server conforms, and 1 if it does not.`,
		Example: `  tower conformance http://localhost:3000
  tower conformance http://localhost:3000 --transport poll`,
		Args: cli.OneArgument("URL", "the address of a server, such as http://localhost:3000"),
		RunE: func(cmd *cobra.Command, args []string) error {
			transports := line.Transports()
			if transport != "" {
				if !slices.Contains(transports, transport) {
					return cli.Usage(fmt.Sprintf("--transport %q is not a transport", transport), "it is socket, stream or poll")
				}
				transports = []string{transport}
			}
			at, err := url.Parse(args[0])
			if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
				return cli.Usage(fmt.Sprintf("%q is not the URL of a server", args[0]), "for example: http://localhost:3000")
			}
			return conform(cmd, args[0], transports, asJSON)
		},
	}
	cmd.Flags().StringVar(&transport, "transport", "", "use only this transport: socket, stream or poll")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each result as a line of JSON")
	return cmd
}

// A conformed is the result of one script over one transport.
type conformed struct {
	Script    string `json:"script"`
	Transport string `json:"transport"`
	OK        bool   `json:"ok"`
	Error     string `json:"error,omitempty"`
}

func conform(cmd *cobra.Command, url string, transports []string, asJSON bool) error {
	scripts, err := conformance.Scripts()
	if err != nil {
		return err
	}
	failed := 0
	for _, transport := range transports {
		for _, script := range scripts {
			result := conformed{Script: script.Name, Transport: transport, OK: true}
			if err := script.Run(cmd.Context(), url, transport); err != nil {
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				result.OK, result.Error = false, err.Error()
				failed++
			}
			if err := printConformed(cmd.OutOrStdout(), result, script.About, asJSON); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return cli.Hinted(fmt.Errorf("%d of %d scripts failed", failed, len(scripts)*len(transports)),
			"the server must serve the notes application of docs/protocol.md, without records")

	}
	return nil
}

func printConformed(out io.Writer, result conformed, about string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(result)
	}
	mark := "✓"
	if !result.OK {
		mark = "✗"
	}
	_, err := fmt.Fprintf(out, "%s %-6s  %-8s  %s\n", mark, result.Transport, result.Script, about)
	if err == nil && !result.OK {
		_, err = fmt.Fprintf(out, "  %v\n", errors.New(result.Error))
	}
	return err
}
