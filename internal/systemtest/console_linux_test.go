package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/towertest"
)

// The console of a benchmark is a process of its own, on a terminal: the test
// binary starts itself again, with the path of the control socket.

const consoleVariable = "TOWER_TEST_CONSOLE"

func consoleMain(path string) int {
	return repl.Run(context.Background(), repl.Options{History: "-",
		Dial: func(ctx context.Context) (*control.Client, error) { return control.Attach(ctx, path, "console:bench") }})
}

// openConsole opens a console, as a person would, on an application; it draws
// until the benchmark ends. It returns when the console is attached; the terminal
// takes what it draws, and says how much.
func openConsole(b *testing.B, path string) (drawn func() int) {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), consoleVariable+"="+path, "TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR=", "CI=")
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Cols: 160, Rows: 48})
	if err != nil {
		b.Fatal(err)
	}
	var size atomic.Int64
	attached := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer, begun := make([]byte, 64<<10), []byte{}
		for {
			n, err := terminal.Read(buffer)
			if err != nil {
				return
			}
			size.Add(int64(n))
			if begun != nil {
				if begun = append(begun, buffer[:n]...); bytes.Contains(begun, []byte(" connections")) {
					begun = nil
					close(attached)
				}
			}
		}
	})
	b.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		terminal.Close()
		reading.Wait()
	})
	<-attached
	return func() int { return int(size.Load()) }
}

// BenchmarkWatched is how many durable creates a second reach the last client
// while a console shows them, beside the same without a console, and what the
// server's process takes for one. The console is told of some creates in full and
// of the others in sum.
func BenchmarkWatched(b *testing.B) {
	n := benchClients(b) / 10
	b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
		watched, path := controlled(b, func() *towertest.App { return openNotes(b) })
		alone, _ := controlled(b, func() *towertest.App { return openNotes(b) })
		with, without := &flood{b: b, app: watched, clients: n}, &flood{b: b, app: alone, clients: n}
		with.swarm, without.swarm = follow(b, watched, n, "notes.on", "all"), follow(b, alone, n, "notes.on", "all")
		drawn := openConsole(b, path)
		with.run()
		without.run()
		with.took, without.took, with.cpu, without.cpu = nil, nil, nil, nil
		before := drawn()
		for i := 0; b.Loop(); i++ {
			order := []*flood{with, without}
			order[i%2].run() // who comes second finds the disk busy
			order[1-i%2].run()
		}
		b.ReportMetric(creates/median(with.took).Seconds(), "commits/s")
		b.ReportMetric(creates/median(without.took).Seconds(), "alone/s")
		b.ReportMetric(middle(without.took, with.took), "ofalone")
		b.ReportMetric(middle(without.cpu, with.cpu), "cpuofalone")
		b.ReportMetric(float64(drawn()-before)/1024/float64(len(with.took)), "KiBdrawn")
		b.ReportMetric(0, "ns/op")
	})
}

const creates = 10_000

// A flood makes many creates at once, until the last client has the last of them.
type flood struct {
	b       *testing.B
	app     *towertest.App
	swarm   *swarm
	clients int

	took, cpu []time.Duration
}

func (f *flood) run() {
	const writers = 200
	received := f.swarm.expect(creates * f.clients)
	start, busy := time.Now(), cpuTime()
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range creates / writers {
				if err := Notes.Create(f.b.Context(), f.app, &Note{Topic: "all", Text: noteText}); err != nil {
					f.b.Error(err)
				}
			}
		})
	}
	f.took = append(f.took, received().Sub(start))
	writing.Wait()
	f.cpu = append(f.cpu, cpuTime()-busy)
}

// cpuTime is what this process has taken of the processors.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it knows itself
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// middle is the median of the ratios of pairs.
func middle(a, b []time.Duration) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = float64(a[i]) / float64(b[i])
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
