package tower

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"
)

// None is the input or the output of an action that takes or returns nothing.
type None = struct{}

// ViewOnly is the action of a page without data:
//
//	tower.Page(posts, "GET /posts", tower.ViewOnly)          // views/posts/index.html
//	tower.Page(pages, "GET /pages/about_us", tower.ViewOnly) // views/pages/aboutus.html
//
// The page has the name of the last part of its path, here Index and AboutUs. The name
// is Index if that part is empty or the name of the controller, and Show if it is a
// field in braces. Allow receives this name. A method with this name takes the place of
// ViewOnly when the page needs data. In the view, .Data is nil.
func ViewOnly[C any](C, context.Context, None) (noData, error) { return noData{}, nil }

// noData is the output of ViewOnly. Page recognizes ViewOnly by it.
type noData struct{}

// viewAction returns the name of a page without data.
func viewAction(controller, pattern string) string {
	end := pattern[strings.LastIndexByte(pattern, '/')+1:]
	switch {
	case end == "" || end == controller:
		return "Index"
	case strings.HasPrefix(end, "{"):
		return "Show"
	}
	var name strings.Builder
	for _, word := range strings.FieldsFunc(end, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first, size := utf8.DecodeRuneInString(word)
		name.WriteString(string(unicode.ToUpper(first)) + word[size:])
	}
	return name.String()
}
