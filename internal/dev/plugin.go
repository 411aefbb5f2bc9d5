package dev

import (
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/towerkit/tower/internal/client"
)

// towerPlugin lets scripts import tower and tower/react, tower/svelte and tower/vue. The
// library itself stays external, at the URL where the application serves it, so that a
// page has one connection however many scripts it loads. The bindings become part of the
// bundle, beside their framework.
func towerPlugin(folder string) api.Plugin {
	bindings := client.Bindings()
	return api.Plugin{Name: "tower", Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: `^tower(/|$)`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			_, isBinding := bindings[args.Path]
			switch {
			case args.Path == "tower":
				return api.OnResolveResult{Path: "/_tower/tower.js", External: true}, nil
			case isBinding || args.Path == "tower/types":
				return api.OnResolveResult{Path: args.Path, Namespace: "tower"}, nil
			}
			return api.OnResolveResult{}, nil
		})
		build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "tower"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			source := bindings[args.Path] // empty for tower/types, which has only types
			// The bindings import the framework that the application has installed.
			return api.OnLoadResult{Contents: &source, Loader: api.LoaderJS, ResolveDir: filepath.Join(folder, "app")}, nil
		})
	}}
}
