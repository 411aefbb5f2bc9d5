//go:build linux

package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/erase"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/s3test"
)

func open(t *testing.T, address string) archive.Place {
	t.Helper()
	place, err := Open(address)
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func TestABucketIsAPlace(t *testing.T) {
	endpoint := s3test.Start(t)
	place := open(t, "s3://backups/blog/?endpoint="+endpoint)
	if place.String() != "s3://backups/blog" {
		t.Error(place)
	}
	ctx := t.Context()
	content := map[string][]byte{"E/2.log": []byte("two"), "E/1.backup": bytes.Repeat([]byte("x"), 1<<20), "D/3.log": {}}
	for name, text := range content {
		if err := place.Put(ctx, name, bytes.NewReader(text), int64(len(text))); err != nil {
			t.Fatalf("put %s: %v", name, err)
		}
	}
	if err := open(t, "s3://backups/blog2?endpoint="+endpoint).Put(ctx, "other", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	names, err := place.List(ctx)
	if want := []string{"D/3.log", "E/1.backup", "E/2.log"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("it has %q, %v; want %q", names, err, want)
	}
	for name, text := range content {
		file, err := place.Get(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s has %d bytes, %v", name, len(got), err)
		}
	}
	for range 2 {
		if err := place.Delete(ctx, "E/2.log"); err != nil {
			t.Error(err)
		}
	}
	if _, err := place.Get(ctx, "E/2.log"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	if err := place.Put(ctx, "short", strings.NewReader("x"), 2); err == nil {
		t.Error("it stored a file that was cut")
	}
	if _, err := open(t, "s3://nobodys/x?endpoint="+endpoint).List(ctx); err == nil || !strings.Contains(err.Error(), "there is no bucket nobodys") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if _, err := open(t, "s3://backups/blog?endpoint="+endpoint).List(ctx); err == nil || !strings.Contains(err.Error(), "may not use the bucket") || strings.Contains(err.Error(), s3test.SecretKey) {
		t.Errorf("with a wrong key: %v", err)
	}
}

type note struct {
	record.Record
	Title string `json:"title"`
}

// archived makes a store whose commits, a note each with the titles 0 to 29, are in the bucket.
func archived(t *testing.T, place archive.Place) (*store.Store, *archive.Archiver) {
	t.Helper()
	notes, err := record.NewModel("notes", &note{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "test.db"), store.Options{Models: []*record.Model{notes}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	archiver := archive.New(s, place, archive.Options{App: "notes", Interval: time.Millisecond, Folder: t.TempDir()})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		archiver.Run(ctx)
	}()
	for i := range 30 {
		tx := s.Begin("test")
		if _, err := tx.Create(notes, &note{Title: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for archiver.Status().Backup.IsZero() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	if status := archiver.Status(); status.Seq != 30 || status.Error != "" {
		t.Fatalf("%+v", status)
	}
	return s, archiver
}

// A store is restored from a bucket as from a folder.
func TestRestoreFromABucket(t *testing.T) {
	place := open(t, "s3://backups/notes?endpoint="+s3test.Start(t))
	s, _ := archived(t, place)
	for _, seq := range []uint64{1, 17, 30} {
		path := filepath.Join(t.TempDir(), "restored.db")
		restored, err := archive.Restore(t.Context(), place, archive.Point{Seq: seq}, path, func(string, int64, int64) {})
		if err != nil || restored.Seq != seq {
			t.Fatalf("%+v, %v", restored, err)
		}
		want, err := s.Digest(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		file, err := store.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := file.Digest(t.Context())
		if err := errors.Join(err, file.Close()); err != nil || got != want {
			t.Errorf("commit %d: %s, want %s: %v", seq, got, want, err)
		}
	}
}

// A record is erased from a bucket as from a folder: no file that is left has it, and the bucket
// restores all others.
func TestEraseFromABucket(t *testing.T) {
	place := open(t, "s3://backups/notes?endpoint="+s3test.Start(t))
	s, archiver := archived(t, place)
	var erased record.ID
	err := s.View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(s.Model("notes"), store.Range{}, func(image *record.Image) bool {
			erased = image.ID
			return false
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := place.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	proof, err := erase.Run(t.Context(), s, record.Key{Model: s.Model("notes"), ID: erased}, erase.Options{By: "test", App: "notes", Folder: folder,
		Data: filepath.Join(folder, "test.db"), Archive: archiver, Delivered: func(context.Context, uint64) error { return nil }, Step: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	after, err := place.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range after {
		if slices.Contains(before, name) {
			t.Errorf("%s, which was written before, is left", name)
		}
	}
	if proof.IDs != 1 || proof.Files < 1 || len(before) < 2 || len(after) != 1 {
		t.Errorf("%+v; there were %q, and are %q", proof, before, after)
	}
	found := 0
	err = archiver.Search(t.Context(), func(_ string, content io.Reader) error {
		text, err := io.ReadAll(content)
		found += bytes.Count(text, []byte(erased))
		return err
	})
	if err != nil || found > 0 {
		t.Errorf("the id is in the bucket %d times: %v", found, err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	if restored, err := archive.Restore(t.Context(), place, archive.Point{}, path, func(string, int64, int64) {}); err != nil || restored.Seq != s.Seq() {
		t.Errorf("%+v, %v", restored, err)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	for _, address := range []string{"s3://", "s3:///x", "gs://bucket", "s3://key:secret@bucket/x", "s3://bucket?colour=red", "s3://bucket?endpoint=localhost:7070"} {
		if place, err := Open(address); err == nil {
			t.Errorf("%s is %s", address, place)
		} else if strings.Contains(err.Error(), "secret@") {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}
