package repl

import "github.com/charmbracelet/bubbles/key"

// keyMap is every key of the console. What is not here is text.
type keyMap struct {
	run, newline, complete, completeBack, dismiss       key.Binding
	interrupt, quit, clear, search, live, suspend       key.Binding
	left, right, wordLeft, wordRight, start, end        key.Binding
	up, down, pageUp, pageDown, top, bottom             key.Binding
	backspace, deleteForward, killWord, killWordForward key.Binding
	killToEnd, killToStart, yank                        key.Binding
}

func bind(help, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, does))
}

func newKeyMap() keyMap {
	return keyMap{
		run:          bind("enter", "run", "enter"),
		newline:      bind("alt+enter", "line", "alt+enter", "ctrl+j"),
		complete:     bind("tab", "complete", "tab"),
		completeBack: bind("shift+tab", "back", "shift+tab"),
		dismiss:      bind("esc", "back", "esc", "ctrl+g"),

		interrupt: bind("^C", "stop", "ctrl+c"),
		quit:      bind("^D", "quit", "ctrl+d"),
		clear:     bind("^L", "clear", "ctrl+l"),
		search:    bind("^R", "search", "ctrl+r"),
		live:      bind("F2", "live", "f2"),
		suspend:   bind("^Z", "suspend", "ctrl+z"),

		left:      bind("", "", "left", "ctrl+b"),
		right:     bind("", "", "right", "ctrl+f"),
		wordLeft:  bind("", "", "alt+b", "alt+left", "ctrl+left"),
		wordRight: bind("", "", "alt+f", "alt+right", "ctrl+right"),
		start:     bind("", "", "ctrl+a", "home"),
		end:       bind("", "", "ctrl+e", "end"),
		up:        bind("↑", "history", "up", "ctrl+p"),
		down:      bind("↓", "", "down", "ctrl+n"),
		pageUp:    bind("pgup", "scroll", "pgup"),
		pageDown:  bind("pgdn", "scroll", "pgdown"),
		top:       bind("home", "first", "home"),
		bottom:    bind("end", "latest", "end"),

		backspace:       bind("", "", "backspace", "ctrl+h"),
		deleteForward:   bind("", "", "delete"),
		killWord:        bind("", "", "ctrl+w", "alt+backspace"),
		killWordForward: bind("", "", "alt+d"),
		killToEnd:       bind("", "", "ctrl+k"),
		killToStart:     bind("", "", "ctrl+u"),
		yank:            bind("", "", "ctrl+y"),
	}
}

// atPrompt, inPane and inSearch are the keys that the footer shows.
func (k keyMap) atPrompt() []key.Binding {
	return []key.Binding{k.run, k.complete, k.search, k.live, k.pageUp, k.clear, k.quit}
}

func (k keyMap) whileRunning() []key.Binding {
	return []key.Binding{k.interrupt, k.pageUp, k.live}
}

func (k keyMap) inPane() []key.Binding {
	scroll := k.up
	scroll.SetHelp("↑ ↓", "scroll")
	back := k.live
	back.SetHelp("F2", "back")
	return []key.Binding{scroll, k.pageUp, k.bottom, back, k.quit}
}

func (k keyMap) inSearch() []key.Binding {
	older, take := k.search, k.run
	older.SetHelp("^R", "older")
	take.SetHelp("enter", "take")
	return []key.Binding{older, take, k.dismiss}
}
