package archive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/towerkit/tower/internal/store"
)

// An Info describes a backup.
type Info struct {
	App   string    `json:"app"`
	Epoch string    `json:"epoch"`
	Seq   uint64    `json:"seq"`  // the newest commit in it
	At    time.Time `json:"at"`   // when it was made
	Size  int64     `json:"size"` // of the store's file, in bytes
}

const (
	infoName    = "info.json"
	storeName   = "store.db"
	filesPrefix = "files/"
)

// A copier is a store, or the file of one that is not open.
type copier interface {
	CopyTo(begin func(seq uint64, size int64) (io.Writer, error)) error
}

// Copy copies a store to a new file at path, and completes what info says of it.
func Copy(from copier, info Info, path string) (Info, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Info{}, fmt.Errorf("copy the store: %w", err)
	}
	err = from.CopyTo(func(seq uint64, size int64) (io.Writer, error) {
		info.Seq, info.Size = seq, size
		return file, nil
	})
	if err = errors.Join(err, file.Close()); err != nil {
		return Info{}, errors.Join(fmt.Errorf("copy the store: %w", err), os.Remove(path))
	}
	copied, err := store.OpenFile(path)
	if err != nil {
		return Info{}, err
	}
	state, err := copied.State()
	info.Epoch = state.Epoch
	return info, errors.Join(err, copied.Close())
}

// Pack makes a backup at path of the copy of a store, with the files in a place, nil for none. It
// returns how many bytes the files have.
func Pack(ctx context.Context, info Info, raw, path string, files Place, progress Progress) (size int64, err error) {
	file, err := os.Open(raw)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	err = WriteFile(path, func(w io.Writer) error {
		read := &counter{w: io.Discard, step: "compressing", total: info.Size, progress: progress}
		return writeBackup(ctx, w, info, io.TeeReader(file, read), func(pack *tar.Writer) error {
			size, err = packFiles(ctx, pack, info, files, progress)
			return err
		})
	})
	return size, err
}

// packFiles adds the files in a place to a backup. What is removed meanwhile belongs to no record.
func packFiles(ctx context.Context, pack *tar.Writer, info Info, files Place, progress Progress) (size int64, err error) {
	if files == nil {
		return 0, nil
	}
	names, err := files.List(ctx)
	if err != nil {
		return 0, fmt.Errorf("list %s: %w", files, err)
	}
	for i, name := range names {
		progress("adding files", int64(i), int64(len(names)))
		content, err := files.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var text []byte // files are kept in chunks of a few MiB
		if err == nil {
			text, err = io.ReadAll(contextReader{ctx, content})
			err = errors.Join(err, content.Close())
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = pack.WriteHeader(&tar.Header{Name: filesPrefix + name, Mode: 0o600, Size: int64(len(text)), ModTime: info.At})
		}
		if err == nil {
			_, err = pack.Write(text)
		}
		if err != nil {
			return size, fmt.Errorf("add %s of %s: %w", name, files, err)
		}
		size += int64(len(text))
	}
	return size, nil
}

// writeBackup writes a backup of the store's file, and what more adds.
func writeBackup(ctx context.Context, w io.Writer, info Info, file io.Reader, more func(*tar.Writer) error) error {
	compressed, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	pack := tar.NewWriter(compressed)
	text, err := json.MarshalIndent(info, "", "\t")
	if err != nil {
		return err
	}
	add := func(name string, size int64, content func() error) error {
		if err := pack.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: info.At}); err != nil {
			return err
		}
		return content()
	}
	if err := add(infoName, int64(len(text)), func() error {
		_, err := pack.Write(text)
		return err
	}); err != nil {
		return err
	}
	if err := add(storeName, info.Size, func() error {
		_, err := io.Copy(pack, contextReader{ctx, file})
		return err
	}); err != nil {
		return err
	}
	if err := more(pack); err != nil {
		return err
	}
	return errors.Join(pack.Close(), compressed.Close())
}

// ReadBackup reads a backup, and writes the store's file to the writer that begin
// returns, and each file to a place, nil for none. It reads to the end, so that it finds out if the backup
// was cut or changed.
func ReadBackup(ctx context.Context, r io.Reader, begin func(Info) (io.Writer, error), files Place) (info Info, err error) {
	plain, err := zstd.NewReader(contextReader{ctx, r}, zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return Info{}, err
	}
	defer plain.Close()
	pack := tar.NewReader(plain)
	whole := false
	for {
		member, err := pack.Next()
		switch {
		case errors.Is(err, io.EOF):
			if !whole {
				return info, errors.New("it is not a backup of a store")
			}
			_, err := io.Copy(io.Discard, plain)
			return info, damaged(err)
		case err != nil && info.Epoch == "":
			return info, fmt.Errorf("it is not a backup of a store, or it is damaged: %w", err)
		case err != nil:
			return info, damaged(err)
		}
		switch member.Name {
		case infoName:
			if err := json.NewDecoder(pack).Decode(&info); err != nil {
				return info, damaged(err)
			}
		case storeName:
			w, err := begin(info)
			if err != nil {
				return info, err
			}
			if _, err := io.Copy(w, pack); err != nil {
				return info, damaged(err)
			}
			whole = true
		default:
			if name, ok := strings.CutPrefix(member.Name, filesPrefix); ok && files != nil && fs.ValidPath(name) {
				if err := files.Put(ctx, name, pack, member.Size); err != nil {
					return info, fmt.Errorf("restore %s to %s: %w", name, files, err)
				}
			}
		}
	}
}

// Unpack calls fn with the plain content of a backup or a log file.
func Unpack(ctx context.Context, r io.Reader, fn func(plain io.Reader) error) error {
	plain, err := zstd.NewReader(contextReader{ctx, r}, zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return err
	}
	defer plain.Close()
	return fn(plain)
}

func damaged(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrPermission) {
		return err
	}
	return fmt.Errorf("the backup is damaged or cut short: %w", err)
}
