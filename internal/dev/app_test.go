package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// copyApp returns a folder with an application that go build builds.
func copyApp(t *testing.T) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.CopyFS(folder, os.DirFS("testdata/app"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(before, text...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	folder := copyApp(t)
	a, err := Start(t.Context(), Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	var running *RunningError
	if _, err := Start(t.Context(), Options{Folder: folder}); !errors.As(err, &running) || running.URL != "" {
		t.Errorf("a second one: %v", err)
	}
	response, err := http.Get(a.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	env, pid, _ := strings.Cut(string(text), " ")
	if err != nil || env != "development" {
		t.Errorf("it answers %q, %v", text, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.child.exited:
	default:
		t.Error("it has not exited")
	}
	if processRuns(pid) {
		t.Errorf("process %s still runs", pid)
	}
	keepsOneProgram(t, folder)

	// What has not changed is not linked again.
	kept, err := os.Stat(filepath.Join(folder, "tmp", "build", "last", programName("app")))
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Start(t.Context(), Options{Folder: folder}); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(a.builds.program(1)); err != nil || !os.SameFile(now, kept) {
		t.Errorf("it runs another program: %v", err)
	}
	a.Close()
	keepsOneProgram(t, folder)
	once, remove, err := BuildTemporary(t.Context(), Target{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(once); err != nil || !os.SameFile(now, kept) {
		t.Errorf("another program runs once: %v", err)
	}
	remove()
	if err := os.RemoveAll(filepath.Join(folder, "tmp")); err != nil {
		t.Fatal(err)
	}
	if once, remove, err = BuildTemporary(t.Context(), Target{Folder: folder}); err != nil {
		t.Fatal(err)
	}
	defer remove()
	made, err := os.Stat(once)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := os.Stat(a.builds.last()); err != nil || !os.SameFile(made, last) {
		t.Errorf("the program that runs once is not kept: %v", err)
	}
	keepsOneProgram(t, folder)
}

// keepsOneProgram checks that nothing is left in tmp but the build that was used last.
func keepsOneProgram(t *testing.T, folder string) {
	t.Helper()
	for name, want := range map[string]string{"tmp": "build", "tmp/build": "last"} {
		if left, err := os.ReadDir(filepath.Join(folder, name)); err != nil || len(left) != 1 || left[0].Name() != want {
			t.Errorf("left in %s: %v %v", name, left, err)
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	folder := copyApp(t)
	appendTo(t, filepath.Join(folder, "main.go"), "\nfunc wrong() { nothing() }\n")
	var failure *Failure
	_, err := Start(t.Context(), Options{Folder: folder})
	if !errors.As(err, &failure) || failure.Errors[0].String() != "main.go:34:16  undefined: nothing" {
		t.Errorf("got %v", err)
	}
	if Running(folder) != nil {
		t.Error("the folder is still locked")
	}
	if _, err := Start(t.Context(), Options{Folder: filepath.Join(folder, "nowhere")}); err == nil {
		t.Error("no folder, and no error")
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	folder := copyApp(t)
	// A small program builds fast with flags for which the build cache is empty.
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "out", programName("app"))
	if _, err := Build(t.Context(), Target{Folder: folder, Out: out, Production: true}, nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("it built %v, %v", info, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, Target{Folder: folder, Out: out, Production: true}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte("package other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var failure *Failure
	if _, err := Build(t.Context(), Target{Folder: folder, Out: out, Production: false}, nil); !errors.As(err, &failure) {
		t.Errorf("a package that is no program: %v", err)
	}
}

// superviseVariable names a folder. It makes the test binary supervise the application
// there, until it is killed.
const superviseVariable = "TOWER_TEST_SUPERVISE"

func runSupervisor(folder string) {
	s := New(Options{Folder: folder, Environ: append(os.Environ(), superviseVariable+"=")})
	err := s.Open()
	if err == nil {
		go func() {
			<-s.Serving()
			fmt.Println(s.URL())
		}()
		err = s.Run(context.Background())
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestKilledSupervisorLeavesNoProcess(t *testing.T) {
	t.Parallel()
	folder := copyApp(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), superviseVariable+"="+folder)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, pid, _ := strings.Cut(string(text), " ")
	if !processRuns(pid) {
		t.Fatalf("process %s does not run", pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	deadline := time.Now().Add(bound)
	for processRuns(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %s still runs", pid)
		}
		time.Sleep(5 * time.Millisecond) // there is no event for the exit of another process's child
	}
	if running := Running(folder); running != nil {
		t.Errorf("the folder is still locked: %v", running)
	}
}

// A program that others could have put into tmp/build does not run.
func TestProgramOfOthersIsNotUsed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no modes")
	}
	folder := copyApp(t)
	b := buildsIn(folder)
	_, remove, err := BuildTemporary(t.Context(), Target{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	remove()
	theirs, err := os.Stat(b.last())
	if err == nil {
		err = os.Chmod(string(b), 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	once, remove, err := BuildTemporary(t.Context(), Target{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	if used, err := os.Stat(once); err != nil || os.SameFile(used, theirs) {
		t.Errorf("it is used once: %v", err)
	}
	a, err := Start(t.Context(), Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if used, err := os.Stat(b.program(1)); err != nil || os.SameFile(used, theirs) {
		t.Errorf("it is started: %v", err)
	}
}
