package screen

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// pressed handles a message of keys. Letters typed at the same time arrive in one
// message; unless they are text, each is pressed separately.
func (s *screen) pressed(msg tea.KeyMsg) tea.Cmd {
	text := s.pager == nil && !s.inPane && (s.vi == nil || !s.vi.command)
	if msg.Type != tea.KeyRunes || len(msg.Runes) < 2 || msg.Paste || text {
		return s.press(msg)
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		cmds = append(cmds, s.press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}))
	}
	return tea.Batch(cmds...)
}

// press handles a key according to the focus.
func (s *screen) press(msg tea.KeyMsg) tea.Cmd {
	s.hint = ""
	switch {
	case s.pager != nil:
		return s.keyInPager(msg)
	case key.Matches(msg, s.keys.interrupt) && !(s.inPane && !s.running):
		return s.interrupt()
	case s.question != nil:
		s.keyInQuestion(msg)
		return nil
	case s.completing:
		s.queuedKeys = append(s.queuedKeys, msg)
		return nil
	case key.Matches(msg, s.keys.suspend):
		s.tty.release()
		return tea.Suspend
	case s.search != nil:
		return s.keyInSearch(msg)
	case key.Matches(msg, s.keys.live):
		return s.toPane()
	case s.inPane:
		return s.keyInPane(msg)
	}
	return s.keyAtPrompt(msg)
}

func (s *screen) keyInPager(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, s.keys.copy):
		return s.copyResult()
	case key.Matches(msg, s.keys.interrupt), s.pager.press(&s.keys, msg):
		s.pager = nil
	}
	return nil
}

func (s *screen) keyAtPrompt(msg tea.KeyMsg) tea.Cmd {
	k := &s.keys
	switch {
	case s.prefixed:
		return s.afterPrefix(msg)
	case key.Matches(msg, k.pageUp):
		s.transcript.back += max(s.page-2, 1)
		return nil
	case key.Matches(msg, k.pageDown):
		s.transcript.back = max(s.transcript.back-max(s.page-2, 1), 0)
		return nil
	case key.Matches(msg, k.clear):
		return s.clearScreen()
	case key.Matches(msg, k.help) && (s.editor.empty() || msg.Type == tea.KeyF1):
		s.openKeyHelp()
		return nil
	case key.Matches(msg, k.whole):
		s.openWhole()
		return nil
	case key.Matches(msg, k.copy):
		return s.copyResult()
	}
	s.transcript.back = 0
	switch {
	case key.Matches(msg, k.complete):
		return s.complete(1)
	case key.Matches(msg, k.completeBack):
		return s.complete(-1)
	case key.Matches(msg, k.run) && s.menu != nil && s.menu.at >= 0:
		s.menu = nil
		return nil
	}
	s.menu = nil
	if s.vi != nil && s.vi.key(s, msg) {
		return nil
	}
	return s.keyInLine(msg)
}

// afterPrefix handles the key after ^X.
func (s *screen) afterPrefix(msg tea.KeyMsg) tea.Cmd {
	s.prefixed = false
	switch {
	case key.Matches(msg, s.keys.prefixEdit):
		return s.edit()
	case msg.String() == "o":
		return s.toPane()
	case msg.String() == "ctrl+u":
		s.editor.undo()
	}
	return nil
}

// keyInLine runs the input, moves through the history, or edits.
func (s *screen) keyInLine(msg tea.KeyMsg) tea.Cmd {
	k := &s.keys
	switch {
	case key.Matches(msg, k.run):
		return s.submit()
	case key.Matches(msg, k.newline):
		s.editor.saveUndo()
		s.editor.insert("\n")
	case key.Matches(msg, k.quit) && s.editor.empty():
		return tea.Quit
	case key.Matches(msg, k.prefix):
		s.prefixed = true
	case key.Matches(msg, k.search):
		s.beginSearch()
	case key.Matches(msg, k.up):
		if !s.editor.up() {
			s.recall(true)
		}
	case key.Matches(msg, k.down):
		if !s.editor.down() {
			s.recall(false)
		}
	case key.Matches(msg, k.first), key.Matches(msg, k.last):
		s.recallEnd(key.Matches(msg, k.first))
	default:
		s.keyInText(msg)
	}
	return nil
}

func (s *screen) beginSearch() {
	s.search = &search{typed: s.editor.text(), at: len(s.history.entries)}
}

