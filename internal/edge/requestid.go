package edge

import (
	"net/http"
	"strings"
)

const (
	maxRequestID = 128
	parentSize   = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
)

// trace sets what a trusted proxy says about the request for logs and traces.
func (f *Facts) trace(header http.Header) {
	if parents := header["Traceparent"]; len(parents) == 1 && isTraceParent(parents[0]) {
		f.TraceParent = parents[0]
		f.RequestID = f.TraceParent[3:35]
	}
	if ids := header["X-Request-Id"]; len(ids) == 1 && isRequestID(ids[0]) {
		f.RequestID = ids[0]
	}
}

// isRequestID reports whether a text can be the id of a request: short, and of characters
// that mean nothing in a log or a page.
func isRequestID(text string) bool {
	for _, r := range []byte(text) {
		if !isAlphanumeric(r) && !strings.ContainsRune("-_.:/+=@", rune(r)) {
			return false
		}
	}
	return text != "" && len(text) <= maxRequestID
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// isTraceParent reports whether a text is a traceparent of W3C Trace Context, version 00.
func isTraceParent(text string) bool {
	if len(text) != parentSize || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return false
	}
	trace, span, flags := text[3:35], text[36:52], text[53:]
	return isHex(trace) && isHex(span) && isHex(flags) && strings.Trim(trace, "0") != "" && strings.Trim(span, "0") != ""
}

func isHex(text string) bool {
	return strings.Trim(text, "0123456789abcdef") == ""
}
