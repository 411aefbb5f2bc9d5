package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/program"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

func newDoctor(app program.Application, find commands.Find) *cobra.Command {
	var choice *commands.Choice
	cmd := commands.Doctor(`Check the configuration of the application, its data, its address, its settings, and the
PostgreSQL that its nodes share. tower doctor changes nothing. The exit code is 1 if there is a problem.`, func(ctx context.Context) []commands.Finding {
		chosen, err := choice.Application(ctx)
		if err != nil {
			return []commands.Finding{{Check: "application", State: "problem", Detail: err.Error(), Fix: "correct that first"}}
		}
		return runChecks(ctx, app, chosen)
	})
	choice = find.Choose(cmd, "the environment to check")
	return cmd
}

func runChecks(ctx context.Context, app program.Application, chosen *commands.Application) []commands.Finding {
	var running *wire.ControlHello // nil: no application answers
	client, err := chosen.AttachInEnv(ctx)
	if err == nil {
		hello := client.Hello()
		running = &hello
		_ = client.Close() // it returns nil
	}
	findings := []commands.Finding{
		{Check: "application", State: "ok", Detail: fmt.Sprintf("%s, in %s, %s", about(app), chosen.Folder, chosen.Env)},
		checkConfig(app, chosen.Env),
		checkConsole(running, err),
		chosen.CheckDatabase(runningProcess(chosen, running)),
		checkAddress(chosen, running),
	}
	findings = append(findings, chosen.CheckShared(ctx)...)
	findings = append(findings, chosen.CheckMail(ctx)...)
	return append(findings, chosen.CheckSettings(ctx)...)
}

// checkConfig checks what the application checks when it starts.
func checkConfig(app program.Application, env string) commands.Finding {
	f := commands.Finding{Check: "config", State: "ok", Detail: "the application can start in " + env}
	if err := app.Check(env); err != nil {
		f.State, f.Detail, f.Fix = "problem", strings.ReplaceAll(err.Error(), "\n", "; "), "correct that: the application does not start"
	}
	return f
}

func checkConsole(running *wire.ControlHello, err error) commands.Finding {
	f := commands.Finding{Check: "console", State: "ok"}
	switch {
	case running != nil:
		f.Detail = fmt.Sprintf("the running application answers, process %d", running.PID)
	case errors.Is(err, control.ErrNotRunning):
		f.State, f.Detail = "note", "no application answers at its control socket; in production it has one with TOWER_CONSOLE=on"
	default:
		f.State, f.Detail, f.Fix = "problem", err.Error(), "put that right: commands cannot reach the application"
	}
	return f
}

// runningProcess describes the process of this application that has its store open, or
// returns "".
func runningProcess(chosen *commands.Application, running *wire.ControlHello) string {
	if running != nil {
		return fmt.Sprintf("the running application, process %d", running.PID)
	}
	path, _, err := chosen.Data()
	if err != nil {
		return ""
	}
	name, pid := store.Holder(path)
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf("%s, process %d", name, pid)
}

// checkAddress checks that the application can listen, unless it does, or systemd listens.
func checkAddress(chosen *commands.Application, running *wire.ControlHello) commands.Finding {
	f := commands.Finding{Check: "address", State: "ok"}
	_, vars, err := chosen.Data()
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "correct the file"
		return f
	}
	if running != nil {
		f.Detail = running.URL + " is served by process " + fmt.Sprint(running.PID)
		return f
	}
	if vars.Get("TOWER_DOMAIN") != "" && vars.Get("TOWER_ADDR") == "" {
		f.State, f.Detail = "note", "the ports 443 and 80 are opened when the application starts"
		return f
	}
	at := cmp.Or(vars.Get("TOWER_ADDR"), address)
	listener, err := net.Listen("tcp", at)
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "stop the program that has it, or choose another with TOWER_ADDR"
		return f
	}
	if err := listener.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		f.State, f.Detail = "problem", err.Error()
		return f
	}
	f.Detail = at + " is free"
	return f
}
