package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/upload"
)

// begin begins an upload of a file for the field any.
func (w *world) begin(user tower.ID, size int) (upload.State, int, string) {
	w.t.Helper()
	return w.state(w.do(user, "POST", upload.Path, "application/json",
		strings.NewReader(fmt.Sprintf(`{"for":"POST /photos","field":"any","name":"a.bin","size":%d}`, size))))
}

func (w *world) patch(user tower.ID, token string, offset int, chunk io.Reader) (upload.State, int, string) {
	w.t.Helper()
	return w.state(w.do(user, "PATCH", upload.Path, "application/octet-stream", chunk, "Tower-Upload", token, "Tower-Offset", fmt.Sprint(offset)))
}

func (w *world) ask(user tower.ID, token string) (upload.State, int, string) {
	w.t.Helper()
	return w.state(w.do(user, "GET", upload.Path, "", nil, "Tower-Upload", token))
}

func (w *world) state(res *http.Response, text string) (s upload.State, status int, body string) {
	_ = json.Unmarshal([]byte(text), &s)
	return s, res.StatusCode, text
}

// upload uploads a content, and returns the token of the file.
func (w *world) upload(user tower.ID, text []byte) string {
	w.t.Helper()
	s, status, body := w.begin(user, len(text))
	token := s.Upload
	for s.File == "" {
		if status != 200 && status != 201 {
			w.t.Fatalf("upload: %d %s", status, body)
		}
		end := min(s.Offset+s.Chunk, int64(len(text)))
		s, status, body = w.patch(user, token, int(s.Offset), bytes.NewReader(text[s.Offset:end]))
	}
	return s.File
}

// keep puts an uploaded file into a photo.
func (w *world) keep(user tower.ID, token string) (*Photo, int) {
	w.t.Helper()
	res, text := w.do(user, "POST", "/photos", "application/json", strings.NewReader(fmt.Sprintf(`{"any":%q}`, token)))
	var p Photo
	_ = json.Unmarshal([]byte(text), &p)
	return &p, res.StatusCode
}

