package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/dev"
	_ "github.com/towerkit/tower/smtp" // checks the server of mail
)

func newDoctor() *cobra.Command {
	return commands.Doctor(`Check Go, the application's requirements, its database and its port. If its nodes share a
PostgreSQL, the application is built, and looks at that too. tower doctor changes nothing. The exit code is 1 if there is a problem.`, runChecks)
}

// runChecks runs all checks. Without an application it runs only the checks of the
// machine.
func runChecks(ctx context.Context) []commands.Finding {
	app, err := findApplication()
	findings := []commands.Finding{checkGo(ctx, app), checkGit()}
	switch {
	case errors.Is(err, errNoApplication):
		return append(findings, commands.Finding{Check: "application", State: "note", Detail: err.Error(), Fix: cli.HintOf(err)})
	case err != nil:
		return append(findings, commands.Finding{Check: "application", State: "problem", Detail: err.Error(), Fix: "correct go.mod"})
	}
	app.Env = cmp.Or(os.Getenv("TOWER_ENV"), "development")
	findings = append(findings,
		commands.Finding{Check: "application", State: "ok", Detail: app.Name + " in " + app.Folder},
		checkTower(app),
		checkModules(ctx, app),
		app.CheckDatabase(runningProcess(app)),
		checkPort(app),
	)
	findings = append(findings, app.CheckShared(ctx)...)
	findings = append(findings, app.CheckMail(ctx)...)
	return append(findings, app.CheckSettings(ctx)...)
}

func checkGo(ctx context.Context, app *application) commands.Finding {
	f := commands.Finding{Check: "go"}
	if _, err := exec.LookPath("go"); err != nil {
		f.State, f.Detail = "problem", "the command go was not found"
		f.Fix = "install Go from https://go.dev/dl and put it into PATH"
		return f
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	if app != nil {
		cmd.Dir = app.Folder
	}
	out, err := cmd.Output()
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", "go env: "+firstLine(err), "run it yourself: go env GOVERSION"
		return f
	}
	f.State, f.Detail = "ok", strings.TrimSpace(string(out))
	if app != nil && semver.Compare(goVersion(f.Detail), goVersion(app.Go)) < 0 {
		f.State, f.Fix = "problem", "install Go "+app.Go+" from https://go.dev/dl"
		f.Detail += ", but the application requires " + app.Go
	}
	return f
}

// goVersion converts go1.26.8 or 1.26 to a version that semver can compare.
func goVersion(text string) string {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "go"), " ")
	return "v" + strings.TrimPrefix(text, "v")
}

func checkGit() commands.Finding {
	if _, err := exec.LookPath("git"); err != nil {
		return commands.Finding{Check: "git", State: "note", Detail: "the command git was not found; tower does not need it, but you may"}
	}
	return commands.Finding{Check: "git", State: "ok", Detail: "found"}
}

func checkTower(app *application) commands.Finding {
	f := commands.Finding{Check: "tower", State: "ok", Detail: "the application requires " + app.Tower}
	switch {
	case app.Replace == "" && released() != "" && semver.Compare(app.Tower, released()) > 0:
		f.State, f.Detail = "problem", f.Detail+", but this command is "+released()
		f.Fix = "go install " + towerModule + "/cmd/tower@" + app.Tower
	case app.Replace != "" && !isTowerSource(app.Replace):
		f.State, f.Detail = "problem", "go.mod replaces tower by "+app.Replace+", which is not its source"
		f.Fix = "set the folder of the source: go mod edit -replace " + towerModule + "=FOLDER"
	case app.Replace != "":
		f.Detail = "the application uses the source in " + app.Replace
	}
	return f
}

// checkModules checks that every package that the application needs is available without
// the network.
func checkModules(ctx context.Context, app *application) commands.Finding {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	cmd.Dir = app.Folder
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "PWD="+app.Folder)
	out, err := cmd.Output()
	if err != nil {
		return commands.Finding{Check: "modules", State: "problem", Detail: firstLine(err), Fix: "go mod tidy"}
	}
	modules := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		modules[line] = true
	}
	delete(modules, "\n")
	return commands.Finding{Check: "modules", State: "ok", Detail: fmt.Sprintf("all %d are available: the application builds without the network", len(modules))}
}

// firstLine returns the first line that a command wrote to stderr, or the text of its
// error.
func firstLine(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		return line
	}
	return err.Error()
}

// runningProcess describes the process of tower server that runs the application, or
// returns "".
func runningProcess(app *application) string {
	running := dev.Running(app.Folder)
	if running == nil {
		return ""
	}
	return fmt.Sprintf("the running application, process %d", running.PID)
}

func checkPort(app *application) commands.Finding {
	f := commands.Finding{Check: "port"}
	port := cli.PortFlag(3000)
	if err := port.ReadEnv(false); err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "unset PORT"
		return f
	}
	number := strconv.Itoa(int(port))
	err := errors.Join(tryListen("127.0.0.1", number), tryListen("::1", number))
	running := dev.Running(app.Folder)
	switch {
	case port == 0:
		f.State, f.Detail = "ok", "any free port"
	case err == nil:
		f.State, f.Detail = "ok", number+" is free"
	case running != nil && strings.HasSuffix(running.URL, ":"+number):
		f.State, f.Detail = "ok", fmt.Sprintf("%s is served by tower server, process %d", running.URL, running.PID)
	case errors.Is(err, syscall.EADDRINUSE):
		f.State, f.Detail = "problem", number+" is in use by another program"
		f.Fix = fmt.Sprintf("stop that program, or choose another port: tower server --port %d", int(port)%65535+1)
	default:
		f.State, f.Detail, f.Fix = "problem", err.Error(), "choose another port: tower server --port 3000"
	}
	return f
}

// tryListen returns an error if a port is not available. It returns nil if the machine has
// no address of that kind.
func tryListen(host, port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		return nil
	}
	if err != nil {
		return err
	}
	return listener.Close()
}
