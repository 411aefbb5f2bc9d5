//go:build unix

package private

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

const (
	checksMode = true
	noFollow   = syscall.O_NOFOLLOW
)

// owned reports whether a file belongs to this user.
func owned(info fs.FileInfo) bool { return ownerID(info) == os.Geteuid() }

// rooted reports whether a file belongs to root.
func rooted(info fs.FileInfo) bool { return ownerID(info) == 0 }

func ownerID(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// owner returns the name of the user whom a file belongs to, or the number.
func owner(info fs.FileInfo) string {
	id := strconv.Itoa(ownerID(info))
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return id
}

// names returns how many names a file has in the file system.
func names(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Nlink)
	}
	return 1
}

// Like gives a new file the mode of another, and its owner and group, if this user may.
func Like(file *os.File, other fs.FileInfo) error {
	if err := file.Chmod(other.Mode().Perm()); err != nil {
		return err
	}
	stat, ok := other.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := file.Chown(int(stat.Uid), int(stat.Gid))
	if os.Geteuid() != 0 { // it may not give files away, and has lost nothing
		return nil
	}
	return err
}
