package dev

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// script is the script that pages run in development. It follows the events.
//
//go:embed dev.js
var script []byte

func serveScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		w.Write(script)
	}
}

// wantsPage reports whether a request may load a whole page into a browser: it asks for
// HTML, and neither for a resource or a fragment for a script nor for a part of a file.
func wantsPage(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" || strings.HasPrefix(r.URL.Path, "/_tower/") {
		return false
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("Range") != "" {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame":
		return true
	}
	return false
}

// requestWholePage changes the headers of a request so that the answer is a complete page
// without compression. Conditional requests would let the browser use its cached page,
// with an old version in it.
func requestWholePage(r *http.Request) {
	r.Header.Set("Accept-Encoding", "identity")
	for _, name := range []string{"If-None-Match", "If-Modified-Since"} {
		r.Header.Del(name)
	}
}

// inject adds the script to the end of an answer that is a page. The page is still
// streamed. A failure, if any, is shown over it.
func inject(r *http.Response, version string, failure *Failure) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "text/html") || r.Header.Get("Content-Encoding") != "" || strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") ||
		r.StatusCode == http.StatusNotModified || r.StatusCode == http.StatusPartialContent || r.StatusCode == http.StatusNoContent {
		return
	}
	tag := `<script src="/_tower/dev.js" data-version="` + version + `"`
	if r.Request.Method != http.MethodGet && r.Request.Method != http.MethodHead {
		tag += ` data-submitted` // reloading would submit the form again
	}
	if failure != nil {
		encoded, _ := json.Marshal(failure) // texts and numbers
		tag += ` data-failure="` + html.EscapeString(string(encoded)) + `"`
	}
	tag += " defer></script>\n"
	for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges", "Digest", "Content-Digest", "Repr-Digest"} {
		r.Header.Del(name)
	}
	if length, err := strconv.Atoi(r.Header.Get("Content-Length")); err == nil {
		r.ContentLength = int64(length + len(tag))
		r.Header.Set("Content-Length", strconv.Itoa(length+len(tag)))
	}
	if r.Request.Method != http.MethodHead {
		r.Body = &injectedBody{ReadCloser: r.Body, tag: []byte(tag)}
	}
}

var bodyEnd = []byte("</body>")

// An injectedBody is a body with a tag inserted before the first </body>, or at its end.
type injectedBody struct {
	io.ReadCloser
	tag     []byte // nil after it was inserted
	partial []byte // end of the text read so far that may be the start of </body>
	out     []byte // text for the next Read
	err     error
}

func (b *injectedBody) Read(p []byte) (int, error) {
	for len(b.out) == 0 && b.err == nil {
		buffer := make([]byte, max(len(p), 512))
		n, err := b.ReadCloser.Read(buffer)
		b.err = err
		b.write(buffer[:n])
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	if len(b.out) == 0 {
		return n, b.err
	}
	return n, nil
}

func (b *injectedBody) write(text []byte) {
	text = append(b.partial, text...)
	b.partial = nil
	if b.tag == nil {
		b.out = text
		return
	}
	at := indexBodyEnd(text)
	switch {
	case at >= 0:
		b.out = bytes.Join([][]byte{text[:at], b.tag, text[at:]}, nil)
		b.tag = nil
	case b.err == io.EOF:
		b.out = append(text, b.tag...)
		b.tag = nil
	case b.err != nil:
		b.out = text
	default:
		keep := partialBodyEnd(text)
		b.out, b.partial = text[:len(text)-keep], bytes.Clone(text[len(text)-keep:])
	}
}

func indexBodyEnd(text []byte) int {
	for at := 0; at+len(bodyEnd) <= len(text); at++ {
		if text[at] == '<' && bytes.EqualFold(text[at:at+len(bodyEnd)], bodyEnd) {
			return at
		}
	}
	return -1
}

// partialBodyEnd returns how many of the last bytes may be the start of </body>.
func partialBodyEnd(text []byte) int {
	for n := min(len(text), len(bodyEnd)-1); n > 0; n-- {
		if bytes.EqualFold(text[len(text)-n:], bodyEnd[:n]) {
			return n
		}
	}
	return 0
}
