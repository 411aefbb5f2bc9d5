package dev

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// maxFailedPage is the most bytes of a failed page that are searched for its reason.
const maxFailedPage = 1 << 20

// failedPage finds the reason that an application in development shows to its developers.
var failedPage = regexp.MustCompile(`(?s)<main class="failure">.*?<pre>(.*?)</pre>`)

// pageFailure returns why a page could not be rendered, with its place in a view or in the
// source, or nil. It leaves the answer as it is.
func pageFailure(r *http.Response, folder string) *Failure {
	if r.StatusCode != http.StatusInternalServerError || r.Body == nil {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxFailedPage))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failingReader{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	match := failedPage.FindSubmatch(head)
	if match == nil {
		return nil
	}
	text := html.UnescapeString(string(match[1]))
	place := findPlace(folder, strings.Split(text, "\n"))
	if place == nil {
		return nil
	}
	place.locate(folder)
	return &Failure{Title: "The page failed", Errors: []Problem{*place}, Text: text}
}

// A failingReader continues a body that could not be read to its end.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
