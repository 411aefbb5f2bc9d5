// Command tower creates, runs and inspects realtime web applications.
package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/commands/db"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. It returns the exit code: 0 for success, 1 for a failure, 2 for
// an invalid command line.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(newRoot(), args, stdin, stdout, stderr)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tower",
		Short: "A toolkit for realtime web applications in Go",
		Long: `A toolkit for realtime web applications in Go.

A page is live because it has cursors open: queries that stay up to date. When a record
changes, every browser that may see it receives the change in the same commit.`,
		Example: `  tower demo            see it all: a sample application and its console
  tower new blog        create an application
  tower server          serve the application in this folder, and rebuild it on changes
  tower console         inspect and change it while it runs`,
		Args:    cobra.ArbitraryArgs,
		Version: version(),
		RunE:    func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("tower {{.Version}}\n")
	root.AddCommand(
		newDemo(),
		newNew(),
		newGenerate(),
		newDestroy(),
		newServer(),
		commands.Find(find).Console(),
		commands.Find(find).Routes(),
		commands.Find(find).Profile(),
		commands.Find(find).Query(),
		commands.Find(find).Jobs(),
		newWork(),
		db.New(find),
		newTest(),
		newBench(),
		newBenchLoad(),
		newConformance(),
		newBuild(),
		newDeploy(),
		newVendor(),
		newUpgrade(),
		newDoctor(),
		newVersion(),
	)
	return root
}
