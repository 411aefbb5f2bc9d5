package screen

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

const menuRows = 4

// A menu offers completions of the text after start.
type menu struct {
	start string // the input before the completion
	typed string // the typed beginning of the completion
	items []string
	notes map[string]string
	at    int // the chosen item, or -1
}

// A search goes back through the history.
type search struct {
	typed string // the input before the search
	query string
	at    int
	found bool
}

// complete requests completions of the input, or moves in the menu.
func (s *screen) complete(by int) tea.Cmd {
	if s.menu != nil {
		n := len(s.menu.items)
		if s.menu.at < 0 && by < 0 {
			s.menu.at = 0
		}
		s.menu.at = (s.menu.at + by + n) % n
		s.choose()
		return nil
	}
	if typed := s.editor.before(); isCommand(typed) {
		s.offer(completedMsg{typed, script.Completion{Items: script.WithPrefix(commandNames(), typed)}})
		return nil
	}
	if s.busy {
		return nil
	}
	s.busy, s.completing = true, true
	s.jobs <- job{ctx: context.Background(), code: s.editor.before(), complete: true}
	return nil
}

// replayKeys presses the queued keys, up to the next one that has to wait.
func (s *screen) replayKeys() tea.Cmd {
	var cmds []tea.Cmd
	for len(s.queuedKeys) > 0 && !s.completing {
		next := s.queuedKeys[0]
		s.queuedKeys = s.queuedKeys[1:]
		cmds = append(cmds, s.press(next))
	}
	return tea.Batch(cmds...)
}

// offer handles the completions: it types a single item, or the common prefix of
// several and shows the menu.
func (s *screen) offer(found completedMsg) {
	if found.text != s.editor.before() || len(found.Items) == 0 || s.search != nil {
		return
	}
	m := &menu{start: found.text[:found.Start], typed: found.text[found.Start:], items: found.Items, notes: found.Notes, at: -1}
	common := found.Items[0]
	for _, item := range found.Items[1:] {
		for !strings.HasPrefix(item, common) {
			common = common[:len(common)-1]
		}
	}
	if len(found.Items) == 1 || len(common) > len(m.typed) && strings.HasPrefix(common, m.typed) {
		s.retype(m, common)
		m.typed = common
	}
	if len(found.Items) > 1 {
		s.menu = m
	}
}

func (s *screen) choose() { s.retype(s.menu, s.menu.items[s.menu.at]) }

// retype puts an item in place of the completion.
func (s *screen) retype(m *menu, item string) {
	after := strings.Join(s.editor.letters[s.editor.at:], "")
	s.editor.set(m.start + item)
	at := s.editor.at
	s.editor.set(m.start + item + after)
	s.editor.at = at
}

// searchFrom moves to the next older entry that contains the query.
func (s *screen) searchFrom(before int) {
	s.search.at, s.search.found = s.history.find(s.search.query, before)
	if s.search.found {
		s.editor.set(s.history.entries[s.search.at])
	}
}

// lines lays the completions out in columns, around the chosen one. Completions with a
// note get a line each.
func (m *menu) lines(f show.Formatter) []string {
	room, longest := f.Width-promptWidth, 0
	for _, item := range m.items {
		longest = max(longest, term.Width(term.Clean(item)))
	}
	longest = min(longest, room)
	perRow := max((room+2)/(longest+2), 1)
	if len(m.notes) > 0 {
		perRow = 1
	}
	rows := (len(m.items) + perRow - 1) / perRow
	first := min(max(max(m.at, 0)/perRow-menuRows+1, 0), max(rows-menuRows, 0))
	var lines []string
	for row := first; row < min(first+menuRows, rows); row++ {
		var cells []string
		for i := row * perRow; i < min((row+1)*perRow, len(m.items)); i++ {
			style, item := f.Styles.Dim, term.Pad(term.Cut(term.Clean(m.items[i]), longest), longest)
			if i == m.at {
				style = f.Styles.Accent
			}
			text := style.Render(item)
			if note := m.notes[m.items[i]]; note != "" && room > longest+6 {
				text += "  " + term.Cut(term.Clean(note), room-longest-2)
			}
			cells = append(cells, text)
		}
		lines = append(lines, strings.Repeat(" ", promptWidth)+strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	if below := len(m.items) - min(first+menuRows, rows)*perRow; below > 0 {
		lines = append(lines, strings.Repeat(" ", promptWidth)+f.Styles.Dim.Render(fmt.Sprintf("… %d more", below)))
	}
	return lines
}
