package files

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/systemtest/s3test"
	"github.com/towerkit/tower/s3"
)

// In a bucket, files are uploaded, continued, downloaded by ranges, scaled and swept as in a folder.
func TestFilesInABucket(t *testing.T) {
	address := "s3://backups/photos?endpoint=" + s3test.Start(t)
	t.Setenv("TOWER_FILES", address)
	place, err := s3.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	stored := func() int {
		t.Helper()
		names, err := place.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	w := open(t)
	text := content(9 << 20)
	begun, status, body := w.begin(w.ada, len(text))
	if status != http.StatusCreated {
		t.Fatal(body)
	}
	if _, status, body = w.patch(w.ada, begun.Upload, 0, bytes.NewReader(text[:files.Chunk])); status != http.StatusOK {
		t.Fatal(body)
	}
	_, _, _ = w.patch(w.ada, begun.Upload, files.Chunk, bytes.NewReader(text[files.Chunk:files.Chunk+1000])) // it breaks off
	s, _, body := w.ask(w.ada, begun.Upload)
	for ; s.File == "" && status == http.StatusOK; s, status, body = w.patch(w.ada, begun.Upload, int(s.Offset), bytes.NewReader(text[s.Offset:min(s.Offset+files.Chunk, int64(len(text)))])) {
		if s.Offset < files.Chunk {
			t.Fatalf("the upload goes on at %d: %s", s.Offset, body)
		}
	}
	p, status := w.keep(w.ada, s.File)
	if status != http.StatusCreated || p.Any.Sum != sumOf(text) {
		t.Fatalf("%d %+v", status, p)
	}
	for _, r := range []struct {
		header string
		want   []byte
	}{{"bytes=0-9", text[:10]}, {"bytes=4194300-4194310", text[4194300:4194311]}, {"bytes=9000000-", text[9000000:]}} {
		if res, got := w.do(w.ada, "GET", p.Any.URL, "", nil, "Range", r.header); res.StatusCode != http.StatusPartialContent || got != string(r.want) {
			t.Errorf("%s: %d, %d bytes", r.header, res.StatusCode, len(got))
		}
	}
	if _, got := w.do(w.ada, "GET", p.Any.URL, "", nil); got != string(text) {
		t.Errorf("the whole file has %d bytes", len(got))
	}
	picture := w.create(w.ada, image("a.png", redAndBlue(300, 200, false)))
	w.runJobs()
	if _, size := w.variant(w.ada, picture, "thumb"); size.X != 60 {
		t.Errorf("the thumb is %v", size)
	}
	if n := stored(); n != 3+4 {
		t.Errorf("the bucket has %d chunks", n)
	}
	w.deleteForGood(p)
	if n := stored(); n != 4 {
		t.Errorf("%d chunks are left in the bucket", n)
	}
}
