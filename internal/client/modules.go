package client

import (
	"embed"
	"strings"
)

//go:embed types
var declarations embed.FS

//go:embed dist/react.js dist/svelte.js dist/vue.js
var bindings embed.FS

// Types returns the declarations, for TypeScript, of the library and of its
// bindings, by the names of their modules: tower, tower/react.
func Types() map[string]string { return modules(declarations, "types", ".d.ts") }

// Bindings returns the modules that bind the library to frameworks, by their names.
// They import the library as tower, and their framework.
func Bindings() map[string]string { return modules(bindings, "dist", ".js") }

func modules(files embed.FS, folder, kind string) map[string]string {
	found := map[string]string{}
	entries, _ := files.ReadDir(folder) // what is embedded can be read
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
