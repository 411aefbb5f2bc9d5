package server

import (
	"strings"
	"unicode/utf8"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Label returns a short text that identifies a record for people: its title or name, or
// else its first text field. It returns "" if there is none or image is nil.
func Label(image *record.Image) string {
	if image == nil {
		return ""
	}
	if f := labelField(image.Model); f != nil {
		return shorten(image.Value(f).Text(), maxLabel)
	}
	return ""
}

// labelField returns the field that Label uses, nil if there is none.
func labelField(m *record.Model) *record.Field {
	for _, name := range []string{"title", "name"} {
		if f := m.Field(name); f != nil && f.Kind == record.String && !f.Private {
			return f
		}
	}
	for _, f := range m.Fields {
		if f.Kind == record.String && f.Ref == "" && f.Name != "id" && !f.Private {
			return f
		}
	}
	return nil
}

// shorten cuts a text to at most most characters, with an ellipsis.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// shortenBoth shortens two texts and keeps the place where they start to differ.
func shortenBoth(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	if from := same - maxText/4; from > maxText/2 {
		for !utf8.RuneStart(a[from]) {
			from--
		}
		a, b = "…"+a[from:], "…"+b[from:]
	}
	return shorten(a, maxText), shorten(b, maxText)
}

// ChangedFields returns the names of the fields that an update changed.
func ChangedFields(change store.Change) []string {
	var names []string
	for _, f := range change.Model.Fields {
		if change.Op == store.Update && f.Name != "updatedAt" && !change.Same(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

const maxLabel = 40

// DoneBy returns the author of a commit without changes, which says what was done.
func DoneBy(did, by string) string { return did + " by " + by }

// DoneIn returns what a commit without changes says was done, "" if it is another one, and
// its author.
func DoneIn(commit *store.Commit) (did, by string) {
	if at := strings.LastIndex(commit.By, " by "); at >= 0 && len(commit.Changes) == 0 {
		return commit.By[:at], commit.By[at+len(" by "):]
	}
	return "", commit.By
}
