package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func newErase(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	in := wire.Erase{}
	cmd := &cobra.Command{
		Use:   "erase USER",
		Short: "Take a person out of the data, for good",
		Long: `Delete a record with what belongs to it, take both out of the log, the unused space of
the file, the archive and the backups that tower has written in the folders of the
application and of the data, and prove it: search the bytes of all of them for the ids and
the texts of what was deleted. USER is a record, like users/01J…, or its id.

Without --yes, only say what would be done. Nothing that was done before, by anybody, can
be undone or restored afterwards. What is left of an erasure that was ended is done by the
same command.

The application may run, and its clients receive the deletions; if none runs, it is
started.`,
		Example: `  tower db erase users/01JDA7Q4Z3M8X2V6K9T5B1C0RW
  tower db erase users/01JDA7Q4Z3M8X2V6K9T5B1C0RW --yes`,
		Args: cli.OneArgument("a user", "users/01JDA7Q4Z3M8X2V6K9T5B1C0RW, or the id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Key = args[0]
			return connectedIn(choice, cmd, func(client *control.Client) error { return runErase(cmd, client, in) })
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose data to change")
	cmd.Flags().BoolVar(&in.Run, "yes", false, "erase what the plan says")
	return cmd
}

func runErase(cmd *cobra.Command, client *control.Client, in wire.Erase) error {
	ask := func(in wire.Erase) (out wire.Erasure, err error) {
		input, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		progress := cli.NewProgress(cmd.ErrOrStderr())
		defer progress.End()
		err = doReportingSteps(cmd.Context(), client, wire.ControlRequest{Do: wire.DoErase, In: input}, &out, func(p *wire.Progress) { progress.Report(p.Step, p.Done, p.Total) })
		return out, err
	}
	plan, err := ask(wire.Erase{Key: in.Key})
	if err != nil {
		return err
	}
	printPlan(cmd.OutOrStdout(), &plan)
	if !in.Run {
		return cli.Hinted(errors.New("nothing was changed"), "to erase it: "+cmd.CommandPath()+" "+plan.Key+" --yes")
	}
	done, err := ask(in)
	if err != nil {
		return err
	}
	printProof(cmd.OutOrStdout(), done.Proof)
	return nil
}

func printPlan(out io.Writer, plan *wire.Erasure) {
	fmt.Fprintf(out, "%s and what belongs to it:\n", plan.Key)
	if plan.Begun {
		fmt.Fprintln(out, "  an erasure of it was ended before it was complete; the rest is done")
	}
	for _, model := range slices.Sorted(maps.Keys(plan.Deleted)) {
		fmt.Fprintf(out, "  delete   %d of %s\n", plan.Deleted[model], model)
	}
	if plan.Content > 0 {
		fmt.Fprintf(out, "  remove   %s of these records and the user's uploads; files that other records use stay\n", cli.Count(plan.Content, "file"))
	}
	for _, field := range slices.Sorted(maps.Keys(plan.Cleared)) {
		fmt.Fprintf(out, "  empty    %s in %s\n", field, cli.Count(plan.Cleared[field], "record"))
	}
	fmt.Fprintln(out, "  forget   all commits up to now: none of them can be undone or restored")
	for _, path := range plan.Files {
		fmt.Fprintf(out, "  remove   %s\n", relative(path))
	}
	if plan.Archive != "" {
		fmt.Fprintf(out, "  renew    the archive %s, which one new backup replaces\n", term.Clean(plan.Archive))
	}
}

func printProof(out io.Writer, p *wire.ErasureProof) {
	fmt.Fprintf(out, "Erased. %s with %s were searched for %s and %s: there is none.\n",
		cli.Count(p.Files, "file"), term.Bytes(p.Bytes), cli.Count(p.IDs, "id"), cli.Count(p.Texts, "text"))
	if p.Replaced > 0 {
		fmt.Fprintf(out, "In the archive one backup has replaced %s.\n", cli.Count(p.Replaced, "file"))
	}
	if p.Short > 0 {
		fmt.Fprintf(out, "Not searched for, as too short: %s.\n", cli.Count(p.Short, "text"))
	}
	if len(p.Shared) > 0 {
		var shown []string
		for _, text := range p.Shared[:min(len(p.Shared), 5)] {
			shown = append(shown, fmt.Sprintf("%.30q", text))
		}
		fmt.Fprintf(out, "Not searched for, as other records have them too: %s, such as %s.\n", cli.Count(len(p.Shared), "text"), strings.Join(shown, ", "))
	}
	fmt.Fprintln(out, "Backups elsewhere, and older versions that a bucket keeps, are yours to remove.")
}
