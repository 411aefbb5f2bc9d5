package db

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func newStatus(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Compare the models with what is stored",
		Long: `Compare the models of the source with what is stored: what has changed, which migrations
are pending and done, and how many records would not fit, by field. It reads all records,
of the application that runs or of the file, and changes nothing.`,
		Example: `  tower db status
  tower db status --env production --json`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMigration(cmd, choice, wire.MigrateStatus, asJSON)
		},
	}
	choice = find.Choose(cmd, "the environment whose data to look at")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func newMigrate(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	var plan, rehearse, accept, asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Run the pending migrations",
		Long: `Run the migrations of the source that the data has not been through. All records are
migrated, or none.

If the application runs, it goes on serving: tower db migrate prepares the records beside
those that are served, and the build that starts next takes them over at once. Otherwise
the migrations are done when the command returns. It can be interrupted and run again.

If TOWER_DB is the address of a database, the command brings its tables in line with the
models, and prints the statements. Nodes of older builds go on meanwhile: no column goes.

--plan tells what each step would do, on how many records, and what would be lost, and
changes nothing. --rehearse does everything on a copy of the data, and deletes the copy.
--accept goes on although records will not fit their models: they are kept, are in no
list, and an update mends them.`,
		Example: `  tower db migrate --plan
  tower db migrate --rehearse --env production
  tower db migrate --env production`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			do := wire.MigrateRun
			switch {
			case plan:
				do = wire.MigratePlan
			case rehearse:
				do = wire.MigrateRehearse
			case accept:
				do = wire.MigrateAccept
			}
			return runMigration(cmd, choice, do, asJSON)
		},
	}
	choice = find.Choose(cmd, "the environment whose data to migrate")
	cmd.Flags().BoolVar(&plan, "plan", false, "tell what would be done, and change nothing")
	cmd.Flags().BoolVar(&rehearse, "rehearse", false, "migrate a copy of the data, and delete it")
	cmd.Flags().BoolVar(&accept, "accept", false, "migrate although records will not fit their models")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagsMutuallyExclusive("plan", "rehearse", "accept")
	return cmd
}

// runMigration lets the application do a task and prints its report.
func runMigration(cmd *cobra.Command, choice *commands.Choice, do string, asJSON bool) error {
	app, err := choice.Application(cmd.Context())
	if err != nil {
		return err
	}
	report, err := app.Migrate(cmd.Context(), do, app.Env, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		printMigration(cmd, do, report)
	}
	if err == nil && report.Refused != "" && do != wire.MigrateStatus && do != wire.MigratePlan && do != wire.MigrateAccept {
		return cli.Hinted(errors.New("nothing was migrated"), "tower db migrate --plan tells what each step does")
	}
	return err
}

// RunTask runs an application's program for a task of migrations in an environment, and
// returns its report. What it prints meanwhile goes to progress.
func RunTask(child *exec.Cmd, task, env string, progress io.Writer) (*wire.MigrationReport, error) {
	child.Env = append(child.Environ(), "TOWER_ENV="+env, "TOWER_MIGRATE="+task)
	if os.Getenv("TOWER_SECRET") == "" { // a task serves nobody, so it needs no key that lasts
		child.Env = append(child.Env, "TOWER_SECRET="+rand.Text()+rand.Text())
	}
	child.Stderr = progress
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the application: %w", err)
	}
	report, err := ReadReport(out, progress)
	if failed := child.Wait(); err == nil && report == nil {
		hint := "its main function must call tower.Main"
		if failed != nil {
			hint = "what it printed says why"
		}
		err = cli.Hinted(fmt.Errorf("the application did not report: %w", cmp.Or(failed, io.ErrUnexpectedEOF)), hint)
	}
	return report, err
}

// ReadReport reads the report that an application writes when it has done a task of
// migrations. What else it prints goes to progress.
func ReadReport(out io.Reader, progress io.Writer) (report *wire.MigrationReport, err error) {
	lines := bufio.NewReader(out)
	for {
		text, end := lines.ReadString('\n')
		var line wire.MigrationLine
		switch {
		case end != nil && text == "":
			return report, err
		case json.Unmarshal([]byte(text), &line) != nil: // the application prints
			fmt.Fprint(progress, term.Clean(text))
		case line.Progress != "":
			fmt.Fprintln(progress, term.Clean(line.Progress))
		case line.Error != "":
			err = errors.New(term.Clean(line.Error))
		case line.Report != nil:
			report = line.Report
		}
	}
}

