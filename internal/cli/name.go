package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Named makes a text of a command fit the program that the command is in: the text says
// "tower db backup", and a program that has the command db has its own name there.
func Named(cmd *cobra.Command, text string) string {
	root := cmd.Root()
	if root.Name() == "tower" || text == "" {
		return text
	}
	var names []string
	for _, command := range root.Commands() {
		names = append(names, regexp.QuoteMeta(command.Name()))
	}
	return regexp.MustCompile(`\btower (`+strings.Join(names, "|")+`)\b`).ReplaceAllString(text, root.Name()+" $1")
}

// nameCommands puts the name of the program into the texts of a command and its subcommands.
func nameCommands(cmd *cobra.Command) {
	cmd.Long, cmd.Example = Named(cmd, cmd.Long), Named(cmd, cmd.Example)
	for _, command := range cmd.Commands() {
		nameCommands(command)
	}
}
