// Command bundle builds the browser library: src/tower.ts and what it imports
// become dist/tower.js, one minified module. It runs in internal/client.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

const (
	page   = "src/tower.ts" // what a page loads
	core   = "src/index.ts" // the library without what is for pages of HTML
	output = "dist/tower.js"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	script, err := build(folder, page)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, output)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the output folder: %w", err)
	}
	if err := os.WriteFile(path, script, 0o644); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}

func build(folder, entry string) ([]byte, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the sources: %w", err)
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     folder,
		EntryPoints:       []string{entry},
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
