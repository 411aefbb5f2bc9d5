package client

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// needPackages fails a test if the packages of package.json are not installed.
func needPackages(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("node_modules/.package-lock.json"); err != nil {
		t.Fatal("this test needs packages that are not installed; script/test installs them, or run: npm ci --prefix internal/client")
	}
}

// TestTypes checks the types of the sources and compares them with the declarations
// for applications.
func TestTypes(t *testing.T) {
	needPackages(t)
	if out, err := exec.Command("node_modules/.bin/tsc", "--pretty", "false").CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// svelte compiles Svelte components when they are bundled.
var svelte = api.Plugin{Name: "svelte", Setup: func(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `\.svelte$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		out, err := exec.Command("node", "test/compile.js", args.Path).CombinedOutput()
		if err != nil {
			return api.OnLoadResult{}, fmt.Errorf("compile %s: %w\n%s", args.Path, err, out)
		}
		source := string(out)
		return api.OnLoadResult{Contents: &source}, nil
	})
}}
