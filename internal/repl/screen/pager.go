package screen

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A pager shows lines on the whole screen, for text that is too long for its place.
type pager struct {
	title  string
	lay    func(f show.Formatter) []string
	top    int
	height int
	typing bool
	find   string
	keys   []key.Binding

	cells int // the width of the cached lines
	lines []string
}

// openKeyHelp shows the help of all keys.
func (s *screen) openKeyHelp() {
	s.pager = &pager{title: "keys", lay: s.keyHelpLines, keys: s.keys.inKeyHelp()}
}

// openWhole shows the last result in full.
func (s *screen) openWhole() {
	if v := s.transcript.result(); v != nil {
		s.pager = &pager{title: "result", lay: func(f show.Formatter) []string { return f.Lines(*v) }, keys: s.keys.inPager()}
	}
}

func (p *pager) view(f show.Formatter, height int) []string {
	if p.cells != f.Width || p.lines == nil {
		p.cells, p.lines = f.Width, p.lay(f)
	}
	below := 0
	if p.typing {
		below = 1
	}
	p.height = height - below
	p.top = max(min(p.top, len(p.lines)-p.height), 0)
	var lines []string
	for _, line := range p.lines[p.top:min(p.top+p.height, len(p.lines))] {
		lines = append(lines, p.marked(line))
	}
	for len(lines) < p.height {
		lines = append(lines, "")
	}
	if p.typing {
		lines = append(lines, term.Paint(f.Styles.Accent, "/")+term.Cut(term.Clean(p.find), f.Width-2)+"\x1b[7m \x1b[27m")
	}
	return lines
}

// marked marks the matches of the search in a line. A line with a match loses its
// colors.
func (p *pager) marked(line string) string {
	if p.find == "" {
		return line
	}
	plain := ansi.Strip(line)
	at := p.index(plain)
	if at < 0 {
		return line
	}
	return plain[:at] + "\x1b[7m" + plain[at:at+len(p.find)] + "\x1b[27m" + plain[at+len(p.find):]
}

func (p *pager) index(plain string) int {
	if low := strings.ToLower(plain); len(low) == len(plain) {
		return strings.Index(low, strings.ToLower(p.find))
	}
	return strings.Index(plain, p.find) // changing the case may change the length of a letter
}

// findFrom moves to the next line that matches the search.
func (p *pager) findFrom(from, by int) {
	if p.find == "" {
		return
	}
	for n := range p.lines {
		at := ((from+n*by)%len(p.lines) + len(p.lines)) % len(p.lines)
		if p.index(ansi.Strip(p.lines[at])) >= 0 {
			p.top = at
			return
		}
	}
}

// place describes which lines are visible.
func (p *pager) place() string {
	if len(p.lines) <= p.height {
		return ""
	}
	return show.Grouped(min(p.top+p.height, len(p.lines))) + " of " + show.Grouped(len(p.lines)) + " lines"
}

// scroll moves by a number of lines.
func (p *pager) scroll(by int) { p.top = max(min(p.top+by, len(p.lines)-p.height), 0) }

// press handles a key. It reports whether the pager is closed.
func (p *pager) press(k *keyMap, msg tea.KeyMsg) (left bool) {
	if p.typing {
		p.enter(k, msg)
		return false
	}
	switch {
	case key.Matches(msg, k.up) || msg.String() == "k":
		p.top--
	case key.Matches(msg, k.down) || msg.String() == "j":
		p.top++
	case key.Matches(msg, k.pageUp) || msg.String() == "b":
		p.top -= max(p.height-2, 1)
	case key.Matches(msg, k.pageDown), key.Matches(msg, k.page):
		p.top += max(p.height-2, 1)
	case key.Matches(msg, k.top):
		p.top = 0
	case key.Matches(msg, k.bottom):
		p.top = len(p.lines)
	case key.Matches(msg, k.filter):
		p.typing, p.find = true, ""
	case key.Matches(msg, k.nextMatch):
		p.findFrom(p.top+1, 1)
	case key.Matches(msg, k.previousMatch):
		p.findFrom(p.top-1, -1)
	case key.Matches(msg, k.leavePager), key.Matches(msg, k.help), key.Matches(msg, k.quit):
		return true
	}
	p.scroll(0)
	return false
}

// enter handles a key while the search text is being typed.
func (p *pager) enter(k *keyMap, msg tea.KeyMsg) {
	switch {
	case key.Matches(msg, k.dismiss):
		p.typing, p.find = false, ""
	case key.Matches(msg, k.run):
		p.typing = false
	default:
		p.find = typed(k, p.find, msg)
		p.findFrom(p.top, 1)
	}
}

// typed returns a line of text after a key was pressed in it.
func typed(k *keyMap, text string, msg tea.KeyMsg) string {
	switch {
	case key.Matches(msg, k.backspace):
		if letters := lettersOf(text); len(letters) > 0 {
			return strings.Join(letters[:len(letters)-1], "")
		}
	case key.Matches(msg, k.killToStart):
		return ""
	case (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && !msg.Alt:
		return text + term.Clean(string(msg.Runes))
	}
	return text
}
