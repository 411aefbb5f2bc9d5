package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
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
		Use:   "jobs [QUEUE|STATE|JOB]",
		Short: "List the queues, schedules and jobs of the application",
		Long: `List the queues, schedules and jobs of the application: those that run, those that wait
in the order in which they are due, and those that are dead. With an argument, list the
jobs of that queue, in that state or of that name; those that are done are kept for seven
days. If the application is not running, tower jobs starts it, with its workers.`,
		Example: `  tower jobs
  tower jobs dead
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
		ValidArgs: []string{"waiting", "running", "dead", "done", "cancelled"},
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
		find.changeJobs("retry", "Try jobs again that are dead or cancelled, or wait", "tried again"),
		find.changeJobs("cancel", "End jobs that wait or run", "cancelled"),
		find.changeJobs("drop", "Delete jobs that do not run", "dropped"))
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
		var text strings.Builder
		if err := j.print(&text, &info); err != nil {
			return err
		}
		if out := cmd.OutOrStdout(); text.String() != before {
			if before != "" && cli.IsTerminal(out) && !j.json {
				fmt.Fprint(out, "\x1b[H\x1b[2J")
			}
			before = text.String()
			fmt.Fprint(out, before)
		}
		if !j.watch {
			return nil
		}
		select {
		case <-time.After(time.Second / 2):
		case <-ctx.Done():
			return cli.ExitCode(130)
		}
	}
}

func (j *jobsCommand) print(out io.Writer, info *wire.JobsInfo) error {
	if j.json {
		return printJSON(out, info)
	}
	now := time.Now()
	var queues [][]string
	for _, q := range info.Queues {
		most := ""
		if q.Most > 0 {
			most = fmt.Sprintf(" of %d", q.Most)
		}
		queues = append(queues, []string{q.Name, strconv.Itoa(q.Waiting), strconv.Itoa(q.Running) + most, strconv.Itoa(q.Dead), strconv.Itoa(q.Ended), late(q.LateMs)})
	}
	printTable(out, []string{"QUEUE", "WAITING", "RUNNING", "DEAD", "ENDED", "LATE"}, queues)
	var schedules [][]string
	for _, s := range info.Schedules {
		last := ""
		if s.Last != nil {
			last = until(now, *s.Last)
		}
		schedules = append(schedules, []string{s.Job, s.Cron, s.Zone, until(now, s.Next), last})
	}
	if len(schedules) > 0 {
		fmt.Fprintln(out)
		printTable(out, []string{"SCHEDULE", "CRON", "ZONE", "NEXT", "LAST"}, schedules)
	}
	var jobs [][]string
	for i := range info.Jobs {
		job := &info.Jobs[i]
		jobs = append(jobs, []string{job.ID, job.Job, job.Queue, job.State, fmt.Sprintf("%d/%d", job.Attempt, job.MaxAttempts), when(now, job), about(job)})
	}
	if len(jobs) > 0 {
		fmt.Fprintln(out)
		printTable(out, []string{"ID", "JOB", "QUEUE", "STATE", "TRY", "WHEN", ""}, jobs)
	}
	if len(info.Queues)+len(info.Schedules)+len(info.Jobs) == 0 {
		fmt.Fprintln(out, "no jobs")
	}
	if info.Workers == 0 {
		fmt.Fprintln(out, "\nThis process runs no jobs: TOWER_WORKERS is 0 or off.")
	}
	return nil
}

func late(ms int64) string {
	if ms == 0 {
		return ""
	}
	return rounded(time.Duration(ms) * time.Millisecond)
}

// when returns when a job is due, or since when it runs or has ended.
func when(now time.Time, job *wire.JobInfo) string {
	switch {
	case job.State == "waiting":
		return until(now, job.Due)
	case job.Finished != nil:
		return until(now, *job.Finished)
	case job.Started != nil:
		return until(now, *job.Started)
	}
	return ""
}

// about returns how far a job is, or its error.
func about(job *wire.JobInfo) string {
	switch {
	case job.Total > 0 && job.State == "running":
		return strings.TrimSpace(fmt.Sprintf("%d of %d %s", job.Done, job.Total, job.Note))
	case job.Error != "" && job.State != "done":
		line, _, _ := strings.Cut(job.Error, "\n")
		return line
	}
	return job.Note
}

// until returns a time as seen from now: "in 4m0s", or "4m0s ago".
func until(now, t time.Time) string {
	if t.After(now) {
		return "in " + rounded(t.Sub(now))
	}
	return rounded(now.Sub(t)) + " ago"
}

func rounded(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Second:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

func printJSON(out io.Writer, v any) error {
	line, err := wire.Encode(v)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", term.CleanJSON(line))
	}
	return err
}

// printTable prints rows below a head. Each column is as wide as its longest cell.
func printTable(out io.Writer, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(head))
	all := append([][]string{head}, rows...)
	for _, row := range all {
		for i, cell := range row {
			row[i] = term.Clean(cell)
			widths[i] = max(widths[i], lipgloss.Width(row[i]))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

func (find Find) showJob() *cobra.Command {
	var asJSON bool
	var choice *Choice
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a job, and why it does not run or has failed",
		Args:  cli.OneArgument("the id of a job", "01M82ENM7NWCG84FJC6E41ZYKS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return choice.connected(cmd, func(client *control.Client) error {
				var job wire.JobInfo
				if err := client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoJob, Key: args[0]}, &job); err != nil {
					return fmt.Errorf("show: %w", err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), job)
				}
				return printJob(cmd.OutOrStdout(), &job)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one object of JSON")
	choice = find.ChooseRunning(cmd, "environment of the application")
	return cmd
}

func printJob(out io.Writer, job *wire.JobInfo) error {
	rows := [][]string{{"job", job.Job}, {"state", job.State}, {"why", job.Why}, {"queue", fmt.Sprintf("%s, priority %d", job.Queue, job.Priority)},
		{"try", fmt.Sprintf("%d of %d", job.Attempt, job.MaxAttempts)}, {"due", job.Due.Local().Format(time.DateTime)}}
	for _, row := range [][]string{{"progress", progress(job)}, {"steps", strings.Join(job.Steps, ", ")}, {"error", job.Error}, {"result", compacted(job.Result)}, {"arguments", compacted(job.Args)}} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(out, "%-10s %s\n", row[0], term.Clean(row[1])); err != nil {
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

func (find Find) changeJobs(verb, short, done string) *cobra.Command {
	var choice *Choice
	cmd := &cobra.Command{
		Use:   verb + " ID…",
		Short: short,
		Args:  someJobs,
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
		Use:   "run JOB",
		Short: "Enqueue the job of a schedule now, beside its times",
		Args:  cli.OneArgument("the job of a schedule", "nightly_report"),
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
