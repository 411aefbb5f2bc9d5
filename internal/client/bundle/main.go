// Command bundle builds the browser library: src/index.ts and what it imports
// become dist/tower.js, one minified module, and src/worker.ts dist/worker.js. It
// runs in internal/client.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

const (
	pageScript   = "dist/tower.js"
	workerScript = "dist/worker.js"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	scripts, err := build(folder)
	if err != nil {
		return err
	}
	for output, script := range scripts {
		path := filepath.Join(folder, output)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the output folder: %w", err)
		}
		if err := os.WriteFile(path, script, 0o644); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	return nil
}

// build makes the scripts, by the paths that they have. A page starts the worker
// that it was built with, by its hash.
func build(folder string) (map[string][]byte, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the sources: %w", err)
	}
	shared, err := bundle(folder, "src/worker.ts", nil)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(shared)
	script, err := bundle(folder, "src/index.ts", map[string]string{"WORKER": fmt.Sprintf("%q", hex.EncodeToString(sum[:4]))})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{pageScript: script, workerScript: shared}, nil
}

func bundle(folder, entry string, define map[string]string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     folder,
		EntryPoints:       []string{entry},
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
