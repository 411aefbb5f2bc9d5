//go:build linux

// Package deploy tests that releases replace each other, over a real ssh, under load.
package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/deploy"
	"github.com/towerkit/tower/internal/server/front"
	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
	"github.com/towerkit/tower/internal/systemtest/protocol/notes"
)

// TestMain lets the test binary be the application, by its name. A release that is called ill
// serves and says that it is not healthy; one that is called dead does not start; one that is
// called mortal ends by itself once there is a file die; and one that is called ranked has a
// migration, which gives each note a rank.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "notes" {
		os.Exit(m.Run())
	}
	config := notes.Config()
	if os.Getenv("STUCK") != "" {
		stick(&config)
	}
	program, _ := os.Executable()
	switch name := filepath.Base(filepath.Dir(program)); {
	case strings.HasPrefix(name, "dead"):
		config.Start = func(context.Context, *tower.App) error { return errors.New("it has no key of the payment service") }
	case strings.HasPrefix(name, "mortal"):
		config.Start = untilDie
	case strings.HasPrefix(name, "ranked"):
		config.Migrations = []tower.Migration{{ID: "20261201120000_rank", Steps: []tower.Step{
			tower.Fill("notes", "rank", func(*tower.StoredRecord) (int, error) { return rank, nil })}}}
	case strings.HasPrefix(name, "ill") && os.Getenv("TOWER_SUPERVISOR") != "":
		if err := serveIll(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	tower.Main(config)
}

// rank is what the migration gives each note.
const rank = 7

// untilDie fails once there is a file die in the application's folder.
func untilDie(ctx context.Context, _ *tower.App) error {
	for ctx.Err() == nil {
		if exists(filepath.Join(os.Getenv("TOWER_FOLDER"), "die")) {
			return errors.New("it has lost the payment service")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// serveIll serves an application that says of itself that it is not healthy.
func serveIll(config tower.Config) error {
	app, err := tower.New(config)
	if err != nil {
		return err
	}
	supervisor, err := net.Dial("unix", os.Getenv("TOWER_SUPERVISOR"))
	if err != nil {
		return err
	}
	words := bufio.NewScanner(supervisor)
	fmt.Fprintln(supervisor, "ready 127.0.0.1:0")
	if !words.Scan() {
		return words.Err()
	}
	if err := app.Open(); err != nil {
		return err
	}
	web, err := front.Open(front.Options{Handed: true})
	if err != nil {
		return err
	}
	served := app.Handler()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_tower/health" {
			http.Error(w, "the mail server is away", http.StatusServiceUnavailable)
			return
		}
		served.ServeHTTP(w, r)
	})}
	go func() { _ = web.Serve(server) }() // until it is stopped
	fmt.Fprintln(supervisor, "serving")
	words.Scan() // stop
	return errors.Join(web.Stop(context.Background(), func() {}), app.Close())
}

// A site is a host with the notes.
type site struct {
	t      *testing.T
	d      deploy.Deployment
	url    string
	folder string
	out    timeline
	builds int
}

func newSite(t *testing.T) *site {
	ssh, host := startSSH(t)
	folder, err := os.MkdirTemp("/tmp", "notes") // the path of a socket is bounded
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, folder: folder, url: fmt.Sprint("http://127.0.0.1:", freeport.Find(t))}
	t.Cleanup(func() {
		s.stop()
		_ = os.RemoveAll(folder)
	})
	write(t, filepath.Join(folder, "notes.env"), "TOWER_ENV=production\nTOWER_SECRET='x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF'\nTOWER_CONSOLE=on\nTOWER_ACCESS_LOG=off\nTOWER_ADDR="+strings.TrimPrefix(s.url, "http://")+"\n", 0o600)
	s.d = deploy.Deployment{Options: deploy.Options{Host: host, Folder: folder, Name: "notes", SSH: ssh, Out: &s.out}, Keep: 3,
		Migrate: func(output io.Reader, _ string, _ bool) (string, error) {
			text, err := io.ReadAll(output)
			if err == nil && !bytes.Contains(text, []byte(`"report"`)) {
				err = fmt.Errorf("there is no report: %s", text)
			}
			return "", err
		}}
	return s
}

