package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// Jobs returns the command jobs.
func (find Find) Jobs() *cobra.Command {
	j := &jobsCommand{}
	cmd := &cobra.Command{
		Use:   "jobs [QUEUE|STATE|JOB|REACTION]",
		Short: "List the queues, schedules, jobs and reactions of the application",
		Long: `List the queues, schedules, reactions and jobs of the application: jobs that run, those
that wait in the order in which they are due, and those that are dead; and the events
that wait for a reaction, those that have failed first. With an argument, list the jobs
of that queue, in that state or of that name, or the events of that reaction; jobs that
are done are kept for seven days. If the application is not running, tower jobs starts it,
with its workers.`,
		Example: `  tower jobs
  tower jobs dead
  tower jobs failed
  tower jobs mail --json
  tower jobs --watch
  tower jobs show 01M82ENM7NWCG84FJC6E41ZYKS
  tower jobs retry 01M82ENM7NWCG84FJC6E41ZYKS
  tower jobs run nightly_report`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usage(fmt.Sprintf("jobs takes at most one argument, got %d", len(args)), "see: "+cmd.CommandPath()+" --help")
			}
			return nil
		},
		ValidArgsFunction: completing(&j.choice, namesOfJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			j.only = strings.Join(args, "")
			return j.choice.with(cmd, func(d *dialer) error { return j.list(cmd, d) })
		},
	}
	cmd.Flags().BoolVar(&j.json, "json", false, "print one object of JSON")
	cmd.Flags().IntVarP(&j.limit, "limit", "n", 50, "list at most so many jobs")
	cmd.Flags().BoolVarP(&j.watch, "watch", "w", false, "keep running, and print the list anew whenever it changes")
	j.choice = find.ChooseRunning(cmd, "environment in which to start an application that is not running")
	cmd.AddCommand(find.showJob(), find.runJob(),
		find.changeJobs("retry", "Try jobs again that are dead or cancelled, or wait, or events for reactions", "tried again", retriable),
		find.changeJobs("cancel", "End jobs that wait or run", "cancelled", cancellable),
		find.changeJobs("drop", "Delete jobs that do not run, or events that wait for reactions", "dropped", droppable))
	return cmd
}

// A jobsCommand is one run of tower jobs.
type jobsCommand struct {
	choice      *Choice
	only        string
	limit       int
	json, watch bool
}

func (j *jobsCommand) list(cmd *cobra.Command, d *dialer) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
	defer stop()
	client, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for before := ""; ; {
		var info wire.JobsInfo
		if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoJobs, Name: j.only, Limit: j.limit}, &info); err != nil {
			if j.watch && ctx.Err() != nil {
				return cli.ExitCode(130)
			}
			return fmt.Errorf("jobs: %w", err)
		}
		if before, err = j.print(cmd.OutOrStdout(), &info, before); err != nil || !j.watch {
			return err
		}
		select {
		case <-time.After(time.Second / 2):
		case <-ctx.Done():
			return cli.ExitCode(130)
		}
	}
}

// print prints the list unless it is as before, and returns what that is compared with. On a terminal the list replaces
// the last one, and times go on.
func (j *jobsCommand) print(out io.Writer, info *wire.JobsInfo, before string) (string, error) {
	if j.json {
		text, err := wire.Encode(info)
		if err != nil || string(text) == before {
			return before, err
		}
		return string(text), printJSON(out, info)
	}
	var text strings.Builder
	newJobsPrinter(out).print(&text, info)
	content := text.String()
	if !cli.IsTerminal(out) {
		for i := range info.Queues {
			info.Queues[i].LateMs = 0
		}
		encoded, err := wire.Encode(info)
		if err != nil {
			return before, err
		}
		content = string(encoded)
	}
	if content == before {
		return before, nil
	}
	if before != "" && cli.IsTerminal(out) {
		fmt.Fprint(out, "\x1b[H\x1b[2J")
	}
	_, err := fmt.Fprint(out, text.String())
	return content, err
}

func printJSON(out io.Writer, v any) error {
	line, err := wire.Encode(v)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", term.CleanJSON(line))
	}
	return err
}

