package commands

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/database"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/lock"
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/settings"
	"github.com/towerkit/tower/internal/wire"
)

// A Finding is the result of one check.
type Finding = wire.Finding

// Doctor returns the command doctor, which lists what check finds.
func Doctor(long string, check func(context.Context) []Finding) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the application for problems",
		Long:  long,
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
			defer stop()
			findings := check(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return writeFindings(cmd.OutOrStdout(), findings, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeFindings(out io.Writer, findings []Finding, asJSON bool) error {
	problems := 0
	for _, f := range findings {
		if f.State == "problem" {
			problems++
		}
		if asJSON {
			continue
		}
		fmt.Fprintf(out, "%-7s  %-11s  %s\n", f.State, f.Check, f.Detail)
		if f.Fix != "" {
			fmt.Fprintf(out, "%-7s  %-11s  → %s\n", "", "", f.Fix)
		}
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(findings); err != nil {
			return fmt.Errorf("write the findings: %w", err)
		}
	}
	if problems > 0 {
		return cli.ExitCode(1)
	}
	return nil
}

// CheckDatabase checks that the application can open its store. running describes the
// process that runs the application, if one does.
func (a *Application) CheckDatabase(running string) Finding {
	f := Finding{Check: "database"}
	path, vars, err := a.Data()
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "correct the file"
		return f
	}
	f.Detail = cmp.Or(a.Store, vars.Or("TOWER_DB", filepath.Join("db", a.Env+".db")))
	if database.Is(f.Detail) {
		f.Detail = vars.Or("TOWER_REPLICA", filepath.Join("db", a.Env+".replica.db")) + ", the replica of " + database.Shown(f.Detail)
	}
	if err := tryWrite(filepath.Dir(path)); err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "give your user write access to "+filepath.Dir(path)
		return f
	}
	held, err := lock.Held(path)
	switch {
	case err != nil:
		f.State, f.Detail, f.Fix = "problem", err.Error(), "put that right, or set TOWER_DB to another file"
	case held && running != "":
		f.State, f.Detail = "ok", f.Detail+", open in "+running
	case held:
		f.State, f.Detail = "problem", f.Detail+" is locked by another process"
		f.Fix = "stop the application that was started without " + a.Serve
	default:
		f.State, f.Detail = "ok", f.Detail+" is writable, and no process has it open"
	}
	return f
}

// CheckShared has the application's program look at the database that its nodes share. It finds
// nothing if there is none.
func (a *Application) CheckShared(ctx context.Context) []Finding {
	address, err := a.Database()
	if err == nil && address == "" {
		return nil
	}
	var printed bytes.Buffer // by the program, which says why it failed
	var report *wire.MigrationReport
	if err == nil {
		report, err = a.Migrate(ctx, wire.Examine, a.Env, &printed)
	}
	if err != nil {
		fix := cmp.Or(cli.HintOf(err), "put that right: the database was not looked at")
		detail := err.Error()
		if text := strings.TrimSpace(printed.String()); text != "" {
			detail += ": " + strings.ReplaceAll(text, "\n", "; ")
		}
		return []Finding{{Check: "postgres", State: "problem", Detail: detail, Fix: fix}}
	}
	return report.Found
}

// CheckMail checks that the server of TOWER_SMTP can be reached and takes the password. It finds nothing if none is
// set, or this program sends no mail.
func (a *Application) CheckMail(ctx context.Context) []Finding {
	vars, err := environ.Read(a.Folder, a.Env)
	if err != nil || mail.Installed == nil || vars.Get("TOWER_SMTP") == "" {
		return nil // what is wrong with the files is found elsewhere
	}
	f := Finding{Check: "mail", State: "ok"}
	sender, err := mail.Installed.Open(vars.Get("TOWER_SMTP"))
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", "TOWER_SMTP: "+err.Error(), "correct it: the application does not start in production"
		return []Finding{f}
	}
	f.Detail = sender.String() + " takes mail"
	if fix, err := sender.Check(ctx); err != nil {
		f.State, f.Detail, f.Fix = "problem", "TOWER_SMTP: "+err.Error(), fix
	}
	return []Finding{f}
}

// CheckSettings lists what configures the application, and where each value comes from. The
// application checks its own settings when it starts, and tells them while it runs.
func (a *Application) CheckSettings(ctx context.Context) (findings []Finding) {
	client, err := a.Attach(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		if vars, err := environ.Read(a.Folder, a.Env); err == nil {
			for _, s := range settings.Own(vars, a.Env, nil) {
				findings = append(findings, showSetting(s.Name, s.Value, s.From, s.Secret))
			}
		}
		return append(findings, Finding{Check: "settings", State: "note", Detail: "the application's own are known while it runs; it checks them when it starts", Fix: a.Serve})
	}
	var all []wire.Setting
	if err == nil {
		defer client.Close()
		err = client.Do(ctx, wire.ControlRequest{Do: wire.DoSettings}, &all)
	}
	if err != nil {
		return []Finding{{Check: "settings", State: "problem", Detail: err.Error(), Fix: "restart the application"}}
	}
	for _, s := range all {
		findings = append(findings, showSetting(s.Name, s.Value, s.From, s.Secret))
	}
	return findings
}

func showSetting(name, value, from string, secret bool) Finding {
	text := name + "=" + value + ", from " + from
	switch {
	case from == "":
		text = name + " is not set"
	case secret:
		text = name + " is set, from " + from
	case from == "default":
		text = name + "=" + value + ", the default"
	}
	return Finding{Check: "settings", State: "ok", Detail: text}
}

// tryWrite creates and removes a file in a folder. If the folder does not exist, it tries
// the nearest parent that does.
func tryWrite(folder string) error {
	file, err := os.CreateTemp(folder, ".tower-doctor-*")
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(folder) != folder {
		return tryWrite(filepath.Dir(folder))
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
