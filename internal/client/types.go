package client

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed types
var declarations embed.FS

// Types returns the declarations, for TypeScript, of the library and of its
// bindings, by the names of their modules: tower, tower/react.
func Types() map[string]string {
	types := map[string]string{}
	for name, text := range files(declarations, "types") {
		types[moduleOf(strings.TrimSuffix(name, ".d.ts"))] = text
	}
	return types
}

// moduleOf is what a file of the library is imported as.
func moduleOf(name string) string {
	if name == "tower" {
		return name
	}
	return "tower/" + name
}

// files yields the names and contents of the files in a folder that is embedded.
func files(folder embed.FS, name string) func(yield func(name, text string) bool) {
	return func(yield func(name, text string) bool) {
		entries, _ := folder.ReadDir(name) // what is embedded can be read
		for _, entry := range entries {
			text, _ := fs.ReadFile(folder, name+"/"+entry.Name())
			if !yield(entry.Name(), string(text)) {
				return
			}
		}
	}
}
