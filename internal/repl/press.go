package repl

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// press does what a key is for, by what has the focus.
func (s *screen) press(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, s.keys.interrupt):
		return s.interrupt()
	case s.question != nil:
		s.keyInQuestion(msg)
		return nil
	case s.completing:
		s.held = append(s.held, msg)
		return nil
	case key.Matches(msg, s.keys.suspend):
		return tea.Suspend
	case s.search != nil:
		return s.keyInSearch(msg)
	case key.Matches(msg, s.keys.live):
		s.inPane = !s.inPane && s.pane > 0
		return nil
	case s.inPane:
		return s.keyInPane(msg)
	}
	return s.keyAtPrompt(msg)
}

func (s *screen) keyAtPrompt(msg tea.KeyMsg) tea.Cmd {
	k := s.keys
	switch {
	case key.Matches(msg, k.pageUp):
		s.transcript.back += max(s.page-2, 1)
		return nil
	case key.Matches(msg, k.pageDown):
		s.transcript.back = max(s.transcript.back-max(s.page-2, 1), 0)
		return nil
	case key.Matches(msg, k.clear):
		s.transcript.clear()
		return tea.ClearScreen
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
	switch {
	case key.Matches(msg, k.run):
		return s.submit()
	case key.Matches(msg, k.newline):
		s.editor.insert("\n")
	case key.Matches(msg, k.quit) && s.editor.empty():
		return tea.Quit
	case key.Matches(msg, k.search):
		s.search = &search{typed: s.editor.text(), at: len(s.history.entries)}
	case key.Matches(msg, k.up):
		if !s.editor.up() {
			if entry, ok := s.history.back(s.editor.text()); ok {
				s.editor.set(entry)
			}
		}
	case key.Matches(msg, k.down):
		if !s.editor.down() {
			if entry, ok := s.history.forth(); ok {
				s.editor.set(entry)
			}
		}
	default:
		s.keyInText(msg)
	}
	return nil
}

// keyInText edits.
func (s *screen) keyInText(msg tea.KeyMsg) {
	k, ed := s.keys, &s.editor
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
	case key.Matches(msg, k.backspace):
		ed.backspace()
	case key.Matches(msg, k.deleteForward), key.Matches(msg, k.quit):
		ed.deleteForward()
	case key.Matches(msg, k.killWord):
		ed.cut(ed.word(-1), ed.at, true)
	case key.Matches(msg, k.killWordForward):
		ed.cut(ed.at, ed.word(1), true)
	case key.Matches(msg, k.killToEnd):
		end := ed.lineEnd()
		if end == ed.at && end < len(ed.letters) {
			end++ // at the end of a line, the break
		}
		ed.cut(ed.at, end, true)
	case key.Matches(msg, k.killToStart):
		ed.cut(ed.lineStart(), ed.at, true)
	case key.Matches(msg, k.yank):
		ed.insert(ed.killed)
	case (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && (!msg.Alt || msg.Paste):
		ed.insert(string(msg.Runes))
	}
}

func (s *screen) keyInPane(msg tea.KeyMsg) tea.Cmd {
	k, p := s.keys, &s.live
	switch {
	case key.Matches(msg, k.up):
		p.back++
	case key.Matches(msg, k.down):
		p.back = max(p.back-1, 0)
	case key.Matches(msg, k.pageUp):
		p.back += max(s.pane-2, 1)
	case key.Matches(msg, k.pageDown):
		p.back = max(p.back-max(s.pane-2, 1), 0)
	case key.Matches(msg, k.top):
		p.back = 1 << 30 // the view stops at the first
	case key.Matches(msg, k.bottom):
		p.back = 0
	case key.Matches(msg, k.quit):
		return tea.Quit
	case key.Matches(msg, k.dismiss):
		s.inPane = false
	case msg.Type == tea.KeyRunes: // to type is to go back to the prompt
		s.inPane = false
		return s.keyAtPrompt(msg)
	}
	return nil
}

func (s *screen) keyInSearch(msg tea.KeyMsg) tea.Cmd {
	k := s.keys
	switch {
	case key.Matches(msg, k.search):
		s.look(s.search.at)
	case key.Matches(msg, k.dismiss):
		s.editor.set(s.search.typed)
		s.search = nil
	case key.Matches(msg, k.backspace):
		if letters := lettersOf(s.search.query); len(letters) > 0 {
			s.search.query = s.search.query[:len(s.search.query)-len(letters[len(letters)-1])]
			s.look(len(s.history.entries))
		}
	case (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && !msg.Alt:
		s.search.query += clean(string(msg.Runes))
		s.look(min(s.search.at+1, len(s.history.entries)))
	default: // any other key takes what was found, and acts on it
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
