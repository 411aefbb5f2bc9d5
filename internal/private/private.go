// Package private makes, opens and checks folders, files and sockets that are this user's
// own. Somebody else may have put them there first, or a link to what this user owns: in /tmp,
// or in any folder that others may write to.
//
// What is used belongs to this user, is no link and is open to nobody else, and what is written
// to has no second name. Everything is made with the mode 0700 or 0600. Nothing is changed to make it so: an
// error names the path, what is wrong with it, and what to do.
//
// A check is of the place and of the folder that it is in. Folders above are taken as they are:
// who can write to those can replace the application itself. Windows has no modes, and its
// folders inherit the rights of the user's own; there only links are refused.
package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Modes of what may be used. A file may lie in a folder whose names others can read.
const (
	closedFolder fs.FileMode = 0o700
	ownFolder    fs.FileMode = 0o755
	ownFile      fs.FileMode = 0o600
	sharedFolder fs.FileMode = 0o775
	sharedFile   fs.FileMode = 0o660
)

// Folder makes a folder that only this user can read and write, unless it exists. It fails if
// what exists is a link, no folder, another user's, or open to others.
func Folder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkFolder(path, closedFolder)
}

// OwnFolder makes a folder with the folders above, unless it exists. It fails if what exists
// is a link, no folder, another user's, or one that others may write to. Others may read the
// names in it.
func OwnFolder(path string) error { return makeFolder(path, ownFolder) }

// SharedFolder is like [OwnFolder] for a folder that this user's group may write to as well,
// as the volumes of a container are. Root may also use one of the user whom the folder above
// belongs to.
func SharedFolder(path string) error { return makeFolder(path, sharedFolder) }

func makeFolder(path string, most fs.FileMode) error {
	if err := os.MkdirAll(path, 0o700); err != nil && checkFolder(path, most) == nil {
		return err // else what is in its place is the reason
	}
	return checkFolder(path, most)
}

// checkFolder returns an error unless the folder is this user's own and its mode has no more
// bits than most. In a sticky folder such as /tmp, others can put files but not replace this
// user's; so it may be one if its files are checked.
func checkFolder(path string, most fs.FileMode) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case isLink(info):
		return linkError(path)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; remove it", path)
	case !usable(path, info, most):
		return ownerError(path, info)
	case most != closedFolder && info.Mode()&fs.ModeSticky != 0:
		return nil
	}
	return checkMode(path, info, most)
}

// Temp makes a new folder that only this user can read and write, in the folder for temporary
// files, and returns its path. The pattern is that of [os.MkdirTemp]. It fails if others could
// replace what it made.
func Temp(pattern string) (string, error) {
	top := os.TempDir()
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real // a system may link /tmp
	}
	if err := checkFolder(top, sharedFolder); err != nil {
		return "", fmt.Errorf("%w; or set TMPDIR to a folder of your own", err)
	}
	return os.MkdirTemp(top, pattern)
}

// Open opens a file as [os.OpenFile] does, if it is this user's own, nobody else may use it,
// and it is in a folder that [OwnFolder] accepts. It makes a file with the mode 0600. With [os.O_TRUNC] a file loses its contents after
// it has been checked.
func Open(path string, flag int) (*os.File, error) { return open(path, flag, ownFolder, ownFile) }

// OpenShared is like [Open] for a file that this user's group may use as well, in a folder that
// [SharedFolder] accepts. Root may also use one of the user whom the folder belongs to.
func OpenShared(path string, flag int) (*os.File, error) {
	return open(path, flag, sharedFolder, sharedFile)
}

func open(path string, flag int, folder, most fs.FileMode) (*os.File, error) {
	if err := checkFolder(filepath.Dir(path), folder); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil { // before it is opened, which may block or follow
		if err := checkFile(path, info, flag, most); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, flag&^os.O_TRUNC|noFollow, ownFile)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkFile(path, info, flag, most)
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func checkFile(path string, info fs.FileInfo, flag int, most fs.FileMode) error {
	switch {
	case isLink(info):
		return linkError(path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; remove it, or use another place", path)
	case !usable(path, info, most):
		return ownerError(path, info)
	case names(info) > 1 && flag&(os.O_WRONLY|os.O_RDWR) != 0:
		return fmt.Errorf("%s is a file that has another name too, by a hard link; remove one of the two", path)
	}
	return checkMode(path, info, most)
}

// ReadFile reads a file that [Open] opens.
func ReadFile(path string) ([]byte, error) {
	file, err := Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	return text, errors.Join(err, file.Close())
}

// Replace replaces a file in one step, or makes it. It fails if [Open] would refuse what is
// there.
func Replace(path string, text []byte) error {
	if err := checkFolder(filepath.Dir(path), ownFolder); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil {
		if err := checkFile(path, info, os.O_RDWR, ownFile); err != nil {
			return err
		}
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with the mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// usable reports whether a file or folder belongs to somebody who may make it for this user.
func usable(path string, info fs.FileInfo, most fs.FileMode) bool {
	switch {
	case owned(info):
		return true
	case most == ownFolder:
		return rooted(info) // root may do anything in any case
	case most == sharedFolder:
		return rooted(info) || ofFolder(path, info)
	}
	return most == sharedFile && ofFolder(path, info)
}

// ofFolder reports whether root uses what belongs to the user of the folder that it is in: as in
// a container, on the folder of an application that another user mounted there.
func ofFolder(path string, info fs.FileInfo) bool {
	path, err := filepath.Abs(path)
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	above, err := os.Lstat(filepath.Dir(path))
	return err == nil && above.IsDir() && ownerID(above) == ownerID(info)
}

func isLink(info fs.FileInfo) bool { return info.Mode()&fs.ModeSymlink != 0 }

func linkError(path string) error {
	to := ""
	if target, err := os.Readlink(path); err == nil {
		to = " to " + target
	}
	return fmt.Errorf("%s is a link%s; remove it, or name the place itself", path, to)
}

func ownerError(path string, info fs.FileInfo) error {
	return fmt.Errorf("%s belongs to another user, %s; remove it, or use a place of your own", path, owner(info))
}

func checkMode(path string, info fs.FileInfo, most fs.FileMode) error {
	mode := info.Mode().Perm()
	if mode&^most&0o077 == 0 || !checksMode {
		return nil
	}
	if most == sharedFolder || most == ownFolder {
		return fmt.Errorf("other users may write to %s (mode %o); run chmod go-w %s", path, mode, path)
	}
	return fmt.Errorf("%s is open to other users (mode %o); run chmod %o %s", path, mode, most&0o700, path)
}
