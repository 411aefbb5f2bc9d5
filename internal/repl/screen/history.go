package screen

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/repl/show"
)

const historySize = 1000

// A history is the list of past inputs, oldest first, stored in a file between
// sessions.
type history struct {
	path    string // "" stores nothing
	entries []string
	at      int    // the shown entry; len(entries) is the draft
	draft   string // the input before going back
}

// historyPath returns the default path of an application's history.
func historyPath(app string) string {
	folder := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(folder) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		folder = filepath.Join(home, ".local", "state")
	}
	name := strings.Map(func(r rune) rune {
		if show.IsWordRune(r) || r == '-' {
			return r
		}
		return '_'
	}, app)
	return filepath.Join(folder, "tower", "history-"+name)
}

// openHistory reads the history at path. If it returns an error, the history is empty
// and is kept only for this session.
func openHistory(path string) (*history, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil
	}
	if err := h.load(); err != nil {
		return &history{}, fmt.Errorf("read the history: %w", err)
	}
	return h, nil
}

func (h *history) load() error {
	file, err := private.Open(h.path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // the file is only read
	read := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 2*longestInput)
	for lines.Scan() {
		h.remember(unescapeEntry.Replace(lines.Text()))
		read++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if read > 2*historySize {
		return h.rewrite()
	}
	return nil
}

// remember appends an entry and removes an equal earlier one.
func (h *history) remember(entry string) {
	if i := slices.Index(h.entries, entry); i >= 0 {
		h.entries = slices.Delete(h.entries, i, i+1)
	}
	h.entries = append(h.entries, entry)
	if over := len(h.entries) - historySize; over > 0 {
		h.entries = slices.Delete(h.entries, 0, over)
	}
	h.at = len(h.entries)
}

// An entry is one line of the file.
var (
	escapeEntry   = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	unescapeEntry = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
)

// add appends an input to the history and to the file.
func (h *history) add(entry string) error {
	repeated := len(h.entries) > 0 && h.entries[len(h.entries)-1] == entry
	h.remember(entry)
	h.draft = ""
	if h.path == "" || repeated {
		return nil
	}
	if err := private.OwnFolder(filepath.Dir(h.path)); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	file, err := private.Open(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	// One write, so that lines of two consoles do not mix.
	_, err = file.WriteString(escapeEntry.Replace(entry) + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return nil
}

func (h *history) rewrite() error {
	var text strings.Builder
	for _, entry := range h.entries {
		text.WriteString(escapeEntry.Replace(entry) + "\n")
	}
	return private.Replace(h.path, []byte(text.String()))
}

// back and forth move through the entries; after the newest comes the draft.
func (h *history) back(typed string) (string, bool) {
	if h.at == 0 {
		return "", false
	}
	if h.at == len(h.entries) {
		h.draft = typed
	}
	h.at--
	return h.entries[h.at], true
}

func (h *history) forth() (string, bool) {
	if h.at >= len(h.entries) {
		return "", false
	}
	if h.at++; h.at == len(h.entries) {
		return h.draft, true
	}
	return h.entries[h.at], true
}

// find returns the index of the last entry before the given index that contains text.
func (h *history) find(text string, before int) (index int, ok bool) {
	for i := min(before, len(h.entries)) - 1; i >= 0; i-- {
		if strings.Contains(strings.ToLower(h.entries[i]), strings.ToLower(text)) {
			return i, true
		}
	}
	return before, false
}
