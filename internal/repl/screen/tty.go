package screen

import (
	"io"
	"os"
	"sync"
)

// A tty is the terminal that the full-screen console has taken over. It is safe
// for concurrent use.
type tty struct {
	*os.File // what bubbletea asks for its size
	saved    string
	guardian *guardian

	mu  sync.Mutex
	out io.Writer
}

func newTTY(file *os.File) *tty { return &tty{File: file, out: file, saved: terminalState(file)} }

// Write writes p in one piece.
func (t *tty) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(p)
}

// writeSequence writes a sequence that the screen does not show. A terminal that is gone
// is noticed by who draws on it.
func (t *tty) writeSequence(sequence string) { _, _ = t.Write([]byte(sequence)) }

// guard sees to it that the terminal is put back even when this process is killed,
// until release.
func (t *tty) guard() {
	if t.File != nil && t.guardian == nil && t.saved != "" {
		t.guardian = startGuardian(t.File, t.saved)
	}
}

func (t *tty) release() {
	if t.guardian != nil {
		t.guardian.dismiss()
		t.guardian = nil
	}
}