// cut is a content that breaks off.
type cut struct {
	io.Reader
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errors.New("the connection is cut")
	}
	n, err := c.Reader.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func TestAnUploadGoesOnWhereItWasCut(t *testing.T) {
	w := open(t)
	text := content(9<<20 + 5)
	s, _, _ := w.begin(w.ada, len(text))
	token := s.Upload
	for round := 0; s.File == ""; round++ {
		end := min(s.Offset+s.Chunk, int64(len(text)))
		if round%2 == 0 {
			req, err := http.NewRequest("PATCH", w.URL+upload.Path, &cut{bytes.NewReader(text[s.Offset:end]), int(end-s.Offset) / 2})
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = end - s.Offset
			req.Header.Set("Tower-Upload", token)
			req.Header.Set("Tower-Offset", fmt.Sprint(s.Offset))
			cookie, err := w.Cookie(w.ada)
			if err != nil {
				t.Fatal(err)
			}
			req.AddCookie(cookie)
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				t.Fatalf("a chunk that is cut: %s", res.Status)
			}
			before := s.Offset
			if s, _, _ = w.ask(w.ada, token); s.Offset != before {
				t.Fatalf("after a cut it goes on at %d, not %d", s.Offset, before)
			}
			continue
		}
		s, _, _ = w.patch(w.ada, token, int(s.Offset), bytes.NewReader(text[s.Offset:end]))
	}
	if again, _, _ := w.ask(w.ada, token); again.File == "" {
		t.Errorf("a client that has missed the last answer: %+v", again)
	}
	p, status := w.keep(w.ada, s.File)
	if _, got := w.do(w.ada, "GET", p.Any.URL, "", nil); status != 201 || got != string(text) || p.Any.Sum != sumOf(text) {
		t.Errorf("%d: %d bytes, %+v", status, len(got), p.Any)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	w := open(t)
	s, _, _ := w.begin(w.ada, 5<<20)
	token := s.Upload
	chunk := content(4 << 20)
	for what, status := range map[string]int{
		"another user":      second(w.patch(w.bob, token, 0, bytes.NewReader(chunk))),
		"a visitor":         second(w.patch("", token, 0, bytes.NewReader(chunk))),
		"another user asks": second(w.ask(w.bob, token)),
		"a forged token":    second(w.patch(w.ada, token[:len(token)-2]+"AA", 0, bytes.NewReader(chunk))),
		"no token":          second(w.ask(w.ada, "")),
	} {
		if status != 404 {
			t.Errorf("%s: %d", what, status)
		}
	}
	for what, status := range map[string]int{
		"an offset ahead":     second(w.patch(w.ada, token, 1, bytes.NewReader(chunk))),
		"an offset far ahead": second(w.patch(w.ada, token, 99<<20, bytes.NewReader(chunk))),
	} {
		if status != 409 {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := second(w.patch(w.ada, token, 0, bytes.NewReader(chunk[:100]))); status != 400 {
		t.Errorf("a short chunk: %d", status)
	}
	for body, want := range map[string]int{
		`{"for":"POST /photos","field":"any","name":"a","size":20971521}`: 422,
		`{"for":"POST /photos","field":"any","name":"a","size":-1}`:       422,
		`{"for":"POST /photos","field":"title","name":"a","size":1}`:      400,
		`{"for":"POST /nowhere","field":"any","name":"a","size":1}`:       404,
		`{"for":"any","size":1}`: 400, `[]`: 400, `{"sum":"x"}`: 400,
	} {
		if res, text := w.do(w.ada, "POST", upload.Path, "application/json", strings.NewReader(body)); res.StatusCode != want {
			t.Errorf("%s: %d %s; want %d", body, res.StatusCode, text, want)
		}
	}
	res, text := w.do(w.ada, "POST", upload.Path, "application/json", strings.NewReader(`{"for":"POST /photos","field":"image","name":"a.png","size":30}`))
	lie, _, _ := w.state(res, text)
	if s, status, text := w.patch(w.ada, lie.Upload, 0, strings.NewReader("<html><script></script></html>")); status != 422 || !strings.Contains(text, "is of type text/html") {
		t.Errorf("a type that is not accepted: %d %s %+v", status, text, s)
	}
	file := w.upload(w.ada, []byte("x"))
	if _, status := w.keep(w.bob, file); status != 422 {
		t.Errorf("the file of another: %d", status)
	}
	res, _ = w.do(w.ada, "POST", "/photos", "application/json", strings.NewReader(fmt.Sprintf(`{"image":%q}`, file)))
	if res.StatusCode != 422 {
		t.Errorf("a file for a field that does not take its type: %d", res.StatusCode)
	}
}

func second(_ upload.State, status int, _ string) int { return status }

// Of many who send the next chunk of one upload at once, one succeeds, and what it has sent is stored.
func TestParallelChunks(t *testing.T) {
	w := open(t)
	for range 5 {
		s, _, _ := w.begin(w.ada, 1000)
		var sending sync.WaitGroup
		var mu sync.Mutex
		var won [][]byte
		for i := range 6 {
			sending.Go(func() {
				text := bytes.Repeat([]byte{byte('a' + i)}, 1000)
				if _, status, _ := w.patch(w.ada, s.Upload, 0, bytes.NewReader(text)); status == 200 {
					mu.Lock()
					won = append(won, text)
					mu.Unlock()
				}
			})
		}
		sending.Wait()
		state, _, _ := w.ask(w.ada, s.Upload)
		p, _ := w.keep(w.ada, state.File)
		_, got := w.do(w.ada, "GET", p.Any.URL, "", nil)
		if len(won) != 1 || got != string(won[0]) || p.Any.Sum != sumOf(won[0]) {
			t.Errorf("%d were stored; the file has %.10q…", len(won), got)
		}
	}
}

func TestAClientHasFewUnusedFiles(t *testing.T) {
	w := open(t)
	var status int
	var first upload.State
	for i := 0; i <= 100; i++ {
		var s upload.State
		if s, status, _ = w.begin(w.ada, 0); i == 0 {
			first = s
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("the upload after a hundred: %d", status)
	}
	if _, status, _ := w.begin(w.bob, 1); status != 201 {
		t.Errorf("another client: %d", status)
	}
	if _, status := w.keep(w.ada, first.File); status != 201 {
		t.Errorf("use one: %d", status)
	}
	if _, status, _ := w.begin(w.ada, 1); status != 201 {
		t.Errorf("after one is used: %d", status)
	}
}

func (w *world) files() *files.Files { return server.AppOf(w.App.App).Files() }

func (w *world) sweep() files.Sweeping {
	w.t.Helper()
	done, err := w.files().Sweep(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

// deleteForGood deletes a photo of Ada's, and sweeps until nothing needs its files: neither a record nor
// the log, which forgets what is older.
func (w *world) deleteForGood(p *Photo) {
	w.t.Helper()
	if res, _ := w.do(w.ada, "DELETE", "/photos/"+string(p.ID), "", nil); res.StatusCode != 200 {
		w.t.Fatal(res.Status)
	}
	for range 3 {
		w.Advance(files.Grace + time.Hour)
		w.user("later")
		w.sweep()
	}
}

// chunks returns how many chunks are stored.
func (w *world) chunks() (n int) {
	_ = filepath.WalkDir(w.files().Place(), func(_ string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func TestWhatNothingRefersToIsSwept(t *testing.T) {
	w := open(t)
	kept := w.create(w.ada, anything("kept", "", content(5<<20)))
	gone := w.create(w.ada, anything("gone", "", content(6<<20)))
	unused := w.upload(w.ada, []byte("unused"))
	begun, _, _ := w.begin(w.ada, 5<<20)
	if _, status, _ := w.patch(w.ada, begun.Upload, 0, bytes.NewReader(content(4<<20))); status != 200 {
		t.Fatal(status)
	}
	stray := filepath.Join(w.files().Place(), "01ARZ3NDEKTSV4RRFFQ69G5FAV", "000000-x")
	if err := errors.Join(os.MkdirAll(filepath.Dir(stray), 0o700), os.WriteFile(stray, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if res, _ := w.do(w.ada, "DELETE", "/photos/"+string(gone.ID), "", nil); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	if done := w.sweep(); done.Kept != 4 || done.Orphans != 1 || w.chunks() != 6 {
		t.Errorf("at once: %+v, %d chunks", done, w.chunks())
	}
	w.Advance(files.Grace + time.Hour)
	w.user("Somebody") // the log forgets what is older
	if done := w.sweep(); done.Marked != 2 || done.Removed != 1 || w.chunks() != 5 {
		t.Errorf("after the grace: %+v, %d chunks", done, w.chunks())
	}
	if done := w.sweep(); done.Removed != 2 || done.Kept != 1 || w.chunks() != 2 {
		t.Errorf("the sweep after it: %+v, %d chunks", done, w.chunks())
	}
	if res, got := w.do(w.ada, "GET", kept.Any.URL, "", nil); res.StatusCode != 200 || len(got) != 5<<20 {
		t.Errorf("the file that is kept: %d, %d bytes", res.StatusCode, len(got))
	}
	if _, status := w.keep(w.ada, unused); status != 422 {
		t.Errorf("a file that is swept: %d", status)
	}
	if done := w.sweep(); done != (files.Sweeping{Kept: 1}) {
		t.Errorf("nothing is left to do: %+v", done)
	}
}

// What the log can undo has its file, and what is put into a record between two sweeps stays.
func TestASweepLosesNothing(t *testing.T) {
	w := open(t)
	token := w.upload(w.ada, []byte("late"))
	w.Advance(files.Grace + time.Hour)
	p := w.create(w.ada, anything("a", "", []byte("undone")))
	if res, _ := w.do(w.ada, "DELETE", "/photos/"+string(p.ID), "", nil); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	if done := w.sweep(); done.Marked != 1 {
		t.Errorf("%+v; want the one that nobody has used", done)
	}
	_ = token
	entryOf := p.Any.ID
	if _, err := w.files().Entry(t.Context(), entryOf); err != nil {
		t.Error(err)
	}
	w.sweep()
	if content, _, err := w.files().Open(t.Context(), entryOf); err != nil {
		t.Errorf("the file of a record that can be undone: %v", err)
	} else {
		_ = content.Close()
	}
}
