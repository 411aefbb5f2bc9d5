package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// scriptsURL is the path below which browsers load the bundle of app/.
const scriptsURL = "/_tower/app/"

// A bundle is the scripts of an application, built for browsers.
type bundle struct {
	files map[string][]byte // contents by file name, without a folder
	names map[string]string // file name by script, board.tsx, and by its styles, board.css
}

// A bundler builds bundles of the scripts in an application's folder app. It caches what
// it reads: a further bundle reads only changed files. It must be closed.
type bundler struct {
	folder     string
	production bool
	scripts    []string
	context    api.BuildContext // for scripts; nil at first
}

// bundle builds a bundle of the current scripts, or returns an empty one if there are
// none. Errors in the scripts are returned as a [*Failure].
func (b *bundler) bundle(ctx context.Context) (*bundle, error) {
	scripts, err := findScripts(b.folder)
	if err != nil {
		return nil, err
	}
	if len(scripts) == 0 {
		return &bundle{}, nil
	}
	if b.context == nil || !slices.Equal(scripts, b.scripts) {
		b.close()
		options := b.options(scripts)
		made, wrong := api.Context(options)
		if wrong != nil {
			return nil, bundleFailure(b.folder, wrong.Errors)
		}
		b.context, b.scripts = made, scripts
	}
	defer context.AfterFunc(ctx, b.context.Cancel)()
	result := b.context.Rebuild()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(result.Errors) > 0:
		return nil, bundleFailure(b.folder, result.Errors)
	}
	return newBundle(&result)
}

func (b *bundler) close() {
	if b.context != nil {
		b.context.Dispose()
		b.context = nil
	}
}

// findScripts returns the files that pages load: the scripts directly in app/, without
// declarations and tests.
func findScripts(folder string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(folder, "app"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the scripts: %w", err)
	}
	var scripts []string
	for _, entry := range entries {
		if name := entry.Name(); isScript(name) && !entry.IsDir() {
			scripts = append(scripts, "app/"+name)
		}
	}
	return scripts, nil
}

func isScript(name string) bool {
	switch path.Ext(name) {
	case ".ts", ".tsx", ".js", ".jsx":
		stem := strings.TrimSuffix(name, path.Ext(name))
		return name[0] != '.' && !strings.HasSuffix(stem, ".d") && !strings.HasSuffix(stem, ".test")
	}
	return false
}

func (b *bundler) options(scripts []string) api.BuildOptions {
	o := api.BuildOptions{
		AbsWorkingDir: b.folder,
		EntryPoints:   scripts,
		Outdir:        "app",
		Outbase:       "app",
		PublicPath:    strings.TrimSuffix(scriptsURL, "/"),
		EntryNames:    "[name]",
		ChunkNames:    "chunk-[hash]",
		AssetNames:    "[name]-[hash]",
		Bundle:        true,
		Splitting:     true,
		Format:        api.FormatESModule,
		Target:        api.ES2022,
		Charset:       api.CharsetUTF8,
		JSX:           api.JSXAutomatic,
		Loader:        map[string]api.Loader{},
		Define:        map[string]string{"process.env.NODE_ENV": `"development"`},
		Sourcemap:     api.SourceMapLinked,
		Metafile:      true,
		LogLevel:      api.LogLevelSilent,
		Plugins:       []api.Plugin{towerPlugin(b.folder)},
	}
	for _, kind := range []string{".svg", ".png", ".jpg", ".gif", ".webp", ".woff2"} {
		o.Loader[kind] = api.LoaderFile
	}
	if b.production {
		o.EntryNames = "[name]-[hash]"
		o.Define["process.env.NODE_ENV"] = `"production"`
		o.Sourcemap = api.SourceMapNone
		o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = true, true, true
	}
	return o
}

func newBundle(result *api.BuildResult) (*bundle, error) {
	b := &bundle{files: map[string][]byte{}, names: map[string]string{}}
	for _, file := range result.OutputFiles {
		b.files[filepath.Base(file.Path)] = file.Contents
	}
	var meta struct {
		Outputs map[string]struct{ EntryPoint, CSSBundle string }
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, fmt.Errorf("read the bundler's result: %w", err)
	}
	for file, output := range meta.Outputs {
		script := path.Base(output.EntryPoint)
		if output.EntryPoint == "" || !isScript(script) {
			continue
		}
		b.names[script] = path.Base(file)
		if output.CSSBundle != "" {
			b.names[strings.TrimSuffix(script, path.Ext(script))+".css"] = path.Base(output.CSSBundle)
		}
	}
	return b, nil
}

// bundleFailure converts the bundler's errors.
func bundleFailure(folder string, messages []api.Message) *Failure {
	f := &Failure{Title: "The bundle failed"}
	f.Text = strings.TrimSpace(strings.Join(api.FormatMessages(messages, api.FormatMessagesOptions{}), "\n"))
	for _, message := range messages {
		p := Problem{Message: message.Text, Hint: bundleHint(message.Text)}
		if at := message.Location; at != nil {
			p.File, p.Line, p.Column = filepath.ToSlash(at.File), at.Line, at.Column+1
		}
		p.locate(folder)
		f.Errors = append(f.Errors, p)
	}
	return f
}

// bundleHint returns the command that installs a missing package.
func bundleHint(message string) string {
	name, found := strings.CutPrefix(message, `Could not resolve "`)
	name = strings.TrimSuffix(name, `"`)
	if !found || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") {
		return ""
	}
	parts := strings.Split(name, "/")
	if parts[0] == "tower" {
		return "tower has tower, tower/react, tower/svelte and tower/vue"
	}
	if strings.HasPrefix(name, "@") && len(parts) > 1 {
		return "npm install " + parts[0] + "/" + parts[1]
	}
	return "npm install " + parts[0]
}
