// Package deploy brings an application to a host by ssh, where the supervisor of package release
// replaces the release that serves.
package deploy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Options say what is deployed, and where to. All fields but SSH must be set.
type Options struct {
	Host   string    // as for ssh, with a port or without: deploy@example.com:2222
	Folder string    // on the host
	Name   string    // of the program
	SSH    []string  // the program ssh and its options; nil: ssh
	Out    io.Writer // receives progress
}

// A Deployment brings a new release.
type Deployment struct {
	Options
	Accept bool // also if data would be lost, or would not fit
	Keep   int  // how many releases stay on the host
	DryRun bool // say what would be done, and change nothing

	// Build builds the program for Linux into a file, and returns its version, which may be "".
	Build func(ctx context.Context, arch, file string) (version string, err error)

	// Migrate reads the output of the program that does a task, as TOWER_MIGRATE names it, and
	// returns why the release must not serve, "" if it may.
	Migrate func(output io.Reader, task string, accept bool) (refused string, err error)
}

// A release is a built program.
type release struct {
	file, sum string
	size      int64
	version   string
}

// Run deploys. After an error what served before serves.
func (d *Deployment) Run(ctx context.Context) error {
	h, err := d.look(ctx)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "tower-deploy-")
	if err != nil {
		return fmt.Errorf("build the release: %w", err)
	}
	defer os.RemoveAll(folder)
	r, err := d.build(ctx, h.arch, filepath.Join(folder, d.Name))
	if err != nil {
		return err
	}
	d.say("built %s for linux/%s, %.1f MB", r.version, h.arch, float64(r.size)/1e6)
	if err := h.room(r); err != nil {
		return err
	}
	if h.current == r.version && h.running {
		d.say("%s serves already: nothing to do", r.version)
		return nil
	}
	if d.DryRun {
		d.say("would upload it to %s:%s/releases/%s, migrate, and replace %s", d.Host, d.Folder, r.version, cmp.Or(h.current, "nothing"))
		return nil
	}
	if h.releases[r.version] { // it was checked before it got its name
		d.say("it is on the host already")
	} else if err := d.upload(ctx, r); err != nil {
		return err
	}
	if h.data > 0 {
		if err := d.migrate(ctx, r); err != nil {
			return err
		}
	}
	if h.running {
		err = d.ask(ctx, r.version, "swap "+r.version)
	} else {
		err = d.begin(ctx, h, r)
	}
	if err != nil {
		return err
	}
	_, err = d.shell(ctx, nil, fmt.Sprintf(cleaning, max(d.Keep, 0)+1))
	return err
}

// cleaning removes the releases from the given place in the order of age on, and keeps the two
// that links lead to.
const cleaning = `touch current/.; ls -1t releases | tail -n +%d | while read -r version; do
  case "releases/$version" in "$(readlink current)" | "$(readlink previous)") ;; *) rm -rf "releases/$version" ;; esac
done`

