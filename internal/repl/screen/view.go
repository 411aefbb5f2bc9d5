package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"

	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

const (
	besideFrom   = 90 // columns; on wider screens the live pane is beside the prompt
	belowFrom    = 50 // columns; on wider screens it is below
	belowHeight  = 14 // lines the body needs for that
	smallestBody = 3
)

// view draws the screen: a header, the transcript with the prompt, the live pane, and
// the keys.
func (s *screen) view() string {
	if s.width <= 0 || s.height <= 0 {
		return ""
	}
	body := s.height - 4
	if body < smallestBody { // there is room only for the prompt
		s.pane, s.inPane = 0, false
		return strings.Join(s.column(s.width, s.height), "\n")
	}
	var lines []string
	s.paneLeft, s.paneTop = 0, 2 // below the header and the rule
	switch {
	case s.pager != nil:
		lines = s.framed(s.st.Accent.Render(s.pager.title), s.pagerLines(body), s.pager.place())
	case s.inPane && (s.zoomed || s.width < belowFrom || body < belowHeight):
		s.pane = body
		lines = s.framed(s.paneTitle(s.width), s.paneLines(s.width, body), s.paneStatus())
	case s.width >= besideFrom:
		lines = s.beside(body)
	case s.width >= belowFrom && body >= belowHeight:
		lines = s.below(body)
	default:
		s.pane = 0
		lines = append(lines, s.rule("", ""))
		lines = append(lines, s.column(s.width, body)...)
		lines = append(lines, s.margin()+s.live.Last(s.formatter(s.width)))
	}
	lines = append(append([]string{s.header()}, lines...), s.footer())
	for i, line := range lines {
		lines[i] = term.Steady(line)
	}
	return strings.Join(lines, "\n")
}

func (s *screen) pagerLines(body int) []string {
	lines := s.pager.view(s.formatter(s.width), body)
	for i, line := range lines {
		lines[i] = s.margin() + line
	}
	return lines
}

// framed replaces everything between the header and the footer.
func (s *screen) framed(title string, body []string, status string) []string {
	lines := append([]string{s.rule(title, status)}, body...)
	return append(lines, s.rule("", ""))
}

func (s *screen) beside(body int) []string {
	right := min(max(s.width*2/5, 44), 84)
	left := s.width - right - 1
	s.pane, s.paneLeft = body, left
	lines := []string{s.ruleWith(left, "┬", s.paneTitle(right), s.paneStatus())}
	transcript := s.column(left, body)
	pane := s.paneLines(right, body)
	for i := range body {
		// Move to the column of the separator and erase the text before it, so that a
		// letter that the terminal draws wider or narrower than expected does not
		// move the separator.
		lines = append(lines, transcript[i]+fmt.Sprintf("\x1b[K\x1b[%dG", left+1)+s.st.Rule.Render("│")+pane[i])
	}
	return append(lines, s.ruleWith(left, "┴", "", ""))
}

func (s *screen) below(body int) []string {
	s.pane = min(max(body/3, 5), 12)
	if s.inPane {
		s.pane = body * 2 / 3
	}
	s.paneTop += body - s.pane
	lines := append([]string{s.rule("", "")}, s.column(s.width, body-s.pane-1)...)
	lines = append(lines, s.rule(s.paneTitle(s.width), s.paneStatus()))
	lines = append(lines, s.paneLines(s.width, s.pane)...)
	return append(lines, s.rule("", ""))
}

// rule draws a line across the screen, with a title on the left and on the right.
func (s *screen) rule(left, right string) string { return s.ruleWith(-1, "", left, right) }

// ruleWith draws a rule that joins the separator of the columns at a column.
func (s *screen) ruleWith(column int, joint, left, right string) string {
	var b strings.Builder
	used := 0
	line := func(cells int) {
		b.WriteString(term.Paint(s.st.Rule, strings.Repeat("─", max(cells, 0))))
		used += max(cells, 0)
	}
	text := func(t string) {
		b.WriteString(t)
		used += term.Width(t)
	}
	if column >= 0 {
		line(column)
		text(s.st.Rule.Render(joint))
	}
	if room := s.width - used - 3; left != "" && room > 0 {
		line(1)
		text(" " + term.Cut(left, room) + " ")
	}
	if right != "" && s.width-used-term.Width(right)-3 >= 0 {
		line(s.width - used - term.Width(right) - 3)
		text(" " + s.st.Warn.Render(right) + " ")
	}
	line(s.width - used)
	return b.String()
}

