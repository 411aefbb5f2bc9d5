//go:build unix

package private

import (
	"io/fs"
	"os"
	"syscall"
)

const checksMode = true

// owned reports whether a file belongs to this user.
func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
