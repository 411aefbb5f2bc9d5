package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

const (
	longestTranscript = 2000 // entries
	longestEntry      = 500  // lines
	aroundEntry       = 4    // lines of a page reserved for the input and the prompt
	shortestFold      = 6    // a folded result keeps at least this many lines
)

// An entry is one item in the transcript: an input, a result, output, a failure or a
// note. Exactly one of its fields before cells is set.
type entry struct {
	typed   string
	shown   *show.Value
	printed []show.Value
	failure *show.Failure
	note    string

	cells, page int // the size of the cached lines
	lines       []string
}

// A transcript is the record of a session and its scroll position.
type transcript struct {
	entries []*entry
	back    int // lines below the visible ones
}

func (t *transcript) add(e *entry) {
	t.entries = append(t.entries, e)
	if over := len(t.entries) - longestTranscript; over > 0 {
		t.entries = slices.Delete(t.entries, 0, over)
	}
}

// result returns the last result, or nil if there is none.
func (t *transcript) result() *show.Value {
	for _, e := range slices.Backward(t.entries) {
		if e.shown != nil {
			return e.shown
		}
	}
	return nil
}

func (t *transcript) clear() { *t = transcript{} }

// view returns the visible lines of the transcript followed by tail, at most height
// lines.
func (t *transcript) view(f show.Formatter, tail []string, height int) []string {
	lines := slices.Clone(tail)
	slices.Reverse(lines)
	want := height + t.back
	for i := len(t.entries) - 1; i >= 0 && len(lines) < want; i-- {
		drawn := t.entries[i].draw(f)
		for j := len(drawn) - 1; j >= 0; j-- {
			lines = append(lines, drawn[j])
		}
	}
	t.back = min(t.back, max(len(lines)-height, 0))
	lines = lines[t.back:min(t.back+height, len(lines))]
	slices.Reverse(lines)
	return lines
}

// draw lays the entry out, or returns the cached lines.
func (e *entry) draw(f show.Formatter) []string {
	if e.cells == f.Width && e.page == f.Page && e.lines != nil {
		return e.lines
	}
	e.cells, e.page = f.Width, f.Page
	if e.typed != "" {
		code, _ := codeLines(&f.Styles, term.Paint(f.Styles.Prompt, promptText), lettersOf(e.typed), -1, f.Width)
		e.lines = append([]string{""}, code...)
		return e.lines
	}
	f.Width = max(f.Width-promptWidth, 4)
	var lines []string
	switch {
	case e.shown != nil:
		lines = f.Lines(*e.shown)
	case e.printed != nil:
		lines = f.Printed(e.printed)
	case e.failure != nil:
		lines = f.Failure(e.failure)
	default:
		for text := range strings.SplitSeq(term.CleanLines(e.note), "\n") {
			for _, line := range term.Wrap(text, f.Width) {
				lines = append(lines, term.Paint(f.Styles.Dim, line))
			}
		}
	}
	if most := f.Page - aroundEntry; e.shown != nil && f.Page > 0 && len(lines) > max(most, shortestFold) {
		kept := max(most, shortestFold) - 1
		more := fmt.Sprintf("… %s more lines, ^O to show", show.Grouped(len(lines)-kept))
		lines = append(lines[:kept:kept], f.Limit(term.Paint(f.Styles.Warn, more)))
	}
	if hidden := len(lines) - longestEntry; hidden > 0 {
		lines = append(lines[:longestEntry], term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more lines", show.Grouped(hidden))))
	}
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", promptWidth) + line
		}
	}
	e.lines = lines
	return lines
}