// column draws the transcript and the prompt below it, in at most height lines.
func (s *screen) column(cells, height int) []string {
	f := s.formatter(cells)
	s.page, f.Page = height, height
	tail, cursor := s.prompt(f)
	if over := len(tail) - height; over > 0 { // keep the cursor visible
		from := min(max(cursor-height+1, 0), over)
		tail = tail[from : from+height]
	}
	lines := s.transcript.view(f, tail, height)
	if len(lines) < height && lines[0] == "" {
		lines = lines[1:]
	}
	for i, line := range lines {
		lines[i] = s.margin() + line
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines
}

// prompt draws the input, a note if code is running, and the menu or search below.
func (s *screen) prompt(f show.Formatter) (lines []string, cursor int) {
	doing := s.doing()
	running := []string{strings.Repeat(" ", promptWidth) + f.Styles.Dim.Render(doing)}
	if s.question != nil {
		return f.Wrapped(s.st.Warn, term.Clean(s.question.text())+" "), 0
	}
	if s.slow && s.editor.empty() {
		return running, 0
	}
	at := s.editor.at
	if s.inPane {
		at = -1
	}
	lines, cursor = codeLines(&s.st, s.styledPrompt(), s.editor.letters, at, f.Width)
	lines, cursor = append([]string{""}, lines...), cursor+1
	switch {
	case s.slow: // the next input is being typed
		lines, cursor = append(running, lines...), cursor+1
	case s.search != nil:
		label := "search: "
		if s.search.query != "" && !s.search.found {
			label = "nothing older: "
		}
		lines = append(lines, f.Limit(term.Paint(s.st.Accent, label)+term.Clean(s.search.query)+"\x1b[7m \x1b[27m"))
		cursor = len(lines) - 1
	case s.menu != nil:
		lines = append(lines, s.menu.lines(f)...)
	}
	return lines, cursor
}

// doing describes what the running code does.
func (s *screen) doing() string {
	if s.lost {
		return "waiting for the application…"
	}
	parts := []string{"running…"}
	if took := s.live.Now().Sub(s.begun); took >= time.Second {
		parts = append(parts, show.Elapsed(took))
	}
	if s.progress != (script.Progress{}) {
		parts = append(parts, s.progress.String())
	}
	return strings.Join(parts, "  ")
}

// styledPrompt returns the text before the input, with a warning in production and in a
// sandbox.
func (s *screen) styledPrompt() string {
	switch {
	case s.hello.Env == "production":
		return term.Paint(s.st.Prompt, "production"+promptText)
	case s.o.Sandbox:
		return term.Paint(s.st.Warn, "sandbox"+promptText)
	}
	return term.Paint(s.st.Prompt, promptText)
}

// header describes the attached application. It leaves out what does not fit.
func (s *screen) header() string {
	env := s.st.Dim.Render(term.Clean(s.hello.Env))
	if s.hello.Env == "production" {
		env = s.st.Bad.Bold(true).Render("production")
	}
	left := []string{s.st.Accent.Render(term.Clean(s.hello.App)), env}
	for _, mode := range []struct {
		name string
		on   bool
	}{{"sandbox", s.o.Sandbox}, {"read only", s.o.ReadOnly}} {
		if mode.on {
			left = append(left, s.st.Warn.Render(mode.name))
		}
	}
	left = append(left, s.st.Dim.Render(term.Clean(s.hello.URL)))
	right := []string{s.st.Dim.Render(s.position()), s.st.Plain.Render(show.Counted(s.live.Count, "connection"))}
	if s.lost {
		right = []string{s.st.Warn.Render("reconnecting…")}
		if s.reason != nil {
			right = []string{s.st.Dim.Render(term.Cut(term.Clean(s.reason.Error()), s.width/2)), right[0]}
		}
	}
	gap := "  "
	room := s.width - 2*len(s.margin())
	used := func() int { return term.Width(strings.Join(slices.Concat(left, right), gap)) }
	for used() > room && len(left)+len(right) > 2 {
		if len(left) > 2 {
			left = left[:len(left)-1]
		} else if len(right) > 1 {
			right = right[1:]
		} else {
			left = left[:len(left)-1]
		}
	}
	l, r := strings.Join(left, gap), strings.Join(right, gap)
	if term.Width(l)+term.Width(gap)+term.Width(r) > room {
		return s.margin() + term.Cut(l, room)
	}
	return s.margin() + l + term.PadLeft("", room-term.Width(l)-term.Width(r)) + r
}

// footer shows a hint, or the keys.
func (s *screen) footer() string {
	room := s.width - 2*len(s.margin())
	if s.hint != "" {
		return s.margin() + s.st.Warn.Render(term.Cut(term.Clean(s.hint), room))
	}
	var keys []key.Binding
	switch {
	case s.pager != nil:
		keys = s.pager.keys
	case s.search != nil:
		keys = s.keys.inSearch()
	case s.inPane:
		keys = s.keys.inPane(s.live.List())
	case s.question != nil:
		keys = s.keys.inQuestion()
	case s.running && s.slow:
		keys = s.keys.whileRunning()
	default:
		keys = s.keys.atPrompt()
	}
	line, used := "", 0
	if s.vi != nil && s.vi.command && !s.inPane && s.pager == nil {
		line, used = s.st.Accent.Render("command")+"  ", len("command")+2
	}
	for _, k := range keys {
		text := k.Help().Key + " " + k.Help().Desc
		if used+term.Width(text) > room {
			break
		}
		line += k.Help().Key + " " + s.st.Dim.Render(k.Help().Desc) + "  "
		used += term.Width(text) + 2
	}
	return s.margin() + strings.TrimRight(line, " ")
}
