package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/towerkit/tower/internal/lock"
)

// bound is how long a test waits for an event.
const bound = 3 * time.Minute

// runBinary runs the tests of the binary.
var runBinary = (*testing.M).Run

// A testRun is all tests of the binary.
type testRun struct{ *testing.M }

func (r testRun) Run() int {
	folder, err := os.MkdirTemp("", "tower-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	shared = folder
	return runBinary(r.M)
}

// shared is the folder for what several tests use.
var shared string

// buildTower builds tower as it is shipped, once for all tests, and returns the program. With
// the race detector it would need three times the processor time to start, which the tests do
// some hundred times; its servers have it, which are the test binary.
var buildTower = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(shared, "bin", "tower")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tower: %w\n%s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	testscript.Main(testRun{m}, map[string]func(){"tower": main})
}

// TestScripts runs the scripts in testdata/script. Most create applications without a copy
// of tower, because tower test compiles each copy anew. The scripts have these commands beside
// those of testscript:
//
//	application          create the folders blog, an application, and tower, which it requires
//	serve [args]         start tower server on a free port, $SERVED; $URL is its address
//	program FILE [args]  start a program that serves in the same way, at $TOWER_ADDR
//	await REGEXP         wait until the server prints a match, after that of the last await
//	get PATH [STATUS]    send a request to the server; stdout is the answer
//	interrupt [SIGNAL]   end the server with Ctrl-C or another signal; it must exit with 0
//	signal               send Ctrl-C and do not wait
//	taken                listen on a port; $TAKEN is its number
//	lock FILE            lock a database as an application does
//	tsc FOLDER           check its TypeScript; stdout has the errors
//	openapi FILE         validate an OpenAPI document
//	sample               create the folder board, the application of tower demo
//	postgres             make an empty database; $POSTGRES is its address (on Linux)
//	sql STATEMENT        execute SQL in it; stdout is the first column of what it returns
func TestScripts(t *testing.T) {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(out))
	tower, err := buildTower()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, "GOCACHE="+caches[0], "GOMODCACHE="+caches[1], "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=", "PORT=", "TOWER_ENV=", "TOWER_DB=", "TOWER_SECRET=x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF",
				"NO_COLOR=", "GORACE=atexit_sleep_ms=0")
			env.Setenv("PATH", filepath.Dir(tower)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Values[serverKey{}], env.Values[testKey{}] = &server{}, t
			return nil
		},
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
	})
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"application": makeApplication,
	"serve":       startServer,
	"program":     startProgram,
	"await":       awaitServer,
	"get":         askServer,
	"interrupt":   endServer,
	"signal":      signalServer,
	"taken":       takePort,
	"lock":        lockDatabase,
	"tsc":         checkTypes,
	"openapi":     checkOpenAPI,
	"sample":      writeBoard,
}

// testKey is that of the test, among the values of a script.
type testKey struct{}

func makeApplication(ts *testscript.TestScript, neg bool, args []string) {
	testdata, err := filepath.Abs(filepath.Join("testdata"))
	ts.Check(err)
	for _, folder := range []string{"blog", "tower"} {
		ts.Check(os.CopyFS(ts.MkAbs(folder), os.DirFS(filepath.Join(testdata, folder))))
	}
}

type serverKey struct{}

// A server is a tower server that a script has started.
type server struct {
	cmd   *exec.Cmd
	ended chan error

	mu      sync.Mutex
	output  bytes.Buffer
	written chan struct{}
	seen    int
}

func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written != nil {
		close(s.written)
		s.written = nil
	}
	return s.output.Write(p)
}

