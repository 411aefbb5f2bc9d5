package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

func newDBBackup() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Write the application's data to one file",
		Long: `Write the application's data, as of its newest commit, to one compressed file. The
application may run and be written to meanwhile. Without FILE, the name consists of the
application, the environment and the time.

The backup holds everything that the store has, secrets too. Only you can read the file.`,
		Example: `  tower db backup
  tower db backup /mnt/backups/blog.backup --env production`,
		Args: atMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			now := time.Now()
			path := fmt.Sprintf("%s-%s-%s.backup", app.Name, env, now.Format("20060102-150405"))
			if len(args) > 0 {
				path = args[0]
			}
			if _, err := os.Lstat(path); err == nil {
				return &hintedError{fmt.Errorf("%s exists", path), "give another name, or remove it first"}
			}
			b := &backup{app: app, env: env, path: path, progress: newProgress(cmd.ErrOrStderr())}
			info, err := b.run(cmd.Context())
			b.progress.end()
			if err != nil {
				return fmt.Errorf("back up: %w", err)
			}
			stat, err := os.Stat(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s of data up to commit %d\n", path, byteSize(stat.Size()), byteSize(info.Size), info.Seq)
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "development", "the environment whose data to back up")
	return cmd
}

// A backup is one run of tower db backup.
type backup struct {
	app      *application
	env      string
	path     string
	progress *progress
}

// run copies the store beside the backup, with the help of the application if it is
// running, and packs the copy.
func (b *backup) run(ctx context.Context) (archive.Info, error) {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return archive.Info{}, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".backup-*")
	if err != nil {
		return archive.Info{}, err
	}
	defer os.RemoveAll(folder)
	raw := filepath.Join(folder, "store.db")
	info, err := b.copy(ctx, raw)
	if err != nil {
		return archive.Info{}, err
	}
	return info, archive.Pack(ctx, info, raw, path, b.progress.report)
}

func (b *backup) copy(ctx context.Context, raw string) (archive.Info, error) {
	b.progress.report("copying the store", 0, 0)
	client, err := attachTo(ctx, b.app, b.env)
	if errors.Is(err, control.ErrNotRunning) {
		return b.copyFile(raw)
	}
	if err != nil {
		return archive.Info{}, err
	}
	defer client.Close()
	var copied wire.Copied
	err = client.Do(ctx, wire.ControlRequest{Do: wire.DoCopy, Key: raw}, &copied)
	return archive.Info{App: copied.App, Epoch: copied.Epoch, Seq: copied.Seq, At: copied.At, Size: copied.Size}, err
}

// copyFile copies the store of an application that is not running.
func (b *backup) copyFile(raw string) (archive.Info, error) {
	file, err := openStopped(b.app, b.env)
	if err != nil {
		return archive.Info{}, err
	}
	defer file.Close()
	return archive.Copy(file, archive.Info{App: b.app.Name, At: time.Now()}, raw)
}

// data returns the path of the store in an environment, and the environment.
func (a *application) data(env string) (string, *environ.Environment, error) {
	vars, err := environ.Read(a.Folder, env)
	if err != nil {
		return "", nil, err
	}
	path := vars.Or("TOWER_DB", filepath.Join("db", env+".db"))
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Folder, path)
	}
	return path, vars, nil
}

// byteSize writes a number of bytes for people.
func byteSize(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= 999.5 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	if unit == 0 || size >= 99.5 {
		return fmt.Sprintf("%.0f %s", size, units[unit])
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// A progress shows how far a long step has come: on a terminal in one line that is
// written again, elsewhere not at all.
type progress struct {
	out   io.Writer
	shown time.Time
	step  string
	wrote bool
}

func newProgress(out io.Writer) *progress { return &progress{out: out} }

const progressEvery = 100 * time.Millisecond

func (p *progress) report(step string, done, total int64) {
	if !isTerminal(p.out) || step == p.step && time.Since(p.shown) < progressEvery {
		return
	}
	p.step, p.shown, p.wrote = step, time.Now(), true
	text := step
	if total > 0 {
		text = fmt.Sprintf("%s  %d%%", step, 100*done/total)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", text)
}

// end removes the line.
func (p *progress) end() {
	if p.wrote {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
