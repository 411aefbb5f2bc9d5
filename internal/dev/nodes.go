package dev

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// nodes are the processes of the application beside the current one. They run what that runs:
// when it is replaced, they are replaced after it, one after another. Each has a file of its
// own, and shares the database with the others.
type nodes struct {
	supervisor *Supervisor
	wanted     chan program // holds the newest program that they should run, at most one
	all        []*node      // of the goroutine of run
}

// A node is one process of the application.
type node struct {
	number int // from 2: the current process is the first
	child  *child
	target *target
}

func newNodes(s *Supervisor, count int) *nodes {
	n := &nodes{supervisor: s, wanted: make(chan program, 1)}
	for number := 2; number <= count; number++ {
		n.all = append(n.all, &node{number: number})
	}
	return n
}

// set says which program they should run. Only the loop calls it.
func (n *nodes) set(p program) {
	select {
	case <-n.wanted:
	default:
	}
	n.wanted <- p
}

// run keeps the processes running until ctx ends, and then stops them.
func (n *nodes) run(ctx context.Context) {
	defer n.stop()
	exited := make(chan struct{})
	var now program
	for {
		var retry <-chan time.Time
		if now.binary != "" && slices.ContainsFunc(n.all, func(one *node) bool { return one.child == nil }) {
			retry = time.After(lastDelay)
		}
		select {
		case now = <-n.wanted:
		case <-exited:
		case <-retry:
		case <-ctx.Done():
			return
		}
		for _, one := range n.all {
			if len(n.wanted) > 0 || ctx.Err() != nil {
				break // a newer one has come
			}
			n.bring(ctx, one, now, exited)
		}
	}
}

// bring lets a node run a program, and lets requests through to it.
func (n *nodes) bring(ctx context.Context, one *node, now program, exited chan<- struct{}) {
	s := n.supervisor
	if one.child != nil && one.gone() {
		s.gate.remove(one.target)
		s.terminal.printFailure(one.child.exitFailure(fmt.Sprintf("node %d exited: %s", one.number, one.child.cmd.ProcessState)))
		brief := time.Since(one.child.started) < steadyTime
		if one.child, one.target = nil, nil; brief {
			return // it is started again a moment later
		}
	}
	if one.child != nil && one.child.program == now {
		s.gate.remove(one.target)
		s.gate.add(one.target)
		return
	}
	n.end(one)
	c, err := start(ctx, s.options.launch(now, s.nodeOutput(one.number), s.nodeEnviron(one.number)...))
	if err == nil {
		err = c.open(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			s.terminal.printFailure(asFailure(err))
			s.terminal.printDetail(fmt.Sprintf("node %d does not run", one.number))
		}
		return
	}
	one.child, one.target = c, newTarget(c.addr)
	s.gate.add(one.target)
	s.jobs.Go(func() {
		<-c.exited
		select {
		case exited <- struct{}{}:
		case <-ctx.Done():
		}
	})
}

// gone reports whether the process has exited.
func (o *node) gone() bool {
	select {
	case <-o.child.exited:
		return true
	default:
		return false
	}
}

// end stops the process of a node.
func (n *nodes) end(one *node) {
	if one.child == nil {
		return
	}
	n.supervisor.gate.remove(one.target)
	n.supervisor.gate.drain(one.target, drainTime)
	one.child.stop(n.supervisor.killCtx, stopTime)
	one.target.transport.CloseIdleConnections()
	one.child, one.target = nil, nil
}

// stop stops all processes at once.
func (n *nodes) stop() {
	var stopping sync.WaitGroup
	for _, one := range n.all {
		stopping.Go(func() { n.end(one) })
	}
	stopping.Wait()
}

// nodeEnviron returns the variables that tell nodes apart.
func (s *Supervisor) nodeEnviron(number int) []string {
	vars := []string{"TOWER_SERVER_URL=" + s.url}
	if number > 1 {
		replica := filepath.Join(s.options.Folder, "db", fmt.Sprintf("%s.replica.%d.db", s.options.Env, number))
		vars = append(vars, "TOWER_REPLICA="+replica, "TOWER_CONSOLE=nodes")
	}
	return vars
}

// nodeOutput returns where a node prints: with its number, if there are several.
func (s *Supervisor) nodeOutput(number int) io.Writer {
	if s.options.Nodes == 1 {
		return s.terminal
	}
	return &prefixed{out: s.terminal, prefix: paint(s.options.Color, dim, fmt.Sprint(number)) + "  "}
}

// A prefixed writer puts a text before each line. It may be used concurrently.
type prefixed struct {
	mu     sync.Mutex
	out    io.Writer
	prefix string
	line   []byte // that has not ended
}

func (p *prefixed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(p.line, text...)
	for {
		at := bytes.IndexByte(p.line, '\n')
		if at < 0 {
			return len(text), nil
		}
		if _, err := p.out.Write(append([]byte(p.prefix), p.line[:at+1]...)); err != nil {
			return 0, err
		}
		p.line = p.line[at+1:]
	}
}
