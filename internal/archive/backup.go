package archive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
	infoName  = "info.json"
	storeName = "store.db"
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

// Pack makes a backup at path of the copy of a store.
func Pack(ctx context.Context, info Info, raw, path string, progress Progress) error {
	file, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer file.Close()
	return WriteFile(path, func(w io.Writer) error {
		read := &counter{w: io.Discard, step: "compressing", total: info.Size, progress: progress}
		return WriteBackup(ctx, w, info, io.TeeReader(file, read))
	})
}

// WriteBackup writes a backup of the store's file, which must not change meanwhile.
func WriteBackup(ctx context.Context, w io.Writer, info Info, file io.Reader) error {
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
	return errors.Join(pack.Close(), compressed.Close())
}

// ReadBackup reads a backup, and writes the store's file to the writer that begin
// returns. It reads to the end, so that it finds out if the backup was cut or changed.
func ReadBackup(ctx context.Context, r io.Reader, begin func(Info) (io.Writer, error)) (info Info, err error) {
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
