// Package fetched finds the programs that script/test keeps for tests.
package fetched

import (
	"os"
	"path/filepath"
)

// Folder returns where script/test keeps what it fetches: for root a folder that the other users can
// read, too. It may be missing.
func Folder() string {
	if os.Geteuid() == 0 {
		return "/var/cache/tower"
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return os.TempDir()
	}
	return filepath.Join(folder, "tower")
}

// Provider returns the program of a provider of OpenID Connect: the example server of github.com/zitadel/oidc/v3.
// It may be missing.
func Provider() string { return filepath.Join(Folder(), "oidc-v3.52.0", "server") }
