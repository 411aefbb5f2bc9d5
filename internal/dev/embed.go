package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// embedScripts bundles the scripts in app/ for production. It returns a file for the flag
// -overlay of go build, which adds the bundle to the folder public that the application
// embeds, without writing there. It also returns a function that removes the overlay.
func embedScripts(ctx context.Context, folder string) (overlay string, remove func(), err error) {
	temporary, err := os.MkdirTemp("", "tower-bundle-")
	if err != nil {
		return "", nil, fmt.Errorf("bundle the scripts: %w", err)
	}
	remove = func() { os.RemoveAll(temporary) }
	if overlay, err = writeOverlay(ctx, folder, temporary); err != nil {
		remove()
		var failure *Failure
		if ctx.Err() == nil && !errors.As(err, &failure) {
			err = fmt.Errorf("bundle the scripts: %w", err)
		}
		return "", nil, err
	}
	return overlay, remove, nil
}

func writeOverlay(ctx context.Context, folder, temporary string) (string, error) {
	b := &bundler{folder: folder, production: true}
	defer b.close()
	made, err := b.bundle(ctx)
	if err != nil {
		return "", err
	}
	files := made.files
	if len(files) > 0 {
		if files["manifest.json"], err = json.Marshal(made.names); err != nil {
			return "", err
		}
	}
	public := filepath.Join(folder, "public", filepath.FromSlash(strings.Trim(scriptsURL, "/")))
	replace := map[string]string{}
	for name, contents := range files {
		replace[filepath.Join(public, name)] = filepath.Join(temporary, name)
		if err := os.WriteFile(filepath.Join(temporary, name), contents, 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temporary, ".overlay")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
