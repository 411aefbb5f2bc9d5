package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func newBackup(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	var without bool
	cmd := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Write the application's data to one file",
		Long: `Write the application's data, as of its newest commit, to one compressed file, with the
files that users have uploaded. The application may run and be written to meanwhile. Without
FILE, the name consists of the application, the environment and the time.

The backup holds everything that the store has, secrets too. Only you can read the file.`,
		Example: `  tower db backup
  tower db backup /mnt/backups/blog.backup --env production`,
		Args: cli.AtMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := choice.Application(cmd.Context())
			if err != nil {
				return err
			}
			now := time.Now()
			path := fmt.Sprintf("%s-%s-%s.backup", app.Name, app.Env, now.Format("20060102-150405"))
			if len(args) > 0 {
				path = args[0]
			}
			if _, err := os.Lstat(path); err == nil {
				return cli.Hinted(fmt.Errorf("%s exists", path), "give another name, or remove it first")
			}
			b := &backup{app: app, path: path, without: without, progress: cli.NewProgress(cmd.ErrOrStderr())}
			info, files, err := b.run(cmd.Context())
			b.progress.End()
			if err != nil {
				return fmt.Errorf("back up: %w", err)
			}
			stat, err := os.Stat(path)
			if err != nil {
				return err
			}
			with := ""
			if files > 0 {
				with = ", and " + term.Bytes(files) + " of files"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s of data up to commit %d%s\n", path, term.Bytes(stat.Size()), term.Bytes(info.Size), info.Seq, with)
			return nil
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose data to back up")
	cmd.Flags().BoolVar(&without, "without-files", false, "leave out the files that users have uploaded")
	return cmd
}

// A backup is one run of tower db backup.
type backup struct {
	app      *commands.Application
	path     string
	without  bool // files
	progress *cli.Progress
}

// run copies the store beside the backup, with the help of the application if it is
// running, and packs the copy with the files. It returns how many bytes they have.
func (b *backup) run(ctx context.Context) (info archive.Info, files int64, err error) {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return info, 0, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".backup-*")
	if err != nil {
		return info, 0, err
	}
	defer os.RemoveAll(folder)
	raw := filepath.Join(folder, "store.db")
	if info, err = b.copy(ctx, raw); err != nil {
		return info, 0, err
	}
	var place archive.Place
	if !b.without {
		if place, err = filesPlace(b.app, ""); err != nil {
			return info, 0, err
		}
	}
	files, err = archive.Pack(ctx, info, raw, path, place, b.progress.Report)
	return info, files, err
}

// filesPlace returns where the files of the store at a path are kept, "" for that of the environment.
func filesPlace(app *commands.Application, path string) (archive.Place, error) {
	data, vars, err := app.Data()
	if err != nil {
		return nil, err
	}
	place, err := openPlace(app, vars.Or("TOWER_FILES", archive.FilesFolder(cmp.Or(path, data))), app.Folder)
	if err != nil {
		err = fmt.Errorf("TOWER_FILES: %w", err)
	}
	return place, err
}

func (b *backup) copy(ctx context.Context, raw string) (archive.Info, error) {
	b.progress.Report("copying the store", 0, 0)
	client, err := b.app.AttachInEnv(ctx)
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
	file, err := b.app.OpenStopped()
	if err != nil {
		return archive.Info{}, err
	}
	defer file.Close()
	return archive.Copy(file, archive.Info{App: b.app.Name, At: time.Now()}, raw)
}
