package db

import (
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
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/spelling"
	"github.com/towerkit/tower/internal/wire"
)

func newImport(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	in := wire.Import{}
	cmd := &cobra.Command{
		Use:   "import [MODEL] FILE...",
		Short: "Create records from JSON or CSV",
		Long: `Create records from files: a line of JSON for each (.ndjson, .jsonl), or CSV whose first
row names the fields. A file is named after its model, like posts.csv, unless MODEL comes
first. A folder is all such files in it: what tower db export has written.

All files are checked first. If anything in them cannot be imported, each problem is listed
with its line, and nothing is changed. Ids and times of the files are kept. An import that
was ended halfway can be repeated: records that are there with the same values are left
alone.

The records are created by the running application, whose clients receive them; if none
runs, it is started.`,
		Example: `  tower db import records
  tower db import posts.csv --dry-run
  tower db import users people.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			model, paths, err := importArguments(cmd, args)
			if err != nil {
				return err
			}
			return connectedIn(choice, cmd, func(client *control.Client) error {
				return runImport(cmd, client, in, model, paths)
			})
		},
	}
	choice = find.ChooseRunning(cmd, "the environment to import into")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "only check the files")
	cmd.Flags().BoolVar(&in.Private, "private", false, "import private fields too, such as hashes of passwords")
	return cmd
}

// importArguments returns the model, if one is named, and the files.
func importArguments(cmd *cobra.Command, args []string) (model string, paths []string, err error) {
	if len(args) > 1 && filepath.Ext(args[0]) == "" && !strings.ContainsRune(args[0], filepath.Separator) {
		if _, err := os.Stat(args[0]); errors.Is(err, os.ErrNotExist) {
			model, args = args[0], args[1:]
		}
	}
	if len(args) == 0 {
		return "", nil, cli.Usage("import needs a file", "see: "+cmd.CommandPath()+" --help")
	}
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return "", nil, err
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return "", nil, cli.Usage(fmt.Sprintf("%s does not exist", arg), "name a file like posts.csv or posts.ndjson, or a folder of them")
		case err != nil:
			return "", nil, err
		case !info.IsDir():
			paths = append(paths, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return "", nil, err
		}
		before := len(paths)
		for _, entry := range entries {
			if formatOf(entry.Name()) != "" {
				paths = append(paths, filepath.Join(path, entry.Name()))
			}
		}
		if len(paths) == before {
			return "", nil, cli.Usage(fmt.Sprintf("%s has no file to import", arg), "the files end with .ndjson, .jsonl or .csv")
		}
	}
	return model, paths, nil
}

// formatOf returns the format of a file by its name, "" if it is not known.
func formatOf(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".ndjson", ".jsonl":
		return "ndjson"
	case ".csv":
		return "csv"
	}
	return ""
}

func runImport(cmd *cobra.Command, client *control.Client, in wire.Import, model string, paths []string) error {
	var known []string
	for _, m := range client.Hello().Models {
		known = append(known, m.Name)
	}
	for _, path := range paths {
		f := wire.ImportFile{Path: path, Model: model, Format: formatOf(path)}
		if f.Format == "" {
			return cli.Usage(fmt.Sprintf("%s is of no known format", path), "its name must end with .ndjson, .jsonl or .csv")
		}
		if f.Model == "" {
			f.Model = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		}
		if !slices.Contains(known, f.Model) {
			hint := "the models are " + strings.Join(known, ", ") + "; name one before the file: " + cmd.CommandPath() + " MODEL FILE"
			if like := spelling.Closest(f.Model, known); like != "" {
				hint = "did you mean " + like
			}
			return cli.Usage(fmt.Sprintf("there is no model %q", f.Model), hint)
		}
		in.Files = append(in.Files, f)
	}
	step := "importing"
	if in.DryRun {
		step = "checking"
	}
	progress := cli.NewProgress(cmd.ErrOrStderr())
	var out wire.Imported
	input, err := json.Marshal(in)
	if err == nil {
		req := wire.ControlRequest{Do: wire.DoImport, In: input}
		err = doReporting(cmd.Context(), client, req, &out, func(done, total int64) { progress.Report(step, done, total) })
	}
	progress.End()
	if err != nil {
		return err
	}
	return printImport(cmd.OutOrStdout(), in, &out)
}

// printImport prints what was imported, or why nothing was.
func printImport(out io.Writer, in wire.Import, result *wire.Imported) error {
	for _, p := range result.Problems {
		fmt.Fprintf(out, "%s:%d: %s\n", relative(in.Files[p.File].Path), p.Line, term.Clean(strings.TrimSpace(p.Field+" "+p.Text)))
	}
	if more := result.Found - len(result.Problems); more > 0 {
		fmt.Fprintf(out, "and %s more\n", cli.Count(more, "problem"))
	}
	if result.Found > 0 {
		return cli.Hinted(fmt.Errorf("%s in the files; nothing was imported", cli.Count(result.Found, "problem")), "mend the lines, and import the files again; --dry-run only checks them")
	}
	for i, f := range result.Files {
		verb := "imported"
		if in.DryRun {
			verb = "can be imported"
		}
		line := fmt.Sprintf("%s: %s %s", relative(in.Files[i].Path), cli.Count(f.Created, "record"), verb)
		if f.Kept > 0 {
			line += fmt.Sprintf(", %d were there already", f.Kept)
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// relative returns a path as somebody in the working folder writes it.
func relative(path string) string {
	if folder, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(folder, path); err == nil && !strings.HasPrefix(short, "..") {
			return short
		}
	}
	return path
}
