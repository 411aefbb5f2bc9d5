package script

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	towercsv "github.com/towerkit/tower/internal/csv"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// maxFile is the most bytes of a file to read.
const maxFile = 64 << 20

// readFile returns the text of a file on this machine.
func (e *Evaluator) readFile(call goja.FunctionCall) goja.Value {
	name, ok := call.Argument(0).Export().(string)
	if !ok {
		panic(e.usage(`readFile takes a path: readFile("posts.csv")`))
	}
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = fmt.Errorf("%s is not a file of at most %s", name, term.Bytes(maxFile))
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		e.throw(&show.Failure{Message: term.Clean(err.Error())})
	}
	return e.vm.ToValue(strings.TrimPrefix(string(text), "\ufeff"))
}

// writeFile writes a text to a file on this machine, which only its owner may read. It
// replaces an existing file only if told to. The file is complete or not written.
func (e *Evaluator) writeFile(call goja.FunctionCall) goja.Value {
	name, named := call.Argument(0).Export().(string)
	text, isText := call.Argument(1).Export().(string)
	if !named || !isText {
		panic(e.usage(`writeFile takes a path and a text: writeFile("posts.csv", csv(list))`))
	}
	overwrite := e.switches("writeFile", call.Argument(2), "overwrite")["overwrite"]
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a file", name)
	case err == nil && !overwrite:
		e.throw(&show.Failure{Title: "exists", Message: term.Clean(name) + " exists; nothing was written", Hint: "to replace it: writeFile(path, text, {overwrite: true})"})
	}
	if err == nil && overwrite {
		err = replaceFile(name, text)
	} else if err == nil {
		err = createFile(name, text)
	}
	if err != nil {
		e.throw(&show.Failure{Message: term.Clean(err.Error())})
	}
	return e.prose("wrote " + term.Bytes(int64(len(text))) + " to " + term.Clean(name))
}

// createFile writes a file that does not exist yet, even since it was looked for.
func createFile(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return fill(file, text)
}

// replaceFile writes a new file beside the named one, and puts it in its place.
func replaceFile(name, text string) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".tower-*") // its mode is 0600
	if err == nil {
		err = fill(file, text)
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	return err
}

// fill writes the text of a new file and closes it. If that fails, there is no such file.
func fill(file *os.File, text string) error {
	_, err := file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Remove(file.Name()) // what went wrong is in err
	}
	return err
}

// switches returns the options of a function that are true. It throws if there are others
// than names.
func (e *Evaluator) switches(function string, v goja.Value, names ...string) map[string]bool {
	on := map[string]bool{}
	if goja.IsUndefined(v) {
		return on
	}
	options := e.snapshot(v, copyBrief)
	for _, f := range options.Fields {
		if options.Kind != show.Object || f.Value.Kind != show.Bool || !slices.Contains(names, f.Name) {
			panic(e.usage("%s takes the options {%s: true}", function, strings.Join(names, ": true, ")))
		}
		on[f.Name] = f.Value.Text == "true"
	}
	return on
}

// parseCSV returns the rows of CSV as objects, whose names are in the first row.
func (e *Evaluator) parseCSV(call goja.FunctionCall) goja.Value {
	text, ok := call.Argument(0).Export().(string)
	if !ok {
		panic(e.usage(`parseCSV takes the text of a file: parseCSV(readFile("posts.csv"))`))
	}
	r := towercsv.NewReader(strings.NewReader(text))
	var names []string
	var objects []any
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return e.vm.NewArray(objects...)
		case err != nil:
			e.throw(&show.Failure{Title: "SyntaxError", Message: "this is not CSV: " + term.Clean(err.Error())})
		case names == nil:
			names = row
			continue
		}
		object := e.vm.NewObject()
		for i, value := range row {
			e.setProperty(object, names[i], e.vm.ToValue(value))
		}
		objects = append(objects, object)
	}
}

// csv returns a list of records or objects as CSV, whose first row has their names.
func (e *Evaluator) csv(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if object, ok := v.(*goja.Object); ok {
		if m := e.modelOf(object); m != nil {
			v = (&query{model: m}).records()
		}
	}
	list := e.snapshot(v, copyAll)
	safe := e.switches("csv", call.Argument(1), "safe")["safe"]
	var names []string
	for _, item := range list.Items {
		if item.Kind != show.Object && item.Kind != show.Record {
			list.Kind = show.Undefined
			break
		}
		for _, f := range item.Fields {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	if list.Kind != show.List {
		panic(e.usage("csv takes a list of records or objects: csv(%s)", e.example(nil).scope()+".all()"))
	}
	if len(names) == 0 {
		return e.vm.ToValue("")
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	write := func(row []string) {
		if len(row) == 1 && row[0] == "" { // a line without text would be no row
			w.Flush()
			out.WriteString("\"\"\n")
			return
		}
		_ = w.Write(row) // a buffer accepts everything
	}
	write(cells(names, safe))
	for _, item := range list.Items {
		row := make([]string, len(names))
		for _, f := range item.Fields {
			row[slices.Index(names, f.Name)] = cell(f.Value, safe)
		}
		write(row)
	}
	w.Flush()
	return e.vm.ToValue(out.String())
}

func cells(texts []string, safe bool) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = cell(show.Scalar(show.String, text), safe)
	}
	return out
}

// cell returns the text of a value in CSV: lists and objects are JSON. If it must be safe,
// a text that a spreadsheet would run as a formula begins with an apostrophe.
func cell(v show.Value, safe bool) string {
	switch v.Kind {
	case show.Undefined, show.Null:
		return ""
	case show.List, show.Object, show.Record:
		return string(show.AppendJSON(nil, v))
	case show.String:
		if first, _ := utf8.DecodeRuneInString(v.Text); safe && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
			return "'" + v.Text
		}
	}
	return v.Text
}
