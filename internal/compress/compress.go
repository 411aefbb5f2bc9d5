// Package compress compresses answers with gzip, or with zstd for clients that prefer it:
// pages, JSON and assets, but no pictures and archives, and never an event stream or a
// socket. An answer below one kilobyte stays as it is.
//
// An answer that a client can influence, and that also holds a secret, tells its length
// when it is compressed (BREACH). Answers hold no secrets of forms: requests are protected
// by the origin of their page.
package compress

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// Handler returns a handler that compresses what next answers. The answers vary by
// Accept-Encoding. A handler that sets Content-Encoding itself is left alone.
func Handler(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.PreferZstd(false), gzhttp.ContentTypeFilter(worthwhile))
	if err != nil {
		panic(err) // the options are constant
	}
	compressing := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header["Upgrade"] != nil:
			next.ServeHTTP(w, r)
		case r.Header["Accept-Encoding"] == nil:
			if header := w.Header(); header["Vary"] == nil {
				header["Vary"] = acceptEncoding
			} else {
				header.Add("Vary", acceptEncoding[0])
			}
			next.ServeHTTP(w, r)
		default:
			compressing.ServeHTTP(w, r)
		}
	})
}

// Leave has the answer to a request sent as it is, whatever its type.
func Leave(w http.ResponseWriter, r *http.Request) {
	if r.Header["Accept-Encoding"] != nil { // otherwise nothing takes the header out
		w.Header().Set(gzhttp.HeaderNoCompression, "1")
	}
}

// acceptEncoding is shared by all answers.
var acceptEncoding = []string{"Accept-Encoding"}

// worthwhile reports whether answers of a media type are compressed.
func worthwhile(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	switch {
	case kind == "text/event-stream", strings.HasPrefix(kind, "font/woff"):
		return false
	case strings.HasPrefix(kind, "image/"):
		return kind == "image/svg+xml" || kind == "image/bmp" || kind == "image/x-icon"
	}
	return gzhttp.DefaultContentTypeFilter(kind)
}

// WeakenETag makes the ETag in the header of a compressed answer a weak one: the bytes
// differ from those of the plain answer. Call it when the header is written.
func WeakenETag(header http.Header) {
	if header["Content-Encoding"] == nil || header["Accept-Ranges"] != nil {
		return
	}
	if tag := header.Get("Etag"); strings.HasPrefix(tag, `"`) {
		header.Set("Etag", "W/"+tag)
	}
}
