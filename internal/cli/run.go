package cli

import (
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// EndSignals are the signals that end a command.
var EndSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// Run runs the command that args name below root, and returns the exit code: 0 for success, 1
// for a failure, 2 for an invalid command line. It adds the command help, and shows the
// commands in the order in which they were added.
func Run(root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cobra.EnableCommandSorting = false
	root.SilenceUsage, root.SilenceErrors, root.DisableFlagsInUseLine = true, true, true
	root.SetHelpCommand(newHelp())
	root.SetFlagErrorFunc(flagError)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	err := checkCommand(root, args)
	nameCommands(root)
	if err == nil {
		err = root.Execute()
	}
	if err != nil && !began {
		err = asUsageError(root, err)
	}
	return report(stderr, root, err)
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show help for a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return UnknownCommandError(cmd.Root(), strings.Join(args, " "))
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
