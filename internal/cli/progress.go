package cli

import (
	"fmt"
	"io"
	"time"
)

// A Progress shows how far a long step has come: on a terminal in one line that is
// written again, elsewhere not at all.
type Progress struct {
	out   io.Writer
	shown time.Time
	step  string
	wrote bool
}

// NewProgress returns the progress of a command that writes to out.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out} }

const progressEvery = 100 * time.Millisecond

// Report shows how much of a step is done; a total of 0 is not known.
func (p *Progress) Report(step string, done, total int64) {
	if !IsTerminal(p.out) || step == p.step && time.Since(p.shown) < progressEvery {
		return
	}
	p.step, p.shown, p.wrote = step, time.Now(), true
	text := step
	if total > 0 {
		text = fmt.Sprintf("%s  %d%%", step, 100*done/total)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", text)
}

// End removes the line.
func (p *Progress) End() {
	if p.wrote {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
