package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

func newRestore(find commands.Find) *cobra.Command {
	r := &restore{}
	var choice *commands.Choice
	var at string
	var list bool
	cmd := &cobra.Command{
		Use:   "restore [FROM]",
		Short: "Restore the application's data from a backup or an archive",
		Long: `Restore the application's data. FROM is a file that tower db backup wrote, or an archive
to which the application copied its data as it was written; without it, the archive is
that of TOWER_BACKUP. --at names the state to restore: a commit, a time, or how long ago.
Without it, the newest state is restored. The files of a backup are put where the application
keeps them, and files that are there stay; an application reads from its archive what it lacks.

The application must not run. Data that is there is replaced only with --replace, and
kept beside the restored data. Clients that connect again read everything anew.`,
		Example: `  tower db restore blog-development-20261201-111500.backup
  tower db restore --at "2026-12-01 10:30" --replace
  tower db restore /mnt/archive --at 813 --to copy.db`,
		Args: cli.AtMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if r.app, err = choice.Application(cmd.Context()); err != nil {
				return err
			}
			if at != "" {
				if r.point, err = archive.ParsePoint(at, time.Now()); err != nil {
					return cli.Usage(err.Error(), "tower help db restore")
				}
			}
			if r.source, err = findSource(r.app, args); err != nil {
				return err
			}
			if list {
				return listArchive(cmd.Context(), r.source, cmd.OutOrStdout())
			}
			r.progress = cli.NewProgress(cmd.ErrOrStderr())
			err = r.run(cmd.Context(), cmd.OutOrStdout())
			r.progress.End()
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			return nil
		},
	}
	choice = find.Choose(cmd, "the environment whose data to restore")
	cmd.Flags().StringVar(&at, "at", "", "the state to restore: a commit, a time, or how long ago, like 90m")
	cmd.Flags().StringVar(&r.to, "to", "", "write the store to this file, not to that of the environment")
	cmd.Flags().BoolVar(&list, "list", false, "list what an archive has, and restore nothing")
	cmd.Flags().BoolVar(&r.replace, "replace", false, "replace the data that is there, and keep it beside")
	return cmd
}

// A source is what data is restored from: the file of a backup, or an archive.
type source struct {
	file  string
	place archive.Place // nil: a file
}

// findSource returns the source that the arguments name, by default the archive of the
// environment.
func findSource(app *commands.Application, args []string) (source, error) {
	if len(args) > 0 {
		if info, err := os.Stat(args[0]); err == nil && info.Mode().IsRegular() {
			return source{file: args[0]}, nil
		} else if err == nil && !info.IsDir() {
			return source{}, fmt.Errorf("%s is neither a file nor a folder", args[0])
		}
		folder, err := os.Getwd()
		if err != nil {
			return source{}, err
		}
		place, err := openPlace(app, args[0], folder)
		return source{place: place}, err
	}
	_, vars, err := app.Data()
	if err != nil {
		return source{}, err
	}
	address := vars.Get("TOWER_BACKUP")
	if address == "" {
		return source{}, cli.Usage("there is nothing to restore from", "name a backup or an archive, or set TOWER_BACKUP")
	}
	place, err := openPlace(app, address, app.Folder)
	return source{place: place}, err
}

// openPlace opens a bucket or a folder, which may be relative to base.
func openPlace(app *commands.Application, address, base string) (archive.Place, error) {
	if app.OpenPlace != nil && strings.Contains(address, "://") {
		return app.OpenPlace(address)
	}
	return archive.Open(address, base)
}

func (s source) String() string {
	if s.place != nil {
		return s.place.String()
	}
	return s.file
}

// restore writes the state at the point to a file that does not exist, and the files of a backup to a place, nil
// for nowhere.
func (s source) restore(ctx context.Context, point archive.Point, path string, files archive.Place, report archive.Progress) (archive.Restored, error) {
	if s.place != nil {
		return archive.Restore(ctx, s.place, point, path, report)
	}
	file, err := os.Open(s.file)
	if err != nil {
		return archive.Restored{}, err
	}
	defer file.Close()
	return archive.RestoreBackup(ctx, file, point, path, files, report)
}

// listArchive prints which states an archive has.
func listArchive(ctx context.Context, from source, out io.Writer) error {
	if from.place == nil {
		return cli.Usage(from.file+" is a backup, not an archive", "tower db restore lists what an archive has")
	}
	histories, err := archive.Contents(ctx, from.place)
	if err != nil {
		return err
	}
	if len(histories) == 0 {
		fmt.Fprintf(out, "%s has no backup.\n", from)
	}
	for _, h := range histories {
		fmt.Fprintf(out, "%s, begun %s: commits %d to %d\n", h.Epoch, h.Began.Local().Format("2006-01-02 15:04:05"), h.From, h.To)
		for _, b := range h.Backups {
			fmt.Fprintf(out, "  backup %s, commit %d, %s of data\n", b.At.Local().Format("2006-01-02 15:04:05"), b.Seq, term.Bytes(b.Size))
		}
	}
	return nil
}

// A restore is one run of tower db restore.
type restore struct {
	app      *commands.Application
	source   source
	point    archive.Point
	to       string
	replace  bool
	progress *cli.Progress
}

