package view

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// mark adds the record's id to the root element of a rendered partial.
func mark(name, html string, id record.ID) (string, error) {
	return addAttrs(name, html, `data-id="`+template.HTMLEscapeString(string(id))+`"`)
}

// addAttrs adds attributes to the root element of a rendered partial. It drops what a
// browser does not show before the element: white space, a byte order mark, comments.
func addAttrs(name, html, attrs string) (string, error) {
	html = trimInvisible(html)
	if len(html) < 2 || html[0] != '<' || !isLetter(html[1]) {
		found := "nothing"
		if html != "" {
			found = fmt.Sprintf("%q", firstRunes(html, 40))
		}
		return "", fmt.Errorf("views/%s: the partial must render one element, with nothing before it; it rendered %s", name, found)
	}
	end := 1 + strings.IndexAny(html[1:], " \t\r\n\f/>")
	if end == 0 {
		return "", fmt.Errorf("views/%s: the first tag of the partial does not end: %q", name, firstRunes(html, 40))
	}
	if attrs != "" {
		attrs = " " + attrs
	}
	return html[:end] + attrs + html[end:], nil
}

// trimInvisible removes white space, byte order marks and comments before the first
// element, and white space after the last.
func trimInvisible(html string) string {
	for {
		trimmed := strings.TrimLeft(html, "\ufeff \t\r\n\f")
		if comment, found := strings.CutPrefix(trimmed, "<!--"); found {
			if _, after, closed := strings.Cut(comment, "-->"); closed {
				html = after
				continue
			}
		}
		return strings.TrimRight(trimmed, "\ufeff \t\r\n\f")
	}
}

// firstRunes returns the beginning of a text, at most n runes.
func firstRunes(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return text
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }
