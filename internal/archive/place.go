package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Place keeps files by name. A name consists of parts separated by slashes. A Place
// is safe for concurrent use.
type Place interface {
	// Put stores a file of that size, wholly or not at all. It replaces a file of
	// that name.
	Put(ctx context.Context, name string, content io.Reader, size int64) error

	// Get opens a file. The error is [fs.ErrNotExist] if there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// List returns the names of all files, sorted.
	List(ctx context.Context) ([]string, error)

	// Delete removes a file, if there is one.
	Delete(ctx context.Context, name string) error

	// String names the place for people. It holds no secret.
	String() string
}

// Open returns the place that an address names: a folder, which may be relative to base.
// It returns nil for "".
func Open(address, base string) (Place, error) {
	switch scheme, _, isURL := strings.Cut(address, "://"); {
	case address == "":
		return nil, nil
	case isURL:
		return nil, fmt.Errorf("%s: a place of the kind %s:// is opened by Config.OpenPlace of the application, such as s3.Open", address, scheme)
	case filepath.IsAbs(address):
		return Folder(address), nil
	default:
		return Folder(filepath.Join(base, address)), nil
	}
}

// FilesFolder returns the folder in which the files of a store are kept if no other place is chosen.
func FilesFolder(data string) string {
	return filepath.Join(filepath.Dir(data), "files", strings.TrimSuffix(filepath.Base(data), ".db"))
}

// Folder returns the place that is a folder of this machine. The folder is made when
// the first file is stored; only its owner may read it.
func Folder(path string) Place { return folder(path) }

type folder string

// partial is the beginning of the names of files that are still being written.
const partial = ".partial-"

func (f folder) String() string { return string(f) }

func (f folder) path(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", fmt.Errorf("%q is not a name", name)
	}
	return filepath.Join(string(f), filepath.FromSlash(name)), nil
}

func (f folder) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	full, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return err
	}
	return WriteFile(full, func(w io.Writer) error {
		written, err := io.Copy(w, contextReader{ctx, content})
		if err == nil && written != size {
			err = fmt.Errorf("%s has %d bytes, not %d: %w", name, written, size, io.ErrUnexpectedEOF)
		}
		return err
	})
}

func (f folder) Get(_ context.Context, name string) (io.ReadCloser, error) {
	full, err := f.path(name)
	if err != nil {
		return nil, err
	}
	return os.Open(full)
}

func (f folder) List(ctx context.Context) ([]string, error) {
	var names []string
	root := os.DirFS(string(f))
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case entry.Type().IsRegular() && !strings.HasPrefix(path.Base(name), partial):
			names = append(names, name)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}

func (f folder) Delete(_ context.Context, name string) error {
	full, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(full)) // if it is empty now
	return nil
}

// SweepPartial removes files from a place that is a folder, which were not written to their end, because a
// process died, and were written to before a time.
func SweepPartial(place Place, before time.Time) error {
	f, ok := place.(folder)
	if !ok {
		return nil
	}
	err := filepath.WalkDir(string(f), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !strings.HasPrefix(entry.Name(), partial) {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = os.Remove(path)
			_ = os.Remove(filepath.Dir(path)) // if it is empty now
		}
		if errors.Is(err, fs.ErrNotExist) { // it has been written to its end
			err = nil
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// WriteFile makes a file that only its owner may read, with what write writes. The file
// appears once all of it is on the disk; until then, a file of that name stays as it
// is.
func WriteFile(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), partial+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	if parent, err := os.Open(filepath.Dir(name)); err == nil { // the name is durable where the system can do that
		_ = parent.Sync()
		_ = parent.Close()
	}
	return nil
}

// A contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
