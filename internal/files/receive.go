package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

const (
	author    = "files"
	sniffed   = 3072 // bytes by which the type is known
	maxName   = 255  // bytes
	maxUnused = 100  // files of one client that are in no record
	longNames = 8
)

// Begin makes the record of a file whose content follows, of so many bytes, -1 if that is not
// known. The content is then given to [Files.Append]. party is the client that uploads it, which
// may have a number of files that are in no record: the error then is a [*TooManyError].
func (f *Files) Begin(ctx context.Context, name string, size int64, party string) (record.ID, error) {
	e := Entry{Name: CleanName(name), Size: size, State: Receiving, Party: party}
	if err := f.mayBegin(ctx, party); err != nil {
		return "", err
	}
	if size == 0 {
		e.complete(sha256.New())
		e.Type = kindOf(nil)
	}
	_, err := f.store.Update(ctx, author, func(tx *store.Tx) error {
		image, err := f.table.Create(tx, &e)
		if err == nil {
			e.ID = image.ID
		}
		return err
	})
	return e.ID, err
}

// mayBegin returns an error if a client has too many files that are in no record.
func (f *Files) mayBegin(ctx context.Context, party string) error {
	uploaded, err := f.UploadedBy(ctx, party)
	if err == nil && party != "" && len(uploaded) >= maxUnused {
		err = &TooManyError{maxUnused}
	}
	return err
}

// CleanName returns the last part of a file's name, without what moves or hides text.
func CleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff || r == utf8.RuneError:
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(path.Base(name))
	if name == "." || name == "/" || name == ".." || name == "" {
		return "file"
	}
	if len(name) <= maxName {
		return name
	}
	end := path.Ext(name)
	if len(end) > maxName/longNames {
		end = ""
	}
	return strings.ToValidUTF8(name[:maxName-len(end)], "") + end
}

// kindOf returns the media type of a content that begins so.
func kindOf(head []byte) string {
	kind, _, _ := strings.Cut(mimetype.Detect(head).String(), ";")
	return kind
}

// Append receives the next chunk of a file, which begins at offset, from r: [Chunk] bytes, or all
// that is left. It returns the entry as it is then; its State is [Stored] once the file is
// complete. The error is an [*OffsetError] if another byte is the next, and a [*Refusal] if the
// rules refuse the type of the file. A chunk that is not whole changes nothing.
func (f *Files) Append(ctx context.Context, id record.ID, offset int64, r io.Reader, rules *record.FileRules) (Entry, error) {
	e, err := f.Entry(ctx, id)
	if err != nil {
		return e, err
	}
	return f.append(ctx, e, offset, min(Chunk, e.Size-offset), r, rules)
}

// append receives a chunk of so many bytes.
func (f *Files) append(ctx context.Context, e Entry, offset, size int64, r io.Reader, rules *record.FileRules) (Entry, error) {
	defer f.lock(e.ID)()
	e, err := f.Entry(ctx, e.ID)
	if err != nil {
		return e, err
	}
	if e.State != Receiving || e.Stored != offset {
		return e, &OffsetError{e.Stored}
	}
	sum, err := e.hash()
	if err != nil {
		return e, err
	}
	head := &first{}
	name := chunkName(e.ID, int(offset/Chunk), f.node)
	if err := f.place.Put(ctx, name, io.TeeReader(io.LimitReader(r, size), io.MultiWriter(sum, head)), size); err != nil {
		return e, fmt.Errorf("store %s: %w", name, err)
	}
	if offset == 0 {
		if kind := kindOf(head.Bytes()); rules.TypeProblem(kind) != "" {
			return e, errors.Join(&Refusal{rules.TypeProblem(kind)}, f.place.Delete(ctx, name))
		}
	}
	_, err = f.store.Update(ctx, author, func(tx *store.Tx) (err error) {
		e, err = f.change(tx, e.ID, func(e *Entry) error {
			if e.State != Receiving || e.Stored != offset {
				return &OffsetError{e.Stored}
			}
			e.Stored += size
			e.addChunk(f.node)
			if offset == 0 {
				e.Type = kindOf(head.Bytes())
			}
			if e.Stored == e.Size {
				e.complete(sum)
				return nil
			}
			e.Hash, err = sum.(encoding.BinaryMarshaler).MarshalBinary()
			return err
		})
		return err
	})
	var moved *OffsetError
	if errors.As(err, &moved) {
		err = errors.Join(err, f.place.Delete(ctx, name))
	}
	return e, err
}

// hash returns the SHA-256 of what is stored, which goes on.
func (e *Entry) hash() (hash.Hash, error) {
	sum := sha256.New()
	if e.Hash == nil {
		return sum, nil
	}
	err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(e.Hash)
	if err != nil {
		err = fmt.Errorf("the checksum of the file %s: %w", e.ID, err)
	}
	return sum, err
}

func (e *Entry) complete(sum hash.Hash) {
	e.Size, e.Sum, e.State, e.Hash = e.Stored, hex.EncodeToString(sum.Sum(nil)), Stored, nil
}

// first keeps the first bytes that are written to it.
type first struct{ bytes.Buffer }

func (f *first) Write(p []byte) (int, error) {
	f.Buffer.Write(p[:min(len(p), sniffed-f.Len())])
	return len(p), nil
}

// Receive stores a file whose size is not known. It needs little memory, and a temporary file of
// one chunk. The error is a [*Refusal] if the rules refuse it; nothing of it is stored then.
func (f *Files) Receive(ctx context.Context, name string, r io.Reader, rules *record.FileRules, party string) (file record.File, err error) {
	spool, err := os.CreateTemp(f.temp, ".upload-*")
	if err != nil {
		return file, fmt.Errorf("receive a file: %w", err)
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	id, err := f.Begin(ctx, name, -1, party)
	if err != nil {
		return file, fmt.Errorf("receive a file: %w", err)
	}
	e := Entry{ID: id}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Drop(context.WithoutCancel(ctx), id))
		}
	}()
	for {
		if _, err := spool.Seek(0, io.SeekStart); err != nil {
			return file, err
		}
		size, err := io.CopyN(spool, r, Chunk)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return file, fmt.Errorf("receive a file: %w", err)
		}
		if problem := rules.SizeProblem(e.Stored + size); problem != "" {
			return file, &Refusal{problem}
		}
		if size > 0 {
			if _, err = spool.Seek(0, io.SeekStart); err == nil {
				e, err = f.append(ctx, e, e.Stored, size, spool, rules)
			}
			if err != nil {
				return file, err
			}
		}
		if last {
			return f.finish(ctx, id, rules)
		}
	}
}

// finish completes a file whose size was not known.
func (f *Files) finish(ctx context.Context, id record.ID, rules *record.FileRules) (record.File, error) {
	var file record.File
	_, err := f.store.Update(ctx, author, func(tx *store.Tx) error {
		e, err := f.change(tx, id, func(e *Entry) error {
			sum, err := e.hash()
			if e.Stored == 0 {
				e.Type = kindOf(nil)
			}
			e.complete(sum)
			return err
		})
		file = e.File()
		return err
	})
	if problem := rules.TypeProblem(file.Type); err == nil && problem != "" {
		err = &Refusal{problem}
	}
	return file, err
}
