package script

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/show"
)

// Code that takes ever more memory is stopped, and the session goes on.
func TestMemoryIsBounded(t *testing.T) {
	s := newSession(t)
	s.must(`let kept = 7`)
	for _, code := range []string{
		`let all = []; while (true) all.push({a: [1, 2, 3], b: "x" + all.length})`,
		`let text = "x"; while (true) text += text.slice(0, 1 << 20)`,
		`function deep(o) { while (true) o = {o, a: new Array(50).fill(1)} } deep({})`,
		`transaction(() => { let all = []; while (true) all.push({a: [1, 2, 3], b: "x" + all.length}) })`,
	} {
		runtime.GC()
		live, _ := heap()
		ctx, release := BoundMemory(t.Context(), live+(48<<20))
		err := s.e.Run(ctx, Source{Text: code}, func(show.Value) {})
		release()
		var failed *show.Failure
		if !errors.As(err, &failed) || !strings.HasPrefix(failed.Message, "stopped: the code uses more than ") {
			t.Fatalf("%s: %v", code, err)
		}
		s.run(`all = null`)
		s.run(`text = null`)
	}
	if got := s.must(`kept * 6`); got != "42" {
		t.Errorf("then %s", got)
	}
}

// Garbage does not count.
func TestGarbageIsNotMemory(t *testing.T) {
	s := newSession(t)
	runtime.GC()
	live, _ := heap()
	ctx, release := BoundMemory(t.Context(), live+(48<<20))
	defer release()
	if err := s.e.Run(ctx, Source{Text: `let n = 0; for (let i = 0; i < 300; i++) n += "x".repeat(1 << 18).length; n`}, func(show.Value) {}); err != nil {
		t.Error(err)
	}
}
