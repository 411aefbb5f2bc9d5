package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Code is the kind of an error, for programs.
type Code string

// The codes of errors, each with its HTTP status.
const (
	BadRequest      Code = "bad_request"     // 400: cannot be understood
	Unauthenticated Code = "unauthenticated" // 401: sign in first
	Forbidden       Code = "forbidden"       // 403: not for this user
	NotFound        Code = "not_found"       // 404
	Method          Code = "method"          // 405: the path exists, not with this method
	TooSlow         Code = "too_slow"        // 408: the request's body arrives too slowly
	Conflict        Code = "conflict"        // 409: another change came first
	Expired         Code = "expired"         // 410: the log does not reach back that far
	TooLarge        Code = "too_large"       // 413
	Misdirected     Code = "misdirected"     // 421: the site is not served as this host
	Invalid         Code = "invalid"         // 422: see the problems
	TooMany         Code = "too_many"        // 429: a limit is reached
	Internal        Code = "internal"        // 500: the reason is in the log
	Unavailable     Code = "unavailable"     // 503: closing or starting
)

var statuses = map[Code]int{
	BadRequest: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, Method: 405,
	TooSlow: 408, Conflict: 409, Expired: 410, TooLarge: 413, Misdirected: 421, Invalid: 422, TooMany: 429, Internal: 500, Unavailable: 503,
}

// An Error is an error that may be shown to a client. If an application returns another
// error, the client receives [Internal], and the log the whole text.
type Error struct {
	Code     Code
	Message  string
	Problems *record.Problems // of an invalid input or record; nil: none
	Wait     time.Duration    // when the request may be sent again; 0: not known
	Limit    string           // of TooMany: the limit that was reached: "frames"; "": one of the application's own
	Allow    string           // of Method: the methods that the path has, "GET, HEAD"
	Request  string           // of Internal: the id of the request, by which the log names it; "": not known
	Err      error            // for the log only
}

// Error returns the message and the problems.
func (e *Error) Error() string {
	if e.Problems != nil && e.Problems.Any() {
		return e.Message + ": " + e.Problems.String()
	}
	return e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// AsPublic sets target to the public form of the error, if it is a pointer to one.
// Package tower sets it.
var AsPublic func(e *Error, target any) bool

// As lets an application find the error as its own type: see [errors.As]. The
// application's type has such a method for the way back.
func (e *Error) As(target any) bool { return AsPublic != nil && AsPublic(e, target) }

// Status returns the HTTP status of the error. It is 400 for a code of the application's
// own.
func (e *Error) Status() int {
	if status, known := statuses[e.Code]; known {
		return status
	}
	return http.StatusBadRequest
}

// Errorf returns an error with a code and a formatted message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// TooSoon returns the error for a request that may be sent again after a time, which it
// rounds up to seconds, as it has reached a limit such as "reading".
func TooSoon(limit string, wait time.Duration, reason string) *Error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return &Error{Code: TooMany, Limit: limit, Message: fmt.Sprintf("%s; try again in %s", reason, wait), Wait: wait}
}

