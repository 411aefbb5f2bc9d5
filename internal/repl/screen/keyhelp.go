package screen

import (
	"github.com/charmbracelet/bubbles/key"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A section is a group of keys in the help.
type section struct {
	title string
	keys  []key.Binding
	more  [][2]string
}

func (k keyMap) helpSections(vi bool) []section {
	typing := section{"Typing, emacs keys (.vi switches to vi)", []key.Binding{k.left, k.wordLeft, k.start, k.killWord, k.killToEnd, k.yank, k.undo, k.transpose, k.upper}, nil}
	if vi {
		typing = section{"Typing, vi keys (.emacs switches back)", nil, [][2]string{
			{"esc  i a I A o O", "command mode, insert mode"},
			{"h l w b e 0 ^ $ f t", "move"},
			{"d c y  x r s D C p", "delete, change, yank; with a motion, or twice for the line"},
			{"k j  /", "history"},
			{"u", "undo"},
		}}
	}
	return []section{
		{"Code", []key.Binding{k.run, k.newline, k.complete, as(k.up, "↑ ↓", "history"), as(k.search, "^R", "search the history"),
			as(k.interrupt, "^C", "stop the code, or discard the line"), k.prefixEdit, as(k.copy, "alt+w", "copy the last result"),
			as(k.whole, "^O", "a long result in full"), as(k.pageUp, "pgup pgdn", "scroll"), as(k.pageUp, "wheel", "scroll what the pointer is on; shift selects text"), as(k.clear, "^L", "clear the screen"), as(k.quit, "^D", "leave")}, nil},
		typing,
		{"The live pane", []key.Binding{as(k.live, "F2", "switch between pane and prompt"), as(k.pick, "1-6 tab", "commits, connections, cursors, routes, log, jobs"),
			as(k.up, "↑ ↓ pgup pgdn", "select; freezes a scrolling view"), as(k.freeze, "space end", "freeze, follow"), as(k.open, "enter", "all details"),
			as(k.filter, "/", "rows that contain each word; !word excludes"), as(k.copy, "c", "copy as JSON"), as(k.zoom, "z", "full screen on or off"), k.back}, nil},
		{"Commands", nil, commandHelp()},
	}
}

// keyHelpLines returns the help of all keys and commands.
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