func (r *restore) run(ctx context.Context, out io.Writer) error {
	path := r.to
	if path == "" {
		err := r.app.OwnFile()
		if err != nil {
			return err
		}
		if path, _, err = r.app.Data(); err != nil {
			return err
		}
		if err := private.SharedFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	there, err := r.hold(path)
	if err != nil {
		return err
	}
	if there != nil {
		defer there.Close()
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".restore-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	made := filepath.Join(folder, "store.db")
	files, err := filesPlace(r.app, path)
	if err != nil {
		return err
	}
	restored, err := r.source.restore(ctx, r.point, made, files, r.progress.Report)
	if err != nil {
		return err
	}
	kept := ""
	if there != nil {
		kept = path + ".before-" + time.Now().Format("20060102-150405")
		if err := os.Link(path, kept); err != nil {
			return fmt.Errorf("keep the data that is there: %w", err)
		}
	}
	if err := os.Rename(made, path); err != nil {
		return err
	}
	r.progress.End()
	fmt.Fprintf(out, "%s: restored as of commit %d%s\n", path, restored.Seq, ofTime(restored.At))
	if restored.Cut != "" {
		fmt.Fprintf(out, "the archive's last file was cut short, %s: commits after this one are lost\n", restored.Cut)
	}
	if kept != "" {
		fmt.Fprintf(out, "%s: the data that was there\n", kept)
	}
	return nil
}

func ofTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " of " + at.Local().Format("2006-01-02 15:04:05")
}

// hold opens the store that is there, so that no application opens it meanwhile. It
// returns nil if there is none.
func (r *restore) hold(path string) (io.Closer, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case !r.replace:
		return nil, cli.Hinted(fmt.Errorf("%s exists", path), "replace it with --replace, which keeps it beside, or write to another file with --to")
	}
	held, err := store.OpenFile(path)
	var inUse *store.InUseError
	if errors.As(err, &inUse) {
		return nil, cli.Hinted(fmt.Errorf("the data is in use by %s (pid %d)", inUse.Program, inUse.PID), "stop the application first")
	}
	if err != nil { // it is damaged, which may be why it is replaced
		return io.NopCloser(nil), nil
	}
	return held, nil
}

func newDrill(find commands.Find) *cobra.Command {
	var at string
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "drill [FROM]",
		Short: "Restore a backup or an archive on trial",
		Long: `Restore a backup or an archive into a temporary folder, check the restored file, and
compare it with the application's data at the same commit, if the log of the running
application reaches back that far. Nothing is changed. The exit code is 1 if anything is
wrong.`,
		Example: `  tower db drill
  tower db drill blog-production-20261201-111500.backup`,
		Args: cli.AtMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := choice.Application(cmd.Context())
			if err != nil {
				return err
			}
			var point archive.Point
			if at != "" {
				if point, err = archive.ParsePoint(at, time.Now()); err != nil {
					return cli.Usage(err.Error(), "tower help db drill")
				}
			}
			from, err := findSource(app, args)
			if err != nil {
				return err
			}
			progress := cli.NewProgress(cmd.ErrOrStderr())
			defer progress.End()
			return drill(cmd.Context(), app, from, point, progress, cmd.OutOrStdout())
		},
	}
	choice = find.Choose(cmd, "the environment whose archive to try")
	cmd.Flags().StringVar(&at, "at", "", "the state to restore: a commit, a time, or how long ago, like 90m")
	return cmd
}

func drill(ctx context.Context, app *commands.Application, from source, point archive.Point, progress *cli.Progress, out io.Writer) error {
	begun := time.Now()
	folder, err := private.Temp("tower-drill-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "store.db")
	restored, err := from.restore(ctx, point, path, nil, progress.Report)
	if err != nil {
		return fmt.Errorf("restore %s: %w", from, err)
	}
	progress.Report("comparing", 0, 0)
	file, err := store.OpenFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest, err := file.Digest(ctx)
	if err != nil {
		return err
	}
	live, err := liveDigest(ctx, app, restored)
	if err != nil {
		return err
	}
	progress.End()
	fmt.Fprintf(out, "%s was restored as of commit %d%s in %s, and its file is in order.\n", from, restored.Seq, ofTime(restored.At), time.Since(begun).Round(100*time.Millisecond))
	if restored.Cut != "" {
		fmt.Fprintf(out, "Its last file was cut short: %s\n", restored.Cut)
	}
	switch {
	case live == "":
		fmt.Fprintln(out, "It was not compared: the application does not run, or its log no longer has that commit.")
	case live == digest:
		fmt.Fprintln(out, "Its records are those of the application at that commit.")
	default:
		return fmt.Errorf("the records of %s are not those of the application at commit %d", from, restored.Seq)
	}
	return nil
}

// liveDigest returns the hash of the records that the running application had at the
// commit that was restored; "" if it cannot know.
func liveDigest(ctx context.Context, app *commands.Application, restored archive.Restored) (hash string, err error) {
	client, err := app.Attach(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer client.Close()
	if hello := client.Hello(); hello.Env != app.Env || hello.Epoch != restored.From {
		return "", nil
	}
	err = client.Do(ctx, wire.ControlRequest{Do: wire.DoDigest, Key: fmt.Sprint(restored.Seq)}, &hash)
	var remote *control.RemoteError
	if errors.As(err, &remote) && remote.Code == "not_found" {
		return "", nil
	}
	return hash, err
}
