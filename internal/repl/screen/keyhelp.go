package screen

import (
	"github.com/charmbracelet/bubbles/key"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A section of the help of the keys.
type section struct {
	title string
	keys  []key.Binding
	more  [][2]string
}

func (k keyMap) helpSections(vi bool) []section {
	typing := section{"Typing, as in emacs (.vi changes to vi)", []key.Binding{k.left, k.wordLeft, k.start, k.killWord, k.killToEnd, k.yank, k.undo, k.transpose, k.upper}, nil}
	if vi {
		typing = section{"Typing, as in vi (.emacs changes back)", nil, [][2]string{
			{"esc  i a I A o O", "command mode, and typing again"},
			{"h l w b e 0 ^ $ f t", "move"},
			{"d c y  x r s D C p", "delete, change, yank, with a motion or twice for the line"},
			{"k j  /", "history"},
			{"u", "undo"},
		}}
	}
	return []section{
		{"Code", []key.Binding{k.run, k.newline, k.complete, as(k.up, "↑ ↓", "what was typed before"), as(k.search, "^R", "search what was typed before"),
			as(k.interrupt, "^C", "stop the code, or give up the line"), k.prefixEdit, as(k.copy, "alt+w", "copy the last result"),
			as(k.whole, "^O", "the whole of a long result"), as(k.pageUp, "pgup pgdn", "scroll"), as(k.clear, "^L", "clear the screen"), as(k.quit, "^D", "leave")}, nil},
		typing,
		{"The live pane", []key.Binding{as(k.live, "F2", "to the pane, and back to the prompt"), as(k.pick, "1-5 tab", "commits, connections, cursors, routes, log"),
			as(k.up, "↑ ↓ pgup pgdn", "select, which freezes what scrolls"), as(k.freeze, "space end", "freeze, follow"), as(k.open, "enter", "all that is known of it"),
			as(k.filter, "/", "only rows that hold each word; !word must not be there"), as(k.copy, "c", "copy it as JSON"), as(k.zoom, "z", "the whole screen, and back"), k.back}, nil},
		{"Commands", nil, commandHelp()},
	}
}

// keyHelpLines is every key, and every command.
func (s *screen) keyHelpLines(f show.Formatter) []string {
	sections := s.keys.helpSections(s.vi != nil)
	longest := 0
	for i := range sections {
		for _, k := range sections[i].keys {
			sections[i].more = append(sections[i].more, [2]string{k.Help().Key, k.Help().Desc})
		}
		for _, line := range sections[i].more {
			longest = max(longest, term.Width(line[0]))
		}
	}
	longest = min(longest, max(f.Width/2-4, 8))
	var lines []string
	for i, section := range sections {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, term.Paint(f.Styles.Strong, term.Cut(section.title, f.Width)))
		for _, line := range section.more {
			for j, text := range term.Wrap(line[1], max(f.Width-longest-2*len(show.Indent), 8)) {
				name := line[0]
				if j > 0 {
					name = ""
				}
				line := show.Indent + term.Paint(f.Styles.Accent, term.Pad(term.Cut(name, longest), longest)) + show.Indent + text
				lines = append(lines, f.Limit(line))
			}
		}
	}
	return lines
}