func (find Find) showJob() *cobra.Command {
	var asJSON bool
	var choice *Choice
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Print a job, or an event that waits for a reaction, and why it does not run or has failed",
		Args:              cli.OneArgument("the id of a job", "01M82ENM7NWCG84FJC6E41ZYKS"),
		ValidArgsFunction: completing(&choice, allJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return choice.connected(cmd, func(client *control.Client) error {
				return show(cmd, client, args[0], asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one object of JSON")
	choice = find.ChooseRunning(cmd, "environment of the application")
	return cmd
}

// show prints a job or, if none has the id, an event that waits for a reaction.
func show(cmd *cobra.Command, client *control.Client, id string, asJSON bool) error {
	var job wire.JobInfo
	var waiting wire.WaitingInfo
	var found any = &job
	err := client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoJob, Key: id}, &job)
	if remote := (*control.RemoteError)(nil); errors.As(err, &remote) && remote.Code == "not_found" {
		found, err = &waiting, client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoWaiting, Key: id}, &waiting)
	}
	switch {
	case err != nil:
		return fmt.Errorf("show: %w", err)
	case asJSON:
		return printJSON(cmd.OutOrStdout(), found)
	case found == &job:
		return printFacts(cmd.OutOrStdout(), factsOfJob(&job))
	}
	return printFacts(cmd.OutOrStdout(), factsOfWaiting(&waiting))
}

func factsOfJob(job *wire.JobInfo) [][2]string {
	return [][2]string{{"job", job.Job}, {"state", job.State}, {"why", job.Why}, {"queue", fmt.Sprintf("%s, priority %d", job.Queue, job.Priority)},
		{"try", fmt.Sprintf("%d of %d", job.Attempt, job.MaxAttempts)}, {"due", job.Due.Local().Format(time.DateTime)},
		{"progress", progress(job)}, {"steps", strings.Join(job.Steps, ", ")}, {"error", job.Error}, {"result", compacted(job.Result)}, {"arguments", compacted(job.Args)}}
}

func factsOfWaiting(w *wire.WaitingInfo) [][2]string {
	return [][2]string{{"reaction", w.Reaction}, {"event", fmt.Sprintf("%s, commit %d", w.Event, w.Seq)}, {"record", recordOf(w)}, {"state", w.State}, {"why", w.Why},
		{"try", fmt.Sprintf("%d of %d", w.Attempt, w.MaxAttempts)}, {"due", w.Due.Local().Format(time.DateTime)}, {"error", w.Error}, {"fields", compacted(w.Fields)}}
}

// printFacts prints those that are not empty.
func printFacts(out io.Writer, facts [][2]string) error {
	for _, fact := range facts {
		if fact[1] == "" {
			continue
		}
		name := fmt.Sprintf("%-10s", fact[0])
		if cli.HasColor(out) {
			name = "\x1b[2m" + name + "\x1b[0m"
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", name, term.Clean(fact[1])); err != nil {
			return err
		}
	}
	return nil
}

func progress(job *wire.JobInfo) string {
	if job.Total == 0 {
		return job.Note
	}
	return strings.TrimSpace(fmt.Sprintf("%d of %d %s", job.Done, job.Total, job.Note))
}

func compacted(text json.RawMessage) string {
	if string(text) == "null" {
		return ""
	}
	return string(text)
}

func (find Find) changeJobs(verb, short, done string, which func(*wire.JobsInfo) []string) *cobra.Command {
	var choice *Choice
	cmd := &cobra.Command{
		Use:               verb + " ID…",
		Short:             short,
		Args:              someJobs,
		ValidArgsFunction: completing(&choice, which),
		RunE: func(cmd *cobra.Command, args []string) error {
			return choice.connected(cmd, func(client *control.Client) error {
				var failed error
				for _, id := range args {
					err := client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoChangeJob, Name: verb, Key: id}, nil)
					if err != nil {
						failed = errors.Join(failed, fmt.Errorf("%s %s: %w", verb, id, err))
						continue
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s is %s.\n", id, done)
				}
				return failed
			})
		},
	}
	choice = find.ChooseRunning(cmd, "environment of the application")
	return cmd
}

func someJobs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cli.Usage(cmd.Name()+" takes the ids of jobs", "tower jobs lists them")
	}
	return nil
}

func (find Find) runJob() *cobra.Command {
	var choice *Choice
	cmd := &cobra.Command{
		Use:               "run JOB",
		Short:             "Enqueue the job of a schedule now, beside its times",
		Args:              cli.OneArgument("the job of a schedule", "nightly_report"),
		ValidArgsFunction: completing(&choice, scheduled),
		RunE: func(cmd *cobra.Command, args []string) error {
			return choice.connected(cmd, func(client *control.Client) error {
				var id string
				if err := client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoRunJob, Name: args[0]}, &id); err != nil {
					return fmt.Errorf("run: %w", err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is enqueued: tower jobs show %s\n", args[0], id)
				return nil
			})
		},
	}
	choice = find.ChooseRunning(cmd, "environment of the application")
	return cmd
}

// connected calls do with a connection to the application, which it starts if it does not run.
func (c *Choice) connected(cmd *cobra.Command, do func(*control.Client) error) error {
	return c.with(cmd, func(d *dialer) error {
		client, err := d.dial(context.WithoutCancel(cmd.Context()))
		if err != nil {
			return err
		}
		defer client.Close()
		return do(client)
	})
}
