package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/scaffolds"
)

func newGenerate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "generate KIND NAME [FIELD:TYPE…]",
		Aliases: []string{"g"},
		Short:   "Write a model, a controller, or both with their pages",
		Long: `Write code into the application: a model, a controller, or a scaffold, which is both
with their pages and tests. What was written can be taken back with tower destroy.
tower generate types writes TypeScript types for a front end in app/.

A field is NAME:TYPE, with TYPE one of string, text, int, float, bool, time and ref.
A ref refers to another model: author:ref to Author, author:ref=users to User. More can
follow: title:string:required, email:string:unique, state:string:index.`,
		Example: `  tower generate scaffold Post title:string body:text published:bool author:ref
  tower generate model User name:string email:string:unique
  tower generate controller Pages about contact
  tower generate types`,
	}
	cmd.AddCommand(newGenerateTypes())
	return plannedCommand(cmd, scaffolds.Generate, "overwrite files that are not as they were generated")
}

func newDestroy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy KIND NAME",
		Short: "Take back what generate wrote",
		Long: `Take back exactly what tower generate wrote: files that are as they were generated, and
lines that were inserted into others. A file that was edited is kept and named.`,
		Example: `  tower destroy scaffold Post
  tower destroy controller Pages --dry-run`,
	}
	return plannedCommand(cmd, scaffolds.Destroy, "remove files that were edited, too")
}

// plannedCommand completes a command that plans a change of the application and
// carries it out.
func plannedCommand(cmd *cobra.Command, plan func(folder, kind string, args []string, force bool) (*scaffolds.Plan, error), forcing string) *cobra.Command {
	var dryRun, force bool
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return &usageError{message: cmd.Name() + " needs a kind and a name; the kinds are " + strings.Join(scaffolds.Kinds(), ", "),
				hint: "see: " + cmd.CommandPath() + " --help"}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app, err := findApplication()
		if err != nil {
			return err
		}
		made, err := plan(app.Folder, args[0], args[1:], force)
		if err != nil {
			return argumentError(err, cmd.Name())
		}
		return applyPlan(cmd.OutOrStdout(), made, dryRun)
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return scaffolds.Kinds(), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&force, "force", false, forcing)
	return cmd
}
