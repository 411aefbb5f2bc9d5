package screen

import (
	"github.com/charmbracelet/bubbles/key"

	"github.com/towerkit/tower/internal/repl/live"
)

// keyMap is the set of all keys of the console. Any other key is text.
type keyMap struct {
	run, newline, complete, completeBack, dismiss          key.Binding
	interrupt, quit, clear, search, suspend                key.Binding
	live, help, whole, copy, prefix, prefixEdit            key.Binding
	left, right, wordLeft, wordRight, start, end           key.Binding
	up, down, pageUp, pageDown, top, bottom                key.Binding
	first, last                                            key.Binding // in the history
	backspace, deleteForward, killWord, killWordForward    key.Binding
	killToEnd, killToStart, yank, undo, transpose          key.Binding
	upper, lower, capital                                  key.Binding
	open, freeze, filter, zoom, next, previous, pick, back key.Binding // in the live pane
	nextMatch, previousMatch, page, leavePager             key.Binding // in the pager
}

func bind(help, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, does))
}

func newKeyMap() keyMap {
	return keyMap{
		run:          bind("enter", "run", "enter"),
		newline:      bind("alt+enter", "another line", "alt+enter", "ctrl+j"),
		complete:     bind("tab", "complete", "tab"),
		completeBack: bind("shift+tab", "complete, backwards", "shift+tab"),
		dismiss:      bind("esc", "back", "esc", "ctrl+g"),

		interrupt: bind("^C", "stop", "ctrl+c"),
		quit:      bind("^D", "quit", "ctrl+d"),
		clear:     bind("^L", "clear", "ctrl+l"),
		search:    bind("^R", "search", "ctrl+r"),
		suspend:   bind("^Z", "suspend", "ctrl+z"),

		live:       bind("F2", "live", "f2"),
		help:       bind("?", "keys", "?", "f1"),
		whole:      bind("^O", "whole result", "ctrl+o"),
		copy:       bind("alt+w", "copy", "alt+w"),
		prefix:     bind("^X", "", "ctrl+x"),
		prefixEdit: bind("^X ^E", "$EDITOR", "ctrl+e"),

		left:      bind("← →", "letter", "left", "ctrl+b"),
		right:     bind("→", "letter", "right", "ctrl+f"),
		wordLeft:  bind("alt+b alt+f", "word", "alt+b", "alt+left", "ctrl+left"),
		wordRight: bind("alt+f", "word", "alt+f", "alt+right", "ctrl+right"),
		start:     bind("^A ^E", "ends of the line", "ctrl+a", "home"),
		end:       bind("^E", "end of the line", "ctrl+e", "end"),
		up:        bind("↑ ↓", "history", "up", "ctrl+p"),
		down:      bind("↓", "history", "down", "ctrl+n"),
		pageUp:    bind("pgup", "scroll", "pgup"),
		pageDown:  bind("pgdn", "scroll", "pgdown"),
		top:       bind("home", "first", "home", "g"),
		bottom:    bind("end", "latest", "end", "G"),
		first:     bind("alt+<", "oldest in the history", "alt+<"),
		last:      bind("alt+>", "newest in the history", "alt+>"),

		backspace:       bind("", "", "backspace", "ctrl+h"),
		deleteForward:   bind("", "", "delete"),
		killWord:        bind("^W alt+d", "cut a word", "ctrl+w", "alt+backspace"),
		killWordForward: bind("alt+d", "cut a word", "alt+d"),
		killToEnd:       bind("^K ^U", "cut the line after, before", "ctrl+k"),
		killToStart:     bind("^U", "cut the line before", "ctrl+u"),
		yank:            bind("^Y", "paste what was cut", "ctrl+y"),
		undo:            bind("^_", "undo", "ctrl+_"),
		transpose:       bind("^T", "swap letters", "ctrl+t"),
		upper:           bind("alt+u alt+l alt+c", "word in upper, lower, title case", "alt+u"),
		lower:           bind("alt+l", "", "alt+l"),
		capital:         bind("alt+c", "", "alt+c"),

		open:     bind("enter", "open", "enter"),
		freeze:   bind("space", "freeze", " "),
		filter:   bind("/", "filter", "/"),
		zoom:     bind("z", "whole screen", "z"),
		next:     bind("tab", "view", "tab", "right", "l"),
		previous: bind("shift+tab", "view", "shift+tab", "left", "h"),
		pick:     bind("1-6", "view", "1", "2", "3", "4", "5", "6"),
		back:     bind("esc", "back", "esc", "alt+esc", "ctrl+g", "q"),

		nextMatch:     bind("n", "next match", "n"),
		previousMatch: bind("N", "match before", "N"),
		page:          bind("space", "page", " ", "ctrl+f"),
		leavePager:    bind("q", "back", "q", "esc", "ctrl+g", "ctrl+o"),
	}
}

// as returns a binding with a different help text.
func as(k key.Binding, help, does string) key.Binding {
	k.SetHelp(help, does)
	return k
}

// atPrompt and the following methods return the keys shown in the footer.
func (k keyMap) atPrompt() []key.Binding {
	return []key.Binding{k.run, k.complete, k.live, k.help, k.search, k.pageUp, k.clear, k.quit}
}

func (k keyMap) whileRunning() []key.Binding { return []key.Binding{k.interrupt, k.pageUp, k.live} }

func (k keyMap) inQuestion() []key.Binding {
	return []key.Binding{as(k.run, "y", "yes"), as(k.run, "n", "no"), k.interrupt}
}

func (k keyMap) inPane(l *live.Listing) []key.Binding {
	switch {
	case l.Typing:
		return []key.Binding{as(k.run, "enter", "keep"), as(k.dismiss, "esc", "clear")}
	case l.Open != nil:
		return []key.Binding{as(k.up, "↑ ↓", "scroll"), as(k.copy, "c", "copy"), k.zoom, k.back}
	}
	keys := []key.Binding{k.next, k.open, k.filter, as(k.up, "↑ ↓", "select")}
	if l.Tail {
		freeze := k.freeze
		if l.Frozen != nil {
			freeze = as(k.freeze, "space", "follow")
		}
		keys = append(keys, freeze)
	}
	return append(keys, k.zoom, as(k.copy, "c", "copy"), k.help, as(k.live, "F2", "prompt"))
}

func (k keyMap) inSearch() []key.Binding {
	return []key.Binding{as(k.search, "^R", "older"), as(k.run, "enter", "take"), k.dismiss}
}

func (k keyMap) inPager() []key.Binding {
	return []key.Binding{as(k.up, "↑ ↓", "scroll"), k.page, as(k.filter, "/", "find"), k.nextMatch, k.copy, k.leavePager}
}

func (k keyMap) inKeyHelp() []key.Binding {
	return []key.Binding{as(k.up, "↑ ↓", "scroll"), as(k.leavePager, "esc", "back")}
}