// recall moves to the previous or the next entry of the history.
func (s *screen) recall(before bool) {
	entry, ok := "", false
	if before {
		entry, ok = s.history.back(s.editor.text())
	} else {
		entry, ok = s.history.forth()
	}
	if ok {
		s.editor.set(entry)
	}
}

// recallEnd moves to the oldest entry of the history, or back to the draft.
func (s *screen) recallEnd(oldest bool) {
	for at := -1; at != s.history.at; {
		at = s.history.at
		s.recall(oldest)
	}
}

// keyInText edits the input.
func (s *screen) keyInText(msg tea.KeyMsg) {
	k, ed := &s.keys, &s.editor
	switch {
	case key.Matches(msg, k.left):
		ed.move(-1)
	case key.Matches(msg, k.right):
		ed.move(1)
	case key.Matches(msg, k.wordLeft):
		ed.at = ed.word(-1)
	case key.Matches(msg, k.wordRight):
		ed.at = ed.word(1)
	case key.Matches(msg, k.start):
		ed.at = ed.lineStart()
	case key.Matches(msg, k.end):
		ed.at = ed.lineEnd()
	case key.Matches(msg, k.undo):
		ed.undo()
	case (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && (!msg.Alt || msg.Paste):
		if msg.Paste || msg.Type == tea.KeySpace || !ed.typing { // undo works word by word
			ed.saveUndo()
		}
		ed.insert(string(msg.Runes))
		ed.typing = !msg.Paste
		return
	default:
		s.keyThatCuts(msg)
	}
	ed.typing = false
}

// keyThatCuts deletes, cuts or changes text.
func (s *screen) keyThatCuts(msg tea.KeyMsg) {
	k, ed := &s.keys, &s.editor
	cut := func(from, to int) {
		ed.saveUndo()
		ed.cut(from, to, true)
	}
	switch {
	case key.Matches(msg, k.backspace):
		ed.saveUndo()
		ed.backspace()
	case key.Matches(msg, k.deleteForward), key.Matches(msg, k.quit):
		ed.saveUndo()
		ed.deleteForward()
	case key.Matches(msg, k.killWord):
		cut(ed.word(-1), ed.at)
	case key.Matches(msg, k.killWordForward):
		cut(ed.at, ed.word(1))
	case key.Matches(msg, k.killToEnd):
		end := ed.lineEnd()
		if end == ed.at && end < len(ed.letters) {
			end++ // at the end of a line, cut its line break
		}
		cut(ed.at, end)
	case key.Matches(msg, k.killToStart):
		cut(ed.lineStart(), ed.at)
	case key.Matches(msg, k.yank):
		ed.saveUndo()
		ed.insert(ed.killed)
	case key.Matches(msg, k.transpose):
		ed.transpose()
	case key.Matches(msg, k.upper):
		ed.transform(ed.at, ed.word(1), strings.ToUpper)
	case key.Matches(msg, k.lower):
		ed.transform(ed.at, ed.word(1), strings.ToLower)
	case key.Matches(msg, k.capital):
		ed.transform(ed.at, ed.word(1), capital)
	}
}

// capital returns text with its first letter in upper case.
func capital(text string) string {
	letters := lettersOf(strings.ToLower(text))
	for i, letter := range letters {
		if isWord(letter) {
			letters[i] = strings.ToUpper(letter)
			break
		}
	}
	return strings.Join(letters, "")
}

func (s *screen) keyInSearch(msg tea.KeyMsg) tea.Cmd {
	k := &s.keys
	switch {
	case key.Matches(msg, k.search):
		s.searchFrom(s.search.at)
	case key.Matches(msg, k.dismiss):
		s.editor.set(s.search.typed)
		s.search = nil
	case key.Matches(msg, k.backspace):
		s.search.query = typed(k, s.search.query, msg)
		s.searchFrom(len(s.history.entries))
	case (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && !msg.Alt:
		s.search.query = typed(k, s.search.query, msg)
		s.searchFrom(min(s.search.at+1, len(s.history.entries)))
	default: // any other key accepts the found entry, then acts on it
		if s.search.found {
			s.history.at = s.search.at
		}
		s.search = nil
		if !key.Matches(msg, k.run) {
			return s.keyAtPrompt(msg)
		}
	}
	return nil
}
