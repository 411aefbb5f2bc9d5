//go:build unix

package towertest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
)

// TestAKilledServer kills an application's process, again and again, while clients
// write to it and hold cursors: after some time, at a point of the path of a write,
// or while its clients come back. After each death
//
//   - in the file, as it was left, indexes and log agree with the records; the log
//     has every commit; what was answered is there, once, and of what was not
//     answered all or nothing;
//   - a client that comes back is led on from what it held; what it sends again
//     takes effect once, and what it was answered is what it is answered again;
//   - every client holds what a new one of the same user is given, and what it
//     should by what everybody was answered;
//   - every client was told of every commit, in order.
//
// TOWER_TEST_KILLS=500 kills more often than every CI run does, TOWER_TEST_SEED
// makes the same decisions again, if not the same races.
func TestAKilledServer(t *testing.T) {
	kills := number(t, "TOWER_TEST_KILLS", 24)
	if testing.Short() {
		kills = 5
	}
	seed := uint64(number(t, "TOWER_TEST_SEED", int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	total := deeds{}
	const life = 15 // kills that one file goes through
	for killed := 0; killed < kills; killed += life {
		w := newWorld(t, random)
		for range min(life, kills-killed) {
			w.kill()
		}
		w.end(&total)
	}
	t.Logf("%d calls were answered, %d of them after a death that came between effect and answer; %d were sent again after that",
		total.answered, total.late, total.repeated)
}

func number(t *testing.T, variable string, fallback int) int {
	text := os.Getenv(variable)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A world is one file, the application that serves it, and its clients.
type world struct {
	t       *testing.T
	random  *rand.Rand
	data    string
	config  tower.Config
	clients []*survivor
	process *victim
}

func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{t: t, random: random, data: filepath.Join(t.TempDir(), "crash.db")}
	w.config = crashing(w.data, discarded)
	app, err := tower.New(w.config)
	if err == nil {
		err = app.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		member := &Member{}
		err := members.Create(t.Context(), app, member)
		if err == nil {
			err = tallies.Create(t.Context(), app, &Tally{MemberID: member.ID})
		}
		if err != nil {
			t.Fatal(err)
		}
		w.clients = append(w.clients, &survivor{t: t, number: i, http: i%2 == 0, random: rand.New(rand.NewPCG(random.Uint64(), 0)),
			own: own{id: member.ID, rows: map[tower.ID]Row{}}, cursors: make([]*Cursor, len(watchedNames))})
	}
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	w.process = start(t, w.data)
	w.all("sign in", func(s *survivor) error { return s.enter(w.process.url) })
	w.all("connect", func(s *survivor) error { return s.comeBack(w.process.url) })
	return w
}

// all has every client do something, at the same time.
func (w *world) all(what string, do func(*survivor) error) {
	w.t.Helper()
	if err := w.each(do); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) each(do func(*survivor) error) error {
	var together sync.WaitGroup
	failed := make([]error, len(w.clients))
	for i, s := range w.clients {
		together.Go(func() {
			if failed[i] = do(s); failed[i] != nil {
				failed[i] = fmt.Errorf("client %d: %w", i, failed[i])
			}
		})
	}
	together.Wait()
	return errors.Join(failed...)
}

// kill lets the application die under load, has its clients come back, whom it may
// fail again on their way, and compares.
func (w *world) kill() {
	w.t.Helper()
	w.die(250*time.Millisecond, 50, func(s *survivor) error { return s.work(w.process.url) })
	for w.process = start(w.t, w.data); w.random.IntN(4) == 0; w.process = start(w.t, w.data) {
		w.die(50*time.Millisecond, 10, func(s *survivor) error {
			if err := s.comeBack(w.process.url); err != nil {
				return err
			}
			return s.work(w.process.url)
		})
	}
	w.all("come back", func(s *survivor) error { return s.comeBack(w.process.url) })
	w.all("compare", func(s *survivor) error { return s.compare(w.process.url, w.clients) })
}

// die has the clients do something until the application's process ends: after some
// time or after a point of its path was passed some times; then it looks at the file.
func (w *world) die(within time.Duration, passes int, do func(*survivor) error) {
	w.t.Helper()
	how := "killed"
	if point := w.random.IntN(2 * len(crashPoints)); point < len(crashPoints) {
		how = crashPoints[point]
		w.process.sentence(how, w.random.IntN(passes))
	} else {
		timer := time.AfterFunc(time.Duration(w.random.Int64N(int64(within))), w.process.kill)
		defer timer.Stop()
	}
	err := w.each(func(s *survivor) error {
		err := do(s)
		if !errors.Is(err, errLost) || !w.process.dies() {
			return err
		}
		return s.leave()
	})
	if err != nil {
		w.t.Fatalf("%s: %v", how, err)
	}
	w.process.buried(w.t)
	w.inspect()
}

// inspect opens a copy of the file as it was left, so that the next to open the
// file itself is the application.
func (w *world) inspect() {
	w.t.Helper()
	left := w.data + ".left"
	data, err := os.ReadFile(w.data)
	if err == nil {
		err = os.WriteFile(left, data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	app, err := tower.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	st, err := store.Open(left, store.Options{Models: server.Models(server.AppOf(app))})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(st.Close(), os.Remove(left)); err != nil {
			w.t.Error(err)
		}
	}()
	if err := st.Check(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	there := w.replay(st)
	for _, s := range w.clients {
		s.find(there)
	}
}

// replay reads the log from its first commit on, and returns the records that it
// leads to, which must be those that are there.
func (w *world) replay(st *store.Store) map[string]*record.Image {
	w.t.Helper()
	there := map[string]*record.Image{}
	feed := st.Feed(0)
	for seq := uint64(1); seq <= st.Seq(); seq++ {
		c, err := feed.Next(w.t.Context())
		if err != nil || c.Seq != seq {
			w.t.Fatalf("commit %d in place of %d: %v", c.Seq, seq, err)
		}
		for _, change := range c.Changes {
			key := change.Model.Name + "/" + string(change.ID)
			if !alike(there[key], change.Before) {
				w.t.Fatalf("commit %d changes %s, which was another before", seq, key)
			}
			if there[key] = change.After; change.After == nil {
				delete(there, key)
			}
		}
	}
	count := 0
	err := st.View(w.t.Context(), func(snap *store.Snapshot) error {
		for _, m := range st.Models() {
			if err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				if count++; !alike(there[m.Name+"/"+string(image.ID)], image) {
					w.t.Errorf("%s/%s is not as the log has it", m.Name, image.ID)
				}
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || count != len(there) {
		w.t.Fatalf("the log leads to %d records, and there are %d: %v", len(there), count, err)
	}
	return there
}

func alike(a, b *record.Image) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Version == b.Version && bytes.Equal(a.JSON, b.JSON)
}

func (w *world) end(total *deeds) {
	for _, s := range w.clients {
		s.client.Close()
		total.answered += s.counts.answered
		total.late += s.counts.late
		total.repeated += s.counts.repeated
	}
	w.process.kill()
	w.process.buried(w.t)
}

// A victim is a process of the application.
type victim struct {
	url    string
	cmd    *exec.Cmd
	in     io.WriteCloser
	said   bytes.Buffer // to standard error
	killed sync.Once
	doomed chan struct{} // closed before it is killed, or when it has ended
	ended  chan struct{}
	err    error
}

func start(t *testing.T, data string) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command(os.Args[0]), doomed: make(chan struct{}), ended: make(chan struct{})}
	v.cmd.Env = append(os.Environ(), crashData+"="+data)
	v.cmd.Stderr = &v.said
	in, err := v.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.in = in
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.kill)
	addr, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		v.err = v.cmd.Wait()
		v.killed.Do(func() { close(v.doomed) })
		close(v.ended)
	}()
	if err != nil {
		v.kill()
		<-v.ended
		t.Fatalf("the application does not start: %s", v.said.String())
	}
	v.url = "http://" + addr[:len(addr)-1]
	return v
}

func (v *victim) kill() {
	v.killed.Do(func() {
		close(v.doomed)
		_ = v.cmd.Process.Kill()
	})
}

// sentence has the process end itself when it has passed a point so often.
func (v *victim) sentence(point string, after int) { fmt.Fprintln(v.in, point, after) }

// dies reports whether the process has been killed, or ends now.
func (v *victim) dies() bool {
	select {
	case <-v.doomed:
		return true
	case <-time.After(patience):
		return false
	}
}

// buried waits for the end of a process, which has to be by SIGKILL and without a
// word.
func (v *victim) buried(t *testing.T) {
	t.Helper()
	<-v.ended
	var exit *exec.ExitError
	if !errors.As(v.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || v.said.Len() > 0 {
		t.Fatalf("the application ended with %v, and said: %s", v.err, v.said.String())
	}
}
