package commands

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	xterm "github.com/charmbracelet/x/term"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A jobsPrinter prints what the application has of jobs and reactions, as tables.
type jobsPrinter struct {
	now   time.Time
	color bool
	width int // to which lines are cut; 0: they are not
}

// newJobsPrinter returns a printer for what is shown at out.
func newJobsPrinter(out io.Writer) *jobsPrinter {
	p := &jobsPrinter{now: time.Now(), color: cli.HasColor(out)}
	if file, is := out.(*os.File); is && cli.IsTerminal(out) {
		if columns, _, err := xterm.GetSize(file.Fd()); err == nil {
			p.width = columns
		}
	}
	return p
}

func (p *jobsPrinter) print(out io.Writer, info *wire.JobsInfo) {
	tables := []table{p.queues(info.Queues), p.schedules(info.Schedules), p.reactions(info.Reactions), p.jobs(info.Jobs), p.waiting(info.Waiting)}
	printed := 0
	for _, t := range tables {
		if len(t.rows) == 0 {
			continue
		}
		if printed++; printed > 1 {
			fmt.Fprintln(out)
		}
		p.table(out, t)
	}
	if printed == 0 {
		fmt.Fprintln(out, "no jobs, and no reactions")
	}
	if info.Workers == 0 {
		fmt.Fprintln(out, "\nThis process runs no jobs and no reactions: TOWER_WORKERS is 0 or off.")
	}
}

func (p *jobsPrinter) queues(all []wire.QueueInfo) table {
	t := table{head: []string{"QUEUE", "WAITING", "RUNNING", "DEAD", "ENDED", "LATE"}}
	for _, q := range all {
		most, late := "", ""
		if q.Most > 0 {
			most = fmt.Sprintf(" of %d", q.Most)
		}
		if q.LateMs > 0 {
			late = rounded(time.Duration(q.LateMs) * time.Millisecond)
		}
		t.add(q.Name, strconv.Itoa(q.Waiting), strconv.Itoa(q.Running)+most, strconv.Itoa(q.Dead), strconv.Itoa(q.Ended), late)
	}
	return t
}

func (p *jobsPrinter) schedules(all []wire.ScheduleInfo) table {
	t := table{head: []string{"SCHEDULE", "CRON", "ZONE", "NEXT", "LAST"}}
	for _, s := range all {
		t.add(s.Job, s.Cron, s.Zone, until(p.now, s.Next), p.since(s.Last))
	}
	return t
}

func (p *jobsPrinter) reactions(all []wire.ReactionInfo) table {
	t := table{head: []string{"REACTION", "ON", "SCOPE", "WAITING", "FAILED", "LAST", ""}}
	for _, r := range all {
		note := r.Note
		if r.Unknown {
			note = "this build does not declare it"
		}
		t.add(r.Name, r.On, r.Scope, counted(r.Waiting+r.Behind), counted(r.Failed), p.since(r.Last), note)
	}
	return t
}

// counted returns a number that is known up to a thousand.
func counted(n int) string {
	if n >= 1000 {
		return "1000 or more"
	}
	return strconv.Itoa(n)
}

func (p *jobsPrinter) jobs(all []wire.JobInfo) table {
	t := table{head: []string{"JOB", "STATE", "QUEUE", "TRY", "WHEN", "ID", ""}}
	for i := range all {
		job := &all[i]
		t.add(job.Job, job.State, job.Queue, fmt.Sprintf("%d/%d", job.Attempt, job.MaxAttempts), when(p.now, job), job.ID, about(job))
	}
	return t
}

func (p *jobsPrinter) waiting(all []wire.WaitingInfo) table {
	t := table{head: []string{"EVENT", "STATE", "RECORD", "TRY", "WHEN", "ID", ""}}
	for i := range all {
		w, due := &all[i], ""
		if w.State == "waiting" {
			due = until(p.now, w.Due)
		}
		t.add(w.Reaction+" "+w.Event, w.State, recordOf(w), fmt.Sprintf("%d/%d", w.Attempt, w.MaxAttempts), due, w.ID, firstLine(w.Error))
	}
	return t
}

// recordOf names the record of an event: by its label, or else by its id.
func recordOf(w *wire.WaitingInfo) string { return w.Model + " " + cmp.Or(w.Label, w.Of) }

func (p *jobsPrinter) since(t *time.Time) string {
	if t == nil {
		return ""
	}
	return until(p.now, *t)
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
	case job.State == "running":
		return progress(job)
	case job.Error != "" && job.State != "done":
		return firstLine(job.Error)
	}
	return job.Note
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
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

// A table is rows below a head.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// table prints a table. Each column is as wide as its longest cell, and numbers are at its right.
func (p *jobsPrinter) table(out io.Writer, t table) {
	widths, numbers := make([]int, len(t.head)), make([]bool, len(t.head))
	for i, name := range t.head {
		widths[i] = lipgloss.Width(name)
		numbers[i] = slices.Contains([]string{"WAITING", "RUNNING", "DEAD", "ENDED", "FAILED"}, name)
		for _, row := range t.rows {
			row[i] = term.Clean(row[i])
			widths[i] = max(widths[i], lipgloss.Width(row[i]))
		}
	}
	for n, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-lipgloss.Width(cell))
			if n > 0 || !numbers[i] {
				cell = p.paint(n, t.head[i], cell)
			} else {
				cell = p.paint(0, "", cell)
			}
			if numbers[i] {
				cell, space = space+cell, ""
			}
			line.WriteString(cell + space + "  ")
		}
		text := strings.TrimRight(line.String(), " ")
		if p.width > 0 {
			text = term.Cut(text, p.width)
		}
		fmt.Fprintln(out, text)
	}
}

// paint colors a cell by its column: what needs somebody is red.
func (p *jobsPrinter) paint(row int, column, cell string) string {
	code := ""
	switch {
	case row == 0, column == "ID", column == "ENDED", cell == "0":
		code = "2"
	case cell == "dead", cell == "failed", column == "DEAD", column == "FAILED", column == "":
		code = "31"
	case cell == "running", column == "RUNNING":
		code = "36"
	case cell == "done":
		code = "32"
	case column == "LATE":
		code = "33"
	case column == "QUEUE" && row > 0, column == "SCHEDULE", column == "REACTION", column == "JOB", column == "EVENT":
		code = "1"
	}
	if !p.color || code == "" || cell == "" {
		return cell
	}
	return "\x1b[" + code + "m" + cell + "\x1b[0m"
}
