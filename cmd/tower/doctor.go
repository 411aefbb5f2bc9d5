package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/settings"
	"github.com/towerkit/tower/internal/wire"
)

// A finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, note or problem
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what the user can do
}

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the application for problems",
		Long: `Check Go, the application's requirements, its database and its port. tower doctor
changes nothing. The exit code is 1 if there is a problem.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), endSignals...)
			defer stop()
			findings := runChecks(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return writeFindings(cmd.OutOrStdout(), findings, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeFindings(out io.Writer, findings []finding, asJSON bool) error {
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
		return exitCode(1)
	}
	return nil
}

// runChecks runs all checks. Without an application it runs only the checks of the
// machine.
func runChecks(ctx context.Context) []finding {
	app, err := findApplication()
	findings := []finding{checkGo(ctx, app), checkGit()}
	switch {
	case errors.Is(err, errNoApplication.error):
		fix := errNoApplication.hint
		var hinted *hintedError
		if errors.As(err, &hinted) {
			fix = hinted.hint
		}
		return append(findings, finding{"application", "note", err.Error(), fix})
	case err != nil:
		return append(findings, finding{"application", "problem", err.Error(), "correct go.mod"})
	}
	findings = append(findings,
		finding{"application", "ok", app.Name + " in " + app.Folder, ""},
		checkTower(app),
		checkModules(ctx, app),
		checkDatabase(app),
		checkPort(app),
	)
	return append(findings, checkSettings(ctx, app)...)
}

func checkGo(ctx context.Context, app *application) finding {
	f := finding{Check: "go"}
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

func checkGit() finding {
	if _, err := exec.LookPath("git"); err != nil {
		return finding{"git", "note", "the command git was not found; tower does not need it, but you may", ""}
	}
	return finding{"git", "ok", "found", ""}
}

func checkTower(app *application) finding {
	f := finding{Check: "tower", State: "ok", Detail: "the application requires " + app.Tower}
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
func checkModules(ctx context.Context, app *application) finding {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	cmd.Dir = app.Folder
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "PWD="+app.Folder)
	out, err := cmd.Output()
	if err != nil {
		return finding{"modules", "problem", firstLine(err), "go mod tidy"}
	}
	modules := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		modules[line] = true
	}
	delete(modules, "\n")
	return finding{"modules", "ok", fmt.Sprintf("all %d are available: the application builds without the network", len(modules)), ""}
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

func checkDatabase(app *application) finding {
	f := finding{Check: "database"}
	env := cmp.Or(os.Getenv("TOWER_ENV"), "development")
	vars, err := environ.Read(app.Folder, env)
	if err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "correct the file"
		return f
	}
	path := vars.Or("TOWER_DB", filepath.Join("db", env+".db"))
	f.Detail = path
	if !filepath.IsAbs(path) {
		path = filepath.Join(app.Folder, path)
	}
	if err := tryWrite(filepath.Dir(path)); err != nil {
		f.State, f.Detail, f.Fix = "problem", err.Error(), "give your user write access to "+filepath.Dir(path)
		return f
	}
	held, err := dev.Locked(path)
	running := dev.Running(app.Folder)
	switch {
	case err != nil:
		f.State, f.Detail, f.Fix = "problem", err.Error(), "put that right, or set TOWER_DB to another file"
	case held && running != nil:
		f.State, f.Detail = "ok", fmt.Sprintf("%s, open in the running application, process %d", f.Detail, running.PID)
	case held:
		f.State, f.Detail = "problem", f.Detail+" is locked by another process"
		f.Fix = "stop the application that was started without tower server"
	default:
		f.State, f.Detail = "ok", f.Detail+" is writable, and no process has it open"
	}
	return f
}

// checkSettings lists what configures the application, and where each value comes from. The
// application checks its own settings when it starts, and tells them while it runs.
func checkSettings(ctx context.Context, app *application) (findings []finding) {
	client, err := attach(ctx, app)
	if errors.Is(err, control.ErrNotRunning) {
		env := cmp.Or(os.Getenv("TOWER_ENV"), "development")
		if vars, err := environ.Read(app.Folder, env); err == nil {
			for _, s := range settings.Own(vars, env, nil) {
				findings = append(findings, showSetting(s.Name, s.Value, s.From, s.Secret))
			}
		}
		return append(findings, finding{"settings", "note", "the application's own are known while it runs; it checks them when it starts", "tower server"})
	}
	var all []wire.Setting
	if err == nil {
		defer client.Close()
		err = client.Do(ctx, wire.ControlRequest{Do: wire.DoSettings}, &all)
	}
	if err != nil {
		return []finding{{"settings", "problem", err.Error(), "restart the application"}}
	}
	for _, s := range all {
		findings = append(findings, showSetting(s.Name, s.Value, s.From, s.Secret))
	}
	return findings
}

func showSetting(name, value, from string, secret bool) finding {
	text := name + "=" + value + ", from " + from
	switch {
	case from == "":
		text = name + " is not set"
	case secret:
		text = name + " is set, from " + from
	case from == "default":
		text = name + "=" + value + ", the default"
	}
	return finding{"settings", "ok", text, ""}
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

func checkPort(app *application) finding {
	f := finding{Check: "port"}
	port := portFlag(3000)
	if err := port.readEnv(false); err != nil {
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
