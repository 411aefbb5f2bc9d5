package client

import (
	"embed"
	"strings"
)

//go:embed types
var declarations embed.FS

//go:embed dist/react.js dist/svelte.js dist/vue.js
var bindings embed.FS

// Types returns the TypeScript declarations of the library and its bindings, by
// module name: tower, tower/react, tower/svelte, tower/vue.
func Types() map[string]string { return modules(declarations, "types", ".d.ts") }

// Bindings returns the bindings for frameworks as JavaScript modules, by module
// name. They import the library as tower, and their framework.
func Bindings() map[string]string { return modules(bindings, "dist", ".js") }

func modules(files embed.FS, folder, kind string) map[string]string {
	found := map[string]string{}
	entries, _ := files.ReadDir(folder) // reading embedded files does not fail
	for _, entry := range entries {
		text, _ := files.ReadFile(folder + "/" + entry.Name())
		name := "tower/" + strings.TrimSuffix(entry.Name(), kind)
		if name == "tower/tower" {
			name = "tower"
		}
		found[name] = string(text)
	}
	return found
}
