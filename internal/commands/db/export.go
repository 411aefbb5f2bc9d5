package db

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/spelling"
	"github.com/towerkit/tower/internal/store"
)

func newExport(find commands.Find) *cobra.Command {
	e := &export{}
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "export [MODEL...]",
		Short: "Write the records of models as JSON or CSV",
		Long: `Write the records of models, as of the newest commit: one line of JSON for each, or CSV.
MODEL is the name of a collection, like posts. One model is printed, or written to the
file that --output names. Several models, or all if none is named, are written to files
in the folder that --output names.

The application may run and be written to meanwhile. Private fields are left out, unless
--private is given.`,
		Example: `  tower db export posts
  tower db export posts --format csv -o posts.csv
  tower db export -o records`,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := choice.Application(cmd.Context())
			if err != nil {
				return err
			}
			if e.format != "ndjson" && e.format != "csv" {
				return cli.Usage(fmt.Sprintf("there is no format %q", e.format), "the formats are ndjson and csv")
			}
			if e.output == "" && len(args) != 1 {
				return cli.Usage("only one model can be printed", "name one, or the folder for all of them: tower db export -o records")
			}
			e.models, e.out, e.said = args, cmd.OutOrStdout(), cmd.ErrOrStderr()
			e.progress = cli.NewProgress(cmd.ErrOrStderr())
			defer e.progress.End()
			return e.run(cmd.Context(), app)
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose records to export")
	cmd.Flags().StringVar(&e.format, "format", "ndjson", "ndjson or csv")
	cmd.Flags().StringVarP(&e.output, "output", "o", "", "the file for one model, or the folder for several")
	cmd.Flags().BoolVar(&e.private, "private", false, "write private fields too, such as hashes of passwords")
	return cmd
}

// An export is one run of tower db export.
type export struct {
	format, output string
	private        bool
	models         []string
	out, said      io.Writer
	progress       *cli.Progress
}

// run reads the store, or a copy of it if the application is running.
func (e *export) run(ctx context.Context, app *commands.Application) error {
	folder, err := private.Temp("tower-export-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	client, err := app.AttachInEnv(ctx)
	var file *store.File
	switch {
	case errors.Is(err, control.ErrNotRunning):
		file, err = app.OpenStopped()
	case err == nil:
		_ = client.Close() // it returns nil
		b := &backup{app: app, progress: e.progress}
		path := filepath.Join(folder, "store.db")
		if _, err = b.copy(ctx, path); err == nil {
			file, err = store.OpenFile(path)
		}
	}
	if err != nil {
		return err
	}
	defer file.Close()
	known, err := file.Models()
	if err != nil {
		return err
	}
	for _, model := range e.models {
		if slices.Contains(known, model) {
			continue
		}
		hint := "the models are " + strings.Join(known, ", ")
		if like := spelling.Closest(model, known); like != "" {
			hint = "did you mean " + like
		}
		return cli.Usage(fmt.Sprintf("there is no model %q in the data", model), hint)
	}
	return e.write(ctx, file, known)
}

func (e *export) write(ctx context.Context, file *store.File, known []string) error {
	if len(e.models) == 1 {
		if e.output == "" {
			_, err := e.model(ctx, file, e.models[0], e.out)
			return err
		}
		return e.toFile(ctx, file, e.models[0], e.output)
	}
	if len(e.models) == 0 {
		e.models = known
	}
	if err := os.MkdirAll(e.output, 0o700); err != nil {
		return err
	}
	for _, model := range e.models {
		if err := e.toFile(ctx, file, model, filepath.Join(e.output, model+"."+e.format)); err != nil {
			return err
		}
	}
	return nil
}

// toFile writes the records of a model to a new file.
func (e *export) toFile(ctx context.Context, file *store.File, model, path string) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return cli.Hinted(fmt.Errorf("%s exists", path), "give another name, or remove it first")
	}
	if err != nil {
		return err
	}
	n, err := e.model(ctx, file, model, to)
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	e.progress.End()
	fmt.Fprintf(e.out, "%s: %s\n", path, cli.Count(n, "record"))
	return nil
}

