package screen

import (
	"io"
	"os"
	"sync"
)

// A tty is the terminal that the full-screen console has taken over. It is safe for
// concurrent use.
type tty struct {
	*os.File // bubbletea gets the size from it
	saved    string
	guardian *guardian

	mu  sync.Mutex
	out io.Writer
}

func newTTY(file *os.File) *tty { return &tty{File: file, out: file, saved: terminalState(file)} }

// Write writes p without interleaving other writes.
func (t *tty) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(p)
}

// writeSequence writes an escape sequence that is not part of the screen. It ignores
// errors: drawing reports a terminal that is gone.
func (t *tty) writeSequence(sequence string) { _, _ = t.Write([]byte(sequence)) }

// guard makes sure that the terminal is restored even if this process is killed, until
// release is called.
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
