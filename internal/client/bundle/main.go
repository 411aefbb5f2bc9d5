// Command bundle builds the browser library into dist, as minified modules. It runs
// in internal/client. The modules are:
//
//	tower.js    the script of a page
//	index.js    the library without the parts for HTML pages
//	worker.js   the shared worker, which holds a connection for several pages
//	offline.js  the service worker, which loads pages without a connection
//	react.js, svelte.js, vue.js
//	            the bindings, which import the library and the framework
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/evanw/esbuild/pkg/api"
)

// scripts maps the modules in dist to their entry points in src.
var scripts = map[string]string{
	"tower.js": "tower.ts", "index.js": "index.ts", "worker.js": "worker.ts", "offline.js": "page/offline.ts",
	"react.js": "bind/react.ts", "svelte.js": "bind/svelte.ts", "vue.js": "bind/vue.ts",
}

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	built := map[string][]byte{}
	for name, source := range scripts {
		script, err := build(folder, source)
		if err != nil {
			return err
		}
		built[name] = script
	}
	dist := filepath.Join(folder, "dist")
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return fmt.Errorf("make the output folder: %w", err)
	}
	for name, script := range built {
		if err := os.WriteFile(filepath.Join(dist, name), script, 0o644); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	return nil
}

// build builds one module. It inserts the hash of the worker, so that a page starts
// the worker of the same build.
func build(folder, source string) ([]byte, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the sources: %w", err)
	}
	worker, err := bundle(folder, scripts["worker.js"], nil)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(worker)
	return bundle(folder, source, map[string]string{"WORKER": strconv.Quote(hex.EncodeToString(sum[:4]))})
}

func bundle(folder, source string, define map[string]string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     folder,
		EntryPoints:       []string{"src/" + source},
		External:          []string{"tower", "react", "vue"},
		Define:            define,
		Bundle:            true,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LogLevel:          api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		lines := api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		problems := make([]error, len(lines))
		for i, line := range lines {
			problems[i] = errors.New(line)
		}
		return nil, errors.Join(problems...)
	}
	return result.OutputFiles[0].Contents, nil
}