// model writes the records of a model, and returns how many there are.
func (e *export) model(ctx context.Context, file *store.File, model string, w io.Writer) (n int, err error) {
	buffered := bufio.NewWriter(w)
	var columns []string
	var table *csv.Writer
	if e.format == "csv" {
		if columns, err = e.columns(ctx, file, model); err != nil {
			return 0, err
		}
		table = csv.NewWriter(buffered)
		if err := table.Write(columns); err != nil {
			return 0, err
		}
	}
	left := map[string]bool{} // private fields
	err = file.Each(ctx, model, func(row store.Row) error {
		if n++; n%1000 == 0 {
			e.progress.Report(fmt.Sprintf("%s: %d", model, n), 0, 0)
		}
		if !e.private && len(row.Private) > 0 {
			names, err := fieldNames(row.Private)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", model, row.ID, err)
			}
			for _, name := range names {
				left[name] = true
			}
		}
		if table == nil {
			return e.line(buffered, row)
		}
		cells, err := e.cells(row, columns)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", model, row.ID, err)
		}
		return table.Write(cells)
	})
	if table != nil {
		table.Flush()
		err = errors.Join(err, table.Error())
	}
	err = errors.Join(err, buffered.Flush())
	if len(left) > 0 && err == nil {
		e.progress.End()
		names := make([]string, 0, len(left))
		for name := range left {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(e.said, "%s: without the private %s; --private writes them\n", model, strings.Join(names, ", "))
	}
	return n, err
}

// line writes a record as a line of JSON: its public fields, and then the private ones.
func (e *export) line(w *bufio.Writer, row store.Row) error {
	public, private := bytes.TrimSpace(row.Public), bytes.TrimSpace(row.Private)
	if !e.private || len(private) <= len("{}") {
		_, _ = w.Write(public) // Flush returns the error
		return w.WriteByte('\n')
	}
	_, _ = w.Write(public[:len(public)-1])
	if len(public) > len("{}") {
		_ = w.WriteByte(',')
	}
	_, _ = w.Write(private[1:])
	return w.WriteByte('\n')
}

// columns returns the fields that occur in records of a model, in the order of the first
// record that has them.
func (e *export) columns(ctx context.Context, file *store.File, model string) (columns []string, err error) {
	known := map[string]bool{}
	err = file.Each(ctx, model, func(row store.Row) error {
		for _, part := range e.parts(row) {
			names, err := fieldNames(part)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", model, row.ID, err)
			}
			for _, name := range names {
				if !known[name] {
					known[name] = true
					columns = append(columns, name)
				}
			}
		}
		return nil
	})
	return columns, err
}

func (e *export) parts(row store.Row) [][]byte {
	if e.private && len(row.Private) > 0 {
		return [][]byte{row.Public, row.Private}
	}
	return [][]byte{row.Public}
}

// fieldNames returns the names of an object's fields in their order.
func fieldNames(object []byte) (names []string, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprint(name))
	}
	return names, nil
}

// cells returns a record's values as CSV has them: a text as it is, nothing for null and for
// a field that it does not have, and JSON for all others.
func (e *export) cells(row store.Row, columns []string) ([]string, error) {
	fields := map[string]json.RawMessage{}
	for _, part := range e.parts(row) {
		if err := json.Unmarshal(part, &fields); err != nil {
			return nil, err
		}
	}
	cells := make([]string, len(columns))
	for i, name := range columns {
		value := fields[name]
		switch {
		case len(value) == 0 || string(value) == "null":
		case value[0] == '"':
			if err := json.Unmarshal(value, &cells[i]); err != nil {
				return nil, err
			}
		default:
			cells[i] = string(value)
		}
	}
	return cells, nil
}
