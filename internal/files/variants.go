package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Scale makes variants of an image. An error that is none of reading the content says what is
// wrong with the image. It is nil in a program that does not import package images, which sets it.
var Scale func(content io.ReadSeeker, variants []record.Variant) ([][]byte, error)

// A Scaling is the work of a job: the variants of an image that are to be made.
type Scaling struct {
	File     record.ID        `json:"file"`
	Variants []record.Variant `json:"variants"`
}

// A BrokenError reports that an image has no variants, and why.
type BrokenError struct {
	Name string
	Err  error
}

func (e *BrokenError) Error() string { return fmt.Sprintf("the image %q: %v", e.Name, e.Err) }

func (e *BrokenError) Unwrap() error { return e.Err }

// scaled lists the types of images that have variants.
var scaled = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// lacking returns the variants of a file that have not been made.
func (e *Entry) lacking(variants []record.Variant) (all []record.Variant) {
	for _, v := range variants {
		if _, known := e.Variants[v.Key()]; !known && slices.Contains(scaled, e.Type) {
			all = append(all, v)
		}
	}
	return all
}

// MakeVariants makes what a job asks for, unless it is there. The error is a [*BrokenError] if
// the image cannot be scaled; that is noted, and [Files.OpenVariant] does not ask again.
func (f *Files) MakeVariants(ctx context.Context, s Scaling) error {
	opened, e, err := f.Open(ctx, s.File)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer opened.Close()
	s.Variants = slices.DeleteFunc(s.Variants, func(v record.Variant) bool { return e.Variants[v.Key()] != "" })
	source := &watched{ReadSeeker: opened}
	made, err := Scale(source, s.Variants)
	if source.err != nil {
		return fmt.Errorf("read the image %s: %w", s.File, source.err)
	}
	broken := err
	for i, v := range s.Variants {
		var id record.ID
		if broken == nil {
			rules := &record.FileRules{Max: int64(len(made[i]))}
			file, err := f.Receive(ctx, variantName(e.Name, v.Name, made[i]), bytes.NewReader(made[i]), rules, "")
			if err != nil {
				return fmt.Errorf("store the variant %s of %s: %w", v.Name, s.File, err)
			}
			id = file.ID
		}
		if err := f.noteVariant(ctx, e.ID, v, id); err != nil {
			return err
		}
	}
	if broken != nil {
		return &BrokenError{e.Name, broken}
	}
	return nil
}

// variantName returns the name under which a variant is saved: "harbour-thumb.jpg".
func variantName(name, variant string, content []byte) string {
	_, end, _ := strings.Cut(kindOf(content), "/")
	return strings.TrimSuffix(name, path.Ext(name)) + "-" + variant + "." + strings.Replace(end, "jpeg", "jpg", 1)
}

// noteVariant notes the file of a variant, "" for an image that is broken. It drops the file if the image has
// gone, or another process was first.
func (f *Files) noteVariant(ctx context.Context, of record.ID, v record.Variant, id record.ID) error {
	_, err := f.store.Update(ctx, author, func(tx *store.Tx) error {
		_, err := f.change(tx, of, func(e *Entry) error {
			if e.State == Gone || e.Variants[v.Key()] != "" {
				return errMoved
			}
			if e.Variants == nil {
				e.Variants = map[string]record.ID{}
			}
			e.Variants[v.Key()] = id
			return nil
		})
		return err
	})
	if errors.Is(err, errMoved) || errors.Is(err, store.ErrNotFound) {
		if err = nil; id != "" {
			err = f.Drop(ctx, id)
		}
	}
	return err
}

// OpenVariant returns the content of a variant: that of the image itself while the variant is not made, for
// which it then enqueues a job, and if the image is broken. The error is [ErrGone] if there is no such
// file, or it is no image.
func (f *Files) OpenVariant(ctx context.Context, id record.ID, v record.Variant) (io.ReadSeekCloser, Entry, error) {
	e, err := f.Entry(ctx, id)
	if err == nil && !strings.HasPrefix(e.Type, "image/") {
		err = ErrGone
	}
	if err != nil {
		return nil, e, err
	}
	if made := e.Variants[v.Key()]; made != "" {
		return f.Open(ctx, made)
	}
	if lacking := e.lacking([]record.Variant{v}); len(lacking) > 0 {
		if _, err := f.store.Update(ctx, author, func(tx *store.Tx) error { return f.enqueue(tx, Scaling{id, lacking}) }); err != nil {
			f.log.Warn("a variant of an image cannot be made; the image is shown", "file", id, "variant", v.Name, "error", err)
		}
	}
	return f.Open(ctx, id)
}

// A watched content notes with which error reading it failed.
type watched struct {
	io.ReadSeeker
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