// printMigration prints a report for a person.
func printMigration(cmd *cobra.Command, do string, r *wire.MigrationReport) {
	p := &migrationPrinter{cmd: cmd}
	if r.Fresh {
		p.line("There is no data yet: %s", r.Data)
		return
	}
	for _, c := range r.Tables {
		p.section("Tables")
		p.item("-- %s", c.Says)
		for line := range strings.Lines(c.SQL + ";") {
			p.item("%s", strings.TrimRight(line, "\n"))
		}
	}
	for _, c := range r.Changes {
		p.section("Models")
		p.item("%s", c.Text)
	}
	for _, m := range r.Pending {
		p.section("Pending")
		p.item("%s", m.ID)
		for _, step := range m.Steps {
			p.item("  %s: %s", step.Text, StepResult(step))
		}
	}
	for _, step := range r.Renamed {
		p.section("Renamed by tags, when the build starts")
		p.item("%s: %s", step.Text, StepResult(step))
	}
	for _, d := range r.Done {
		p.section("Done")
		unknown := ""
		if d.Unknown {
			unknown = ", by a newer build: this source does not have it"
		}
		p.item("%s on %s, %s%s", d.ID, d.At.Local().Format("2006-01-02 15:04"), cli.Count(d.Records, "record"), unknown)
	}
	for _, m := range r.Misfits {
		p.section("Records that do not fit")
		p.item("%d of %d %s do not fit %s", m.Broken, m.Records, m.Model, m.Type)
		for _, f := range m.Fields {
			p.item("  %s %s: %s (%s%s)", f.Field, f.Problem, cli.Count(f.Records, "record"), strings.Join(f.First, ", "), more(f.Records-len(f.First)))
		}
	}
	for _, text := range r.Taken {
		p.section("Values that are not unique")
		p.item("%s", text)
	}
	for _, text := range r.Lost {
		p.section("Lost")
		p.item("%s", text)
	}
	p.end(do, r)
}

type migrationPrinter struct {
	cmd  *cobra.Command
	last string
}

func (p *migrationPrinter) line(format string, args ...any) {
	fmt.Fprintln(p.cmd.OutOrStdout(), term.Clean(fmt.Sprintf(format, args...)))
}

// section prints a title, unless it is that of the item before.
func (p *migrationPrinter) section(title string) {
	if p.last == title {
		return
	}
	if p.last != "" {
		fmt.Fprintln(p.cmd.OutOrStdout())
	}
	p.last = title
	fmt.Fprintln(p.cmd.OutOrStdout(), title)
}

func (p *migrationPrinter) item(format string, args ...any) { p.line("  "+format, args...) }

// end says what was done, or what to do next.
func (p *migrationPrinter) end(do string, r *wire.MigrationReport) {
	if p.last != "" {
		fmt.Fprintln(p.cmd.OutOrStdout())
	}
	switch {
	case r.Refused != "":
		for text := range strings.Lines(r.Refused) {
			p.line("%s", strings.TrimRight(text, "\n"))
		}
	case do == wire.MigrateStatus || do == wire.MigratePlan:
		p.next(r)
	case do == wire.MigrateRehearse:
		p.line("The rehearsal took %.1f s on a copy, which is deleted. The data is unchanged.", r.Seconds)
	case r.Running:
		for _, model := range slices.Sorted(maps.Keys(r.Prepared)) {
			p.line("%d %s prepared.", r.Prepared[model], model)
		}
		p.line("The application that runs serves what it did. The build that starts next takes over what was prepared.")
	case len(r.Tables) > 0:
		p.line("Done: the tables fit the models.")
	case len(r.Migrated) > 0:
		p.line("Done in %.1f s: %s.", r.Seconds, strings.Join(r.Migrated, ", "))
	default:
		p.line("There was nothing to migrate.")
	}
}

func (p *migrationPrinter) next(r *wire.MigrationReport) {
	switch {
	case len(r.Tables) > 0:
		p.line("%s", cli.Named(p.cmd, "Change the tables so: tower db migrate"))
	case len(r.Pending) > 0:
		p.line("%s", cli.Named(p.cmd, "Run the pending migrations: tower db migrate"))
	case r.Suggest != nil:
		p.line("A migration can mend this: tower generate migration writes")
		for _, step := range r.Suggest.Steps {
			p.item("%s", step)
		}
		for _, tag := range r.Suggest.Tags {
			p.line("Or: %s.", tag)
		}
	case len(r.Misfits)+len(r.Taken)+len(r.Lost) > 0:
	case len(r.Changes) == 0:
		p.line("The models are as they are stored.")
	}
}

// StepResult says what a step does.
func StepResult(s wire.StepReport) string {
	text := fmt.Sprintf("changes %d of %s", s.Changed, cli.Count(s.Records, "record"))
	if s.Made > 0 {
		text += ", makes " + cli.Count(s.Made, "record")
	}
	if s.Lost > 0 {
		text += fmt.Sprintf(", %s lost", cli.Count(s.Lost, "value"))
	}
	if s.Failed > 0 {
		text += fmt.Sprintf(", FAILS on %d: %s", s.Failed, s.First)
	}
	return text
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}