// deploy deploys a build of a name, each with other bytes.
func (s *site) deploy(name string) error {
	s.builds++
	s.out = timeline{}
	s.out.begin("looking")
	s.d.Build = func(_ context.Context, _, file string) (string, error) {
		program, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(file, fmt.Appendf(program, "build %d", s.builds), 0o755)
		}
		return name, err
	}
	return s.d.Run(s.t.Context())
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.folder, "notes.log"))
		s.t.Fatalf("%v\n%s\n%s", err, s.out.String(), log)
	}
}

func (s *site) current() string {
	target, err := os.Readlink(filepath.Join(s.folder, "current"))
	if err != nil {
		s.t.Fatal(err)
	}
	return filepath.Base(target)
}

// fails deploys a release that must not replace the one that serves.
func (s *site) fails(name, reason string) {
	s.t.Helper()
	good := s.current()
	err := s.deploy(name)
	if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), good+" serves again") {
		s.t.Errorf("the deploy of a release that is %s: %v", name, err)
	}
	if s.current() != good {
		s.t.Errorf("after it, current is %s", s.current())
	}
}

func (s *site) stop() {
	text, err := os.ReadFile(filepath.Join(s.folder, "notes.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, syscall.SIGTERM) != nil {
		return
	}
	process.Until(s.t, "the supervisor has ended", func() bool { return syscall.Kill(pid, 0) != nil })
}

// DEPLOYS=100 go test -run Deploys ./internal/systemtest/deploy deploys a hundred times.
func TestDeploysUnderLoad(t *testing.T) {
	t.Parallel()
	times := 2
	if text := os.Getenv("DEPLOYS"); text != "" {
		var err error
		if times, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t)
	s.must(s.deploy("v0"))
	l := startLoad(t, s.url, 4, 3)
	began := time.Now()
	process.Until(t, "writes have been measured", func() bool { return l.count() > 40 })
	before := period{began, time.Now()}

	phases := map[string][]period{}
	var pauses, closings []time.Duration
	for i := range times {
		name := fmt.Sprint("v", i+1)
		s.must(s.deploy(name))
		pause, closing := s.out.pause()
		pauses, closings = append(pauses, pause), append(closings, closing)
		for phase, p := range s.out.phases() {
			phases[phase] = append(phases[phase], p)
		}
		if !strings.HasPrefix(s.current(), name+"-") {
			t.Fatalf("after the deploy of %s, %s serves", name, s.current())
		}
	}
	s.fails("ill", "the mail server is away")
	s.must(s.d.Rollback(t.Context()))
	if !strings.HasPrefix(s.current(), fmt.Sprintf("v%d-", times-1)) {
		t.Errorf("rolled back to %s", s.current())
	}
	s.out = timeline{}
	s.must(s.d.Status(t.Context()))
	if !strings.Contains(s.out.String(), s.current()+" serves since") {
		t.Errorf("the status is %s", s.out.String())
	}
	written := l.count()
	process.Until(t, "writing goes on", func() bool { return l.count() > written })
	l.check()
	l.end()
	s.fails("dead", "it has no key of the payment service")
	again := startLoad(t, s.url, 0, 1) // what the store has
	again.written = l.written
	again.check()
	for _, r := range l.readers {
		if r.resumed < times || r.anew > 0 {
			t.Errorf("a socket resumed %d times in %d deploys, and received all again %d times", r.resumed, times, r.anew)
		}
	}
	t.Logf("%d deploys and 2 failed ones: %d notes", times, len(l.written))
	t.Logf("%-10s %s", "before", l.spread(before))
	for _, phase := range []string{"looking", "uploading", "swapping", "watching"} {
		if len(phases[phase]) != times {
			t.Fatalf("%d of %d deploys printed that they were %s", len(phases[phase]), times, phase)
		}
		t.Logf("%-10s %s", phase, l.spread(phases[phase]...))
	}
	t.Logf("clients waited %s; for the old release to close, %s", middle(pauses), middle(closings))
}
