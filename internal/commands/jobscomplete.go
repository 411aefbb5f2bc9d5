package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/wire"
)

// completeWithin is how long a completion may take.
const completeWithin = 2 * time.Second

// completing completes arguments by what the application has of jobs and reactions. If it is not running, nothing is offered.
func completing(choice **Choice, names func(*wire.JobsInfo) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
		defer cancel()
		app, err := (*choice).Application(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := app.AttachInEnv(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		var info wire.JobsInfo
		if client.Do(ctx, wire.ControlRequest{Do: wire.DoJobs}, &info) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(names(&info), func(name string) bool { return slices.Contains(args, name) }), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// namesOfJobs returns what tower jobs takes: states, queues, and names of jobs and reactions.
func namesOfJobs(info *wire.JobsInfo) []string { return info.Names() }

func scheduled(info *wire.JobsInfo) (names []string) {
	for _, s := range info.Schedules {
		names = append(names, cobra.CompletionWithDesc(s.Job, s.Cron+" "+s.Zone))
	}
	return names
}

// jobsIn returns the ids of jobs in states, and of the events that wait if those are among them.
func jobsIn(info *wire.JobsInfo, waiting bool, states ...string) (ids []string) {
	for i := range info.Jobs {
		if job := &info.Jobs[i]; slices.Contains(states, job.State) {
			ids = append(ids, cobra.CompletionWithDesc(job.ID, fmt.Sprintf("%s, %s %s", job.Job, job.State, about(job))))
		}
	}
	for i := range info.Waiting {
		if w := &info.Waiting[i]; waiting {
			ids = append(ids, cobra.CompletionWithDesc(w.ID, fmt.Sprintf("%s, %s %s", w.Reaction, recordOf(w), firstLine(w.Error))))
		}
	}
	return ids
}

func allJobs(info *wire.JobsInfo) []string {
	return jobsIn(info, true, "running", "waiting", "dead", "done", "cancelled")
}

func retriable(info *wire.JobsInfo) []string {
	return jobsIn(info, true, "dead", "waiting", "cancelled")
}

func cancellable(info *wire.JobsInfo) []string { return jobsIn(info, false, "running", "waiting") }

func droppable(info *wire.JobsInfo) []string {
	return jobsIn(info, true, "dead", "waiting", "done", "cancelled")
}