func (d *Deployment) build(ctx context.Context, arch, file string) (*release, error) {
	version, err := d.Build(ctx, arch, file)
	if err != nil {
		return nil, err
	}
	program, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the release: %w", err)
	}
	defer program.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, program)
	if err != nil {
		return nil, fmt.Errorf("read the release: %w", err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	return &release{file, sum, size, strings.NewReplacer("/", "-", "'", "-").Replace(cmp.Or(version, "build")) + "-" + sum[:8]}, nil
}

func (d *Deployment) upload(ctx context.Context, r *release) error {
	d.say("uploading %.1f MB", float64(r.size)/1e6)
	program, err := os.Open(r.file)
	if err != nil {
		return fmt.Errorf("read the release: %w", err)
	}
	defer program.Close()
	_, err = d.shell(ctx, program, fmt.Sprintf(`set -e; umask 022; mkdir -p releases/%[1]s
part=releases/%[1]s/.part; cat > "$part"
sum=$(sha256sum "$part"); [ "${sum%%%% *}" = %[2]s ] || { echo 'the upload was cut or changed on its way' >&2; exit 1; }
chmod 755 "$part"; mv "$part" releases/%[1]s/%[3]s`, quote(r.version), r.sum, quote(d.Name)))
	return err
}

// migrate does what is pending while the old release serves, or refuses to.
func (d *Deployment) migrate(ctx context.Context, r *release) error {
	tasks := []string{"plan", "run"}
	if d.Accept {
		tasks[1] = "accept"
	}
	for _, task := range tasks {
		var refused string
		var failed error
		err := d.stream(ctx, d.withEnv(fmt.Sprintf(`TOWER_MIGRATE=%s TOWER_FOLDER=$PWD TOWER_RELEASES= exec releases/%s/%s`, task, quote(r.version), quote(d.Name))), func(out io.Reader) {
			refused, failed = d.Migrate(out, task, d.Accept)
		})
		if err = cmp.Or(failed, err); err != nil {
			return fmt.Errorf("look at the data with the new release: %w; while the old one serves, that needs TOWER_CONSOLE=on in %s.env", err, d.Name)
		}
		if refused != "" {
			return fmt.Errorf("nothing was changed, and %s was not started: %s; --accept goes on nevertheless", r.version, refused)
		}
	}
	return nil
}

// withEnv returns a command that runs with the variables of the application.
func (o *Options) withEnv(command string) string {
	return fmt.Sprintf("set -a; [ ! -f %[1]s ] || . ./%[1]s; set +a; ", quote(o.Name+".env")) + command
}

// ask asks the supervisor by a release, and prints its answer.
func (o *Options) ask(ctx context.Context, version, what string) error {
	return o.stream(ctx, fmt.Sprintf("TOWER_DEPLOY=%s TOWER_FOLDER=$PWD exec releases/%s/%s", quote(what), quote(version), quote(o.Name)),
		o.show)
}

// begin lets the first release serve: systemd starts it, or else this does.
func (d *Deployment) begin(ctx context.Context, h *host, r *release) error {
	command := fmt.Sprintf("ln -sfn releases/%s .current && mv -T .current current || exit 1\n", quote(r.version))
	if h.unit {
		d.say("waiting for systemd to start %s.service", d.Name)
	} else {
		d.say("starting it: there is no unit of systemd, so nothing starts it again after a reboot; %s.pid has its number", d.Name)
		command += d.withEnv(fmt.Sprintf("TOWER_ENV=${TOWER_ENV:-production} TOWER_FOLDER=$PWD TOWER_RELEASES=on nohup setsid current/%[1]s >> %[1]s.log 2>&1 < /dev/null &\necho $! > %[1]s.pid\n", quote(d.Name)))
	}
	command += fmt.Sprintf(`for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  TOWER_DEPLOY=status TOWER_FOLDER=$PWD current/%[1]s 2>/dev/null && exit 0
  sleep 1
done
echo 'it does not serve after 30 s' >&2; tail -n 5 %[1]s.log >&2 2>/dev/null; exit 1`, quote(d.Name))
	return d.stream(ctx, command, d.show)
}

// Status prints which release serves, and which are there.
func (o *Options) Status(ctx context.Context) error {
	h, err := o.look(ctx)
	if err != nil {
		return err
	}
	if !h.running {
		return fmt.Errorf("no supervisor runs in %s:%s", o.Host, o.Folder)
	}
	if err := o.ask(ctx, h.current, "status"); err != nil {
		return err
	}
	return o.stream(ctx, "ls -1t releases | sed 's/^/release /'", o.show)
}

// Rollback swaps to the release that served before the current one.
func (o *Options) Rollback(ctx context.Context) error {
	h, err := o.look(ctx)
	switch {
	case err != nil:
		return err
	case !h.running:
		return fmt.Errorf("no supervisor runs in %s:%s", o.Host, o.Folder)
	case h.previous == "":
		return errors.New("there is no release before the current one")
	}
	return o.ask(ctx, h.current, "swap "+h.previous)
}

func (o *Options) say(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }
