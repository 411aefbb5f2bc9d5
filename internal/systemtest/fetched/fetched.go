// Package fetched finds and starts the programs that script/test keeps for tests.
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