// await waits until the output after the last match matches pattern, and returns the
// match.
func (s *server) await(pattern string) ([]string, error) {
	wanted, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return nil, err
	}
	timeout := time.After(bound)
	for {
		s.mu.Lock()
		text := s.output.String()
		if at := wanted.FindStringIndex(text[s.seen:]); at != nil {
			match := wanted.FindStringSubmatch(text[s.seen:])
			s.seen += at[1]
			s.mu.Unlock()
			return match, nil
		}
		if s.written == nil {
			s.written = make(chan struct{})
		}
		written := s.written
		s.mu.Unlock()
		select {
		case <-written:
		case err := <-s.ended:
			s.ended <- err
			return nil, fmt.Errorf("the server has ended: %v\n%s", err, text)
		case <-timeout:
			return nil, fmt.Errorf("the server does not print %q but\n%s", pattern, text)
		}
	}
}

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	tower, err := exec.LookPath("tower")
	ts.Check(err)
	begin(ts, tower, append([]string{"server", "--port", "0"}, args...), `^▸ (http://\S+)$`)
}

func startProgram(ts *testscript.TestScript, neg bool, args []string) {
	begin(ts, ts.MkAbs(args[0]), args[1:], `^[a-z]+ on (http://\S+)$`)
}

// begin starts the server of a script, and waits for the line with its address.
func begin(ts *testscript.TestScript, program string, args []string, address string) {
	s := ts.Value(serverKey{}).(*server)
	*s = server{ended: make(chan error, 1)}
	s.cmd = exec.Command(program, args...)
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{
		"HOME", "PATH", "TMPDIR", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN", "GOFLAGS", "GORACE", "BROWSER", "WORK", "TOWER_DB", "TOWER_SECRET", "TOWER_ENV", "TOWER_ADDR", "TOWER_CONSOLE",
	} {
		s.cmd.Env = append(s.cmd.Env, name+"="+ts.Getenv(name))
	}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	ts.Check(s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	ts.Defer(func() {
		s.cmd.Process.Kill()
		s.ended <- <-s.ended
		ts.Logf("the server printed:\n%s", s.output.String())
	})
	match, err := s.await(address)
	ts.Check(err)
	ts.Setenv("URL", match[1])
	ts.Setenv("SERVED", match[1][strings.LastIndex(match[1], ":")+1:])
}

func awaitServer(ts *testscript.TestScript, neg bool, args []string) {
	_, err := ts.Value(serverKey{}).(*server).await(args[0])
	ts.Check(err)
}

func askServer(ts *testscript.TestScript, neg bool, args []string) {
	request, err := http.NewRequest("GET", ts.Getenv("URL")+args[0], nil)
	ts.Check(err)
	request.Header.Set("Accept", "text/html")
	response, err := (&http.Client{Timeout: bound}).Do(request)
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", text)
	status := "200"
	if len(args) > 1 {
		status = args[1]
	}
	if got := fmt.Sprint(response.StatusCode); got != status {
		ts.Fatalf("answered with %s\n%s", got, text)
	}
}

func endServer(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*server)
	signalServer(ts, neg, args)
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			ts.Fatalf("the server ended with %v", err)
		}
	case <-time.After(bound):
		ts.Fatalf("the server does not end")
	}
}

func signalServer(ts *testscript.TestScript, neg bool, args []string) {
	end := os.Interrupt
	if len(args) > 0 {
		end = map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	}
	ts.Check(ts.Value(serverKey{}).(*server).cmd.Process.Signal(end))
}

func takePort(ts *testscript.TestScript, neg bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Setenv("TAKEN", port)
}

func lockDatabase(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Defer(func() { file.Close() })
	ts.Check(lock.File(file))
}

func checkTypes(ts *testscript.TestScript, neg bool, args []string) {
	tsc, err := filepath.Abs("../../internal/client/node_modules/.bin/tsc")
	ts.Check(err)
	if _, err := os.Stat(tsc); err != nil {
		ts.Fatalf("TypeScript is missing; script/test installs it, or: npm ci --prefix internal/client")
	}
	switch err := ts.Exec(tsc, "--pretty", "false", "-p", args[0]); {
	case err == nil && neg:
		ts.Fatalf("there is nothing wrong with the types")
	case err != nil && !neg:
		ts.Fatalf("the types are wrong")
	}
}
