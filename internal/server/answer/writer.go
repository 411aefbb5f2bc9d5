package answer

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
)

// A Writer is the response of a handler. It calls a function before the first byte, and
// knows whether anything has been sent. It is not safe for concurrent use.
type Writer struct {
	http.ResponseWriter
	before  func()
	initial http.Header
	began   bool
}

// NewWriter returns a Writer that calls before, unless it is nil, before it sends the
// status and the header. before may still change the header.
func NewWriter(w http.ResponseWriter, before func()) *Writer {
	return &Writer{ResponseWriter: w, before: before, initial: w.Header().Clone()}
}

// Began reports whether a status has been sent, so that no other answer is possible.
func (w *Writer) Began() bool { return w.began }

// Reset restores the header that the response had when the Writer was made.
func (w *Writer) Reset() {
	header := w.Header()
	clear(header)
	maps.Copy(header, w.initial)
}

// Begin calls before, unless the answer has begun.
func (w *Writer) Begin() {
	if w.began {
		return
	}
	w.began = true
	if w.before != nil {
		w.before()
	}
}

// WriteHeader sends the status. Statuses below 200, except 101, are not an answer yet.
func (w *Writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.Begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *Writer) Write(p []byte) (int, error) {
	w.Begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom copies a file without a buffer where the system can.
func (w *Writer) ReadFrom(from io.Reader) (int64, error) {
	w.Begin()
	return io.Copy(w.ResponseWriter, from)
}

// Flush sends what has been written.
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError sends what has been written: see [http.ResponseController].
func (w *Writer) FlushError() error {
	w.Begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the network connection to the caller.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.Begin()
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets [http.ResponseController] set deadlines.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
