package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Code says for a program what went wrong.
type Code string

// The codes of errors, each with its HTTP status.
const (
	CodeBadRequest      Code = "bad_request"     // 400: cannot be understood
	CodeUnauthenticated Code = "unauthenticated" // 401: who are you?
	CodeForbidden       Code = "forbidden"       // 403: not for this user
	CodeNotFound        Code = "not_found"       // 404
	CodeMethod          Code = "method"          // 405: the path exists, not with this method
	CodeConflict        Code = "conflict"        // 409: somebody else was faster
	CodeExpired         Code = "expired"         // 410: the log does not reach back to it
	CodeTooLarge        Code = "too_large"       // 413
	CodeInvalid         Code = "invalid"         // 422: see the problems
	CodeTooMany         Code = "too_many"        // 429: a limit is reached
	CodeInternal        Code = "internal"        // 500: the reason is in the log
	CodeUnavailable     Code = "unavailable"     // 503: closing or starting
)

var statuses = map[Code]int{
	CodeBadRequest: 400, CodeUnauthenticated: 401, CodeForbidden: 403, CodeNotFound: 404, CodeMethod: 405,
	CodeConflict: 409, CodeExpired: 410, CodeTooLarge: 413, CodeInvalid: 422, CodeTooMany: 429, CodeInternal: 500, CodeUnavailable: 503,
}

// An Error is an error that may be shown to a client. Any other error that an
// application returns reaches the client as "internal", and the log in full.
type Error struct {
	Code     Code
	Message  string
	Problems *record.Problems // of an invalid input or record, nil without any
	Err      error            // for the log only
}

func (e *Error) Error() string {
	if e.Problems != nil && e.Problems.Any() {
		return e.Message + ": " + e.Problems.String()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Status returns the HTTP status of the error.
func (e *Error) Status() int { return statuses[e.Code] }

// Errorf makes an error with a code and a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError is the one place that decides what of an error a client sees.
func AsError(err error) *Error {
	var coded *Error
	var invalid *record.InvalidError
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &invalid):
		return &Error{Code: CodeInvalid, Message: "not valid", Problems: invalid.Problems, Err: err}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Code: CodeNotFound, Message: "not found", Err: err}
	case errors.Is(err, store.ErrOtherRequest):
		return &Error{Code: CodeConflict, Message: store.ErrOtherRequest.Error(), Err: err}
	case errors.Is(err, store.ErrConflict):
		return &Error{Code: CodeConflict, Message: "somebody else changed the same records; try again", Err: err}
	case errors.Is(err, store.ErrExpired):
		return &Error{Code: CodeExpired, Message: "the log does not reach back that far", Err: err}
	case errors.Is(err, cursor.ErrBehind), errors.Is(err, cursor.ErrClosed):
		return &Error{Code: CodeUnavailable, Message: "too much changed meanwhile; try again", Err: err}
	case errors.Is(err, store.ErrClosed), errors.Is(err, cursor.ErrStopped), errors.Is(err, context.Canceled):
		return &Error{Code: CodeUnavailable, Message: "the server is closing; try again", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUnavailable, Message: "this took too long", Err: err}
	}
	return &Error{Code: CodeInternal, Message: "something went wrong; the server's log says what", Err: err}
}

func (e *Error) wire() *wire.Error {
	out := &wire.Error{Code: string(e.Code), Message: e.Message}
	if e.Problems != nil {
		out.Problems = e.Problems.Map()
	}
	return out
}

// errorOf is the inverse of wire.
func errorOf(from *wire.Error) *Error {
	e := &Error{Code: Code(from.Code), Message: from.Message}
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

// recoverPanic runs application code and turns a panic into an error with its stack.
func recoverPanic(what string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			err = &panicError{what: what, value: r, stack: debug.Stack()}
		}
	}()
	return fn()
}

type panicError struct {
	what  string
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("panic in %s: %v\n%s", e.what, e.value, e.stack)
}