// As returns the error that a client sees for err: err itself if it is or wraps an
// [Error], the matching code for errors of the store, the cursors, the context and the
// reading of a request's body, and [Internal] for all others. err must not be nil.
func As(err error) *Error {
	var coded *Error
	var invalid *record.InvalidError
	var unfit *record.UnfitError
	var referred *store.ReferredError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &invalid):
		return &Error{Code: Invalid, Message: "not valid", Problems: invalid.Problems, Err: err}
	case errors.As(err, &referred): // what refers to it may be nothing that the client may know
		return &Error{Code: Conflict, Message: "other records refer to it; delete or change them first", Err: err}
	case errors.As(err, &unfit):
		return &Error{Code: Invalid, Message: "the stored record does not fit its model any more; set what does not fit", Problems: unfit.Problems, Err: err}
	case errors.As(err, &tooLarge):
		return &Error{Code: TooLarge, Message: fmt.Sprintf("the request is larger than %d bytes", tooLarge.Limit), Err: err}
	case errors.Is(err, deadline.ErrSlow):
		return &Error{Code: TooSlow, Message: deadline.ErrSlow.Error() + "; send it again", Err: err}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Code: NotFound, Message: "not found", Err: err}
	case errors.Is(err, store.ErrOtherRequest):
		return &Error{Code: Conflict, Message: store.ErrOtherRequest.Error(), Err: err}
	case errors.Is(err, store.ErrConflict):
		return &Error{Code: Conflict, Message: "another change to the same records came first; try again", Err: err}
	case errors.Is(err, store.ErrHeld):
		return &Error{Code: Conflict, Message: "another program has locked the same records; try again", Err: err}
	case errors.Is(err, store.ErrExpired):
		return &Error{Code: Expired, Message: "the log does not reach back that far", Err: err}
	case errors.Is(err, cursor.ErrBehind), errors.Is(err, cursor.ErrClosed):
		return &Error{Code: Unavailable, Message: "too many changes came in meanwhile; try again", Err: err}
	case errors.Is(err, store.ErrUnknown): // before ErrAway, which may be the reason
		return &Error{Code: Unavailable, Message: "it is not known whether the change was made; send it again with the same key", Err: err}
	case errors.Is(err, store.ErrAway):
		return &Error{Code: Unavailable, Message: "nothing can be saved at the moment; try again", Err: err}
	case errors.Is(err, store.ErrClosed), errors.Is(err, cursor.ErrStopped), errors.Is(err, context.Canceled):
		return &Error{Code: Unavailable, Message: "the server is closing; try again", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Unavailable, Message: "the request took too long", Err: err}
	}
	return &Error{Code: Internal, Message: "something went wrong; see the server's log", Err: err}
}

// RetryAfter returns the number of seconds after which the request may be sent again, 0 if
// that is not known.
func (e *Error) RetryAfter() int {
	if e.Wait <= 0 && e.Code == Unavailable {
		return 1
	}
	return int((e.Wait + time.Second - 1) / time.Second)
}

// Wire returns the error in its wire form.
func (e *Error) Wire() *wire.Error {
	out := &wire.Error{Code: string(e.Code), Message: e.Message, RetryAfter: e.RetryAfter(), Request: e.Request}
	if e.Problems != nil {
		out.Problems = e.Problems.Map()
	}
	return out
}

// FromWire returns the error for a wire form. It is the inverse of [Error.Wire].
func FromWire(from *wire.Error) *Error {
	e := &Error{Code: Code(from.Code), Message: from.Message, Wait: time.Duration(from.RetryAfter) * time.Second, Request: from.Request}
	if from.Problems != nil {
		e.Problems = &record.Problems{}
	}
	for field, problems := range from.Problems {
		for _, problem := range problems {
			e.Problems.Add(field, problem)
		}
	}
	return e
}

// Recover runs fn, which calls application code, and returns its error, or [Panicked] if it
// panics.
func Recover(what string, fn func() error) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = Panicked(what, problem)
		}
	}()
	return fn()
}

// Panicked returns the error for a value that a deferred function has recovered: a [Panic],
// or [http.ErrAbortHandler] itself. what names the code that panicked.
func Panicked(what string, value any) error {
	if value == http.ErrAbortHandler {
		return http.ErrAbortHandler
	}
	panics.Add(1)
	return &Panic{What: what, Value: value, stack: debug.Stack()}
}

var panics atomic.Uint64

// Panics returns how many panics this process has recovered from.
func Panics() uint64 { return panics.Load() }

// A Panic is the error for a panic in application code.
type Panic struct {
	What  string // the code that panicked: "Posts.Create"
	Value any
	stack []byte
}

// Error returns the value and the stack of the panic.
func (e *Panic) Error() string {
	return fmt.Sprintf("panic in %s: %v\n%s", e.What, e.Value, e.stack)
}
