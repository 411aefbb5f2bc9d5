package files

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/upload"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestMain serves the application, in a process that a test starts and kills.
func TestMain(m *testing.M) {
	if data := os.Getenv("TOWER_FILES_TEST_DATA"); data != "" {
		if err := serve(data); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(pgtest.Run(m))
}

func serve(data string) error {
	c := config(page(""))
	c.Env, c.Data, c.Quiet, c.Log = "test", data, true, slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err != nil {
		return err
	}
	if err := app.Open(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() { _ = http.Serve(listener, app.Handler()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	return app.Close()
}

// A child is the application in a process of its own.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	data string
	url  string
}

// The visitor of all nodes has cookies, as a browser has: nodes show it what it has written at others.
var visitor = func() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never fails
	}
	return &http.Client{Jar: jar}
}()

func start(t *testing.T, data string, env ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self), data: data}
	c.cmd.Env = append(append(os.Environ(), "TOWER_FILES_TEST_DATA="+data), env...)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the application does not start: %v", err)
	}
	c.url = strings.TrimSpace(line)
	return c
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// memory returns a figure of the process in bytes, VmRSS or VmHWM.
func (c *child) memory(name string) int64 {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name+":" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	c.t.Fatalf("there is no %s", name)
	return 0
}

// send sends a request, and decodes its answer.
func (c *child) send(method, path string, body io.Reader, into any, headers ...string) error {
	req, err := http.NewRequest(method, c.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := visitor.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode > 299 {
		err = &statusError{res.StatusCode, fmt.Sprintf("%s %s: %d %s", method, path, res.StatusCode, text)}
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

// A statusError is an answer that is none of success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// A long content is made as it is read.
type long struct {
	seed        uint64
	size, at    int64
	block       [64 << 10]byte
	from, until int64 // of what block has
}

func (l *long) Read(p []byte) (int, error) {
	if l.at >= l.size {
		return 0, io.EOF
	}
	if l.at < l.from || l.at >= l.until {
		n := l.at / int64(len(l.block))
		source := rand.NewChaCha8([32]byte{byte(l.seed), byte(n), byte(n >> 8), byte(n >> 16)})
		_, _ = source.Read(l.block[:])
		l.from = n * int64(len(l.block))
		l.until = l.from + int64(len(l.block))
	}
	n := copy(p[:min(int64(len(p)), l.size-l.at)], l.block[l.at-l.from:])
	l.at += int64(n)
	return n, nil
}

func (l *long) sum() string {
	hash := sha256.New()
	_, _ = io.Copy(hash, &long{seed: l.seed, size: l.size})
	return hex.EncodeToString(hash.Sum(nil))
}

// bigSize returns how large the file of TestAFileNeedsLittleMemory is.
func bigSize(t *testing.T) int64 {
	text := os.Getenv("TOWER_TEST_FILE")
	if text == "" {
		return 48 << 20
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("TOWER_TEST_FILE is %q; it is a number of bytes", text)
	}
	return size
}

// A file goes up by a form, and in chunks that are cut off, and comes down with a break, in memory
// that does not depend on its size. TOWER_TEST_FILE=1073741824 does so with a gigabyte.
func TestAFileNeedsLittleMemory(t *testing.T) {
	const most = 32 << 20
	size := bigSize(t)
	c := start(t, filepath.Join(t.TempDir(), "test.db"))
	var warm Photo
	if err := c.send("POST", "/photos", strings.NewReader(`{"open":true}`), &warm, "Content-Type", "application/json"); err != nil {
		t.Fatal(err)
	}
	before := c.memory("VmRSS")
	source := &long{seed: 1, size: size}
	sum := source.sum()

	body, w := io.Pipe()
	m := multipart.NewWriter(w)
	go func() {
		_ = m.WriteField("open", "true")
		part, err := m.CreateFormFile("big", "big.bin")
		if err == nil {
			_, err = io.Copy(part, source)
		}
		if err == nil {
			err = m.Close()
		}
		_ = w.CloseWithError(err)
	}()
	began := time.Now()
	var byForm Photo
	if err := c.send("POST", "/photos", body, &byForm, "Content-Type", m.FormDataContentType()); err != nil {
		t.Fatal(err)
	}
	t.Logf("up by a form: %.0f MB/s", float64(size)/1e6/time.Since(began).Seconds())
	began = time.Now()
	byChunks := c.finish(c.begin(size), &long{seed: 1, size: size}, true)
	t.Logf("up in chunks: %.0f MB/s", float64(size)/1e6/time.Since(began).Seconds())
	for name, p := range map[string]*Photo{"by a form": &byForm, "in chunks": byChunks} {
		if p.Big.Sum != sum || p.Big.Size != size {
			t.Errorf("%s: %+v; want the sum %s", name, p.Big, sum)
		}
	}
	began = time.Now()
	if got := c.download(byChunks.Big.URL, size); got != sum {
		t.Errorf("what comes down has the sum %s", got)
	}
	t.Logf("down: %.0f MB/s", float64(size)/1e6/time.Since(began).Seconds())
	if grown := c.memory("VmHWM") - before; grown > most {
		t.Errorf("the memory grew from %d MB by %d MB", before>>20, grown>>20)
	} else {
		t.Logf("the memory grew from %d MB by %d MB", before>>20, grown>>20)
	}
}

// begin begins an upload and returns its token.
func (c *child) begin(size int64) string {
	c.t.Helper()
	var s upload.State
	if err := c.send("POST", upload.Path, strings.NewReader(fmt.Sprintf(`{"for":"POST /photos","field":"big","name":"big.bin","size":%d}`, size)), &s, "Content-Type", "application/json"); err != nil {
		c.t.Fatal(err)
	}
	return s.Upload
}

// finish goes on with an upload, and puts the file into a photo. If cuts is set, each third chunk
// breaks off once. A chunk may be refused once at its offset: one that a node sent before it died may
// have been stored since.
func (c *child) finish(token string, source *long, cuts bool) *Photo {
	c.t.Helper()
	var s upload.State
	for broke, refused := int64(-1), int64(-1); s.File == ""; {
		if err := c.send("GET", upload.Path, nil, &s, "Tower-Upload", token); err != nil {
			c.t.Fatal(err)
		}
		if s.File != "" {
			break
		}
		length := min(s.Chunk, s.Size-s.Offset)
		source.at = s.Offset
		var chunk io.Reader = io.LimitReader(source, length)
		headers := []string{"Tower-Upload", token, "Tower-Offset", fmt.Sprint(s.Offset)}
		if cuts && s.Offset/s.Chunk%3 == 1 && broke != s.Offset {
			broke = s.Offset
			_ = c.send("PATCH", upload.Path, &cut{chunk, int(length / 2)}, &s, headers...)
			continue
		}
		err := c.send("PATCH", upload.Path, chunk, &s, headers...)
		var answer *statusError
		if errors.As(err, &answer) && answer.status == http.StatusConflict && refused != s.Offset {
			refused = s.Offset
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	var p Photo
	if err := c.send("POST", "/photos", strings.NewReader(fmt.Sprintf(`{"open":true,"big":%q}`, s.File)), &p, "Content-Type", "application/json"); err != nil {
		c.t.Fatal(err)
	}
	return &p
}

// download reads a file with a break in the middle, and returns the sum of it.
func (c *child) download(path string, size int64) string {
	c.t.Helper()
	hash := sha256.New()
	at := int64(0)
	for _, end := range []int64{size / 2, size} {
		req, err := http.NewRequest("GET", c.url+path, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
		res, err := visitor.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		if res.StatusCode > 299 {
			c.t.Fatalf("GET %s: %s", path, res.Status)
		}
		n, err := io.CopyN(hash, res.Body, end-at)
		_ = res.Body.Close() // the client goes away
		if at += n; err != nil {
			c.t.Fatal(err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// killsOf returns how often a test kills a process, TOWER_TEST_KILLS or usual, and what decides when.
func killsOf(t *testing.T, usual int) (int, *rand.Rand) {
	t.Helper()
	if text := os.Getenv("TOWER_TEST_KILLS"); text != "" {
		if _, err := fmt.Sscan(text, &usual); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return usual, rand.New(rand.NewPCG(seed, 1))
}

// uploadSome sends chunks of an upload, until the file is whole or the process does not answer.
func (c *child) uploadSome(token string, source *long) {
	var s upload.State
	for c.send("GET", upload.Path, nil, &s, "Tower-Upload", token) == nil && s.File == "" {
		source.at = s.Offset
		chunk := io.LimitReader(source, min(s.Chunk, s.Size-s.Offset))
		if c.send("PATCH", upload.Path, chunk, &s, "Tower-Upload", token, "Tower-Offset", fmt.Sprint(s.Offset)) != nil {
			return
		}
	}
}

// Wherever in an upload the process dies, the upload goes on afterwards, no file that a record has
// is lost, and after a sweep no chunk is left that is of none. TOWER_TEST_KILLS sets how often.
func TestKilledUploads(t *testing.T) {
	kills, random := killsOf(t, 8)
	data := filepath.Join(t.TempDir(), "test.db")
	kept := map[tower.ID]string{}
	checks := 0
	for round := range kills {
		c := start(t, data)
		source := &long{seed: uint64(round), size: 5<<20 + random.Int64N(6<<20)}
		abandoned := c.begin(9 << 20)
		token := c.begin(source.size)
		dead := make(chan struct{})
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(60*time.Millisecond))), func() {
			defer close(dead)
			c.kill()
		})
		c.uploadSome(abandoned, &long{seed: 255, size: 9 << 20})
		c.uploadSome(token, source)
		kind, half := form(sent{"big", "form.bin", "", bytes.Repeat([]byte("x"), 5<<20)})
		_ = c.send("POST", "/photos", half, &Photo{}, "Content-Type", kind)
		if timer.Stop() {
			c.kill()
		} else {
			<-dead
		}
		again := start(t, data)
		p := again.finish(token, source, false)
		kept[p.ID] = source.sum()
		again.kill()
		if round%40 == 39 || round == kills-1 { // a client may have a hundred files that are in no record
			checks++
			checkKept(t, data, kept, time.Duration(checks)*(files.Grace+time.Hour), chunksIn(filepath.Join(filepath.Dir(data), "files")))
		}
	}
}

// checkKept opens the application some days later, when the log has forgotten what was before, sweeps, checks what is
// left, and deletes its records. stored returns how many chunks there are.
func checkKept(t *testing.T, data string, kept map[tower.ID]string, later time.Duration, stored func() (int, error)) {
	c := config(page(""))
	c.Env, c.Data, c.Quiet, c.Log = "test", data, true, slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err != nil {
		t.Fatal(err)
	}
	inner := server.AppOf(app)
	server.SetPace(inner, server.Pace{Now: func() time.Time { return time.Now().Add(later) }})
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if err := users.Create(t.Context(), app, &User{Name: "later"}); err != nil { // the log forgets what is older
		t.Fatal(err)
	}
	for range 3 {
		if _, err := inner.Files().Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	chunks := 0
	all, err := photos.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Big.IsZero() {
			continue
		}
		chunks += int((p.Big.Size + files.Chunk - 1) / files.Chunk)
		content, _, err := inner.Files().Open(t.Context(), p.Big.ID)
		if err != nil {
			t.Errorf("the file of %s: %v", p.ID, err)
			continue
		}
		hash := sha256.New()
		_, err = io.Copy(hash, content)
		if got := hex.EncodeToString(hash.Sum(nil)); err != nil || got != p.Big.Sum || kept[p.ID] != "" && got != kept[p.ID] {
			t.Errorf("the file of %s has the sum %s, %v; want %s", p.ID, got, err, p.Big.Sum)
		}
		delete(kept, p.ID)
		if err := photos.Delete(t.Context(), app, p.ID); err != nil {
			t.Error(err)
		}
	}
	if len(kept) > 0 {
		t.Errorf("%d records are lost", len(kept))
	}
	if left, err := stored(); err != nil || left != chunks {
		t.Errorf("%d chunks are left, of which %d are of files: %v", left, chunks, err)
	}
}

// chunksIn counts the files in a folder.
func chunksIn(folder string) func() (int, error) {
	return func() (n int, err error) {
		err = filepath.WalkDir(folder, func(_ string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				n++
			}
			return err
		})
		return n, err
	}
}
