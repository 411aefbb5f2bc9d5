package chain

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/compress"
	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/server/requestid"
)

// An Exchange is a request and its answer: the context of the request, and the writer of
// the answer. Like any writer of an answer, it belongs to the goroutines of its handler.
type Exchange struct {
	context.Context
	Facts edge.Facts
	ID    string // see package requestid
	Route string // its name, which is one of few; "": there is none
	note  Note

	w       deadline.Writer
	chain   *chain
	started time.Time
	nonce   string

	before   Preparer // called before the first byte; nil: none
	status   int
	begun    bool // the status was sent
	hijacked bool
	dropping bool  // nothing more is written
	failed   error // the panic of a handler
	broken   bool  // the answer is not complete
}

// Value returns the exchange and its id for their keys, and else the value of the request's
// context.
func (x *Exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return x
	case requestid.Key{}:
		return x.ID
	}
	return x.Context.Value(key)
}

// Note returns what the access log is to know about the request, for the routes to fill in;
// nil if there is no access log.
func (x *Exchange) Note() *Note {
	if x.chain.Access == nil {
		return nil
	}
	return &x.note
}

// Header returns the header of the answer.
func (x *Exchange) Header() http.Header { return x.w.Header() }

// WriteHeader sends the status and the header of the answer.
func (x *Exchange) WriteHeader(status int) {
	if x.dropping {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		x.begin(status)
	}
	x.w.WriteHeader(status)
}

// Write sends a part of the answer.
func (x *Exchange) Write(data []byte) (int, error) {
	if x.dropping {
		return len(data), nil
	}
	x.begin(http.StatusOK)
	n, err := x.w.Write(data)
	x.note.lost(err)
	return n, err
}

// ReadFrom sends what a reader has, without a copy in memory where the system can.
func (x *Exchange) ReadFrom(from io.Reader) (int64, error) {
	if x.dropping {
		return io.Copy(io.Discard, from)
	}
	x.begin(http.StatusOK)
	n, err := io.Copy(&x.w, from)
	x.note.lost(err)
	return n, err
}

func (x *Exchange) begin(status int) {
	if x.begun {
		return
	}
	x.Prepare()
	x.begun, x.status = true, status
	compress.WeakenETag(x.w.Header())
}

// A Preparer completes the header of an answer.
type Preparer interface{ Prepare() }

// BeforeFirstByte has the preparer called before the first byte of the answer is sent, when
// it may still change the header.
func (x *Exchange) BeforeFirstByte(p Preparer) { x.before = p }

// Prepare calls the preparer now, unless it has been called.
func (x *Exchange) Prepare() {
	if p := x.before; p != nil {
		x.before = nil
		p.Prepare()
	}
}

// Abort drops what was not sent of the answer, and answers with err instead. If the answer
// has begun, its connection is broken off, so that the client does not take it for complete.
// The handler must return.
func (x *Exchange) Abort(err error) { x.failed, x.dropping = err, true }

// FlushError sends what was written so far.
func (x *Exchange) FlushError() error {
	if x.dropping {
		return nil
	}
	x.begin(http.StatusOK)
	return http.NewResponseController(&x.w).Flush()
}

// Flush is FlushError for a handler that does not ask for the error.
func (x *Exchange) Flush() { _ = x.FlushError() }

// Hijack gives the connection to the handler.
func (x *Exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(&x.w).Hijack()
	if err == nil {
		x.hijacked, x.begun, x.status = true, true, http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap returns the server's writer, for [http.ResponseController].
func (x *Exchange) Unwrap() http.ResponseWriter { return &x.w }

// Nonce returns the nonce of this answer, which its Content-Security-Policy allows. The
// policy changes with the first call, so the answer must not have begun.
func (x *Exchange) Nonce() (string, error) {
	switch {
	case x.nonce != "":
		return x.nonce, nil
	case x.begun:
		return "", fmt.Errorf("the answer has begun without a nonce")
	case x.chain.policy[0] == x.chain.Policy:
		return "", fmt.Errorf("Config.ContentSecurityPolicy has no {nonce}; write it where a nonce may stand, as in script-src 'self' {nonce}")
	}
	x.nonce = rand.Text()
	x.Header()["Content-Security-Policy"] = []string{withNonce(x.chain.Policy, x.nonce)}
	return x.nonce, nil
}
