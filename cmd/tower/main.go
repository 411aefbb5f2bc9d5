// Command tower creates, runs and inspects realtime web applications.
package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. It returns the exit code: 0 for success, 1 for a failure, 2 for
// an invalid command line.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	err := checkCommand(root, args)
	if err == nil {
		err = root.Execute()
	}
	if err != nil && !began {
		err = asUsageError(err)
	}
	return report(stderr, err)
}

func newRoot() *cobra.Command {
	cobra.EnableCommandSorting = false
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
		Args:                  cobra.ArbitraryArgs,
		Version:               version(),
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("tower {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemo(),
		newNew(),
		newGenerate(),
		newDestroy(),
		newServer(),
		newConsole(),
		newRoutes(),
		newQuery(),
		newDB(),
		newTest(),
		newBench(),
		newBenchLoad(),
		newConformance(),
		newBuild(),
		newDeploy(),
		newVendor(),
		newDoctor(),
		newVersion(),
	)
	return root
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show help for a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommandError(cmd.Root(), strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, command := range cmd.Root().Commands() {
				if command.IsAvailableCommand() && len(args) == 0 && strings.HasPrefix(command.Name(), start) {
					names = append(names, cobra.CompletionWithDesc(command.Name(), command.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
