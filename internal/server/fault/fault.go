package fault

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

// The Unavailablecodes of errors, each with its HTTP status.
const (
	BadRequest      Code = "bad_request"     // 400: cannot be understood
	Unauthenticated Code = "unauthenticated" // 401: who are you?
	Forbidden       Code = "forbidden"       // 403: not for this user
	NotFound        Code = "not_found"       // 404
	Method          Code = "method"          // 405: the path exists, not with this method
	Conflict        Code = "conflict"        // 409: somebody else was faster
	Expired         Code = "expired"         // 410: the log does not reach back to it
	TooLarge        Code = "too_large"       // 413
	Invalid         Code = "invalid"         // 422: see the problems
	TooMany         Code = "too_many"        // 429: a limit is reached
	Internal        Code = "internal"        // 500: the reason is in the log
	Unavailable     Code = "unavailable"     // 503: closing or starting
)

var statuses = map[Code]int{
	BadRequest: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, Method: 405,
	Conflict: 409, Expired: 410, TooLarge: 413, Invalid: 422, TooMany: 429, Internal: 500, Unavailable: 503,
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

// AsPublic sets target to the public form of the error, if it is a pointer to one.
// Package tower sets it.
var AsPublic func(e *Error, target any) bool

// As lets an application find the error as its own type: see [errors.As]. The
// application's type has such a method for the way back.
func (e *Error) As(target any) bool { return AsPublic != nil && AsPublic(e, target) }

// Status returns the HTTP status of the error.
func (e *Error) Status() int { return statuses[e.Code] }

// Errorf makes an error with a code and a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// As is the one place that decides what of an error a client sees.
func As(err error) *Error {
	var coded *Error
	var invalid *record.InvalidError
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &invalid):
		return &Error{Code: Invalid, Message: "not valid", Problems: invalid.Problems, Err: err}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Code: NotFound, Message: "not found", Err: err}
	case errors.Is(err, store.ErrOtherRequest):
		return &Error{Code: Conflict, Message: store.ErrOtherRequest.Error(), Err: err}
	case errors.Is(err, store.ErrConflict):
		return &Error{Code: Conflict, Message: "somebody else changed the same records; try again", Err: err}
	case errors.Is(err, store.ErrExpired):
		return &Error{Code: Expired, Message: "the log does not reach back that far", Err: err}
	case errors.Is(err, cursor.ErrBehind), errors.Is(err, cursor.ErrClosed):
		return &Error{Code: Unavailable, Message: "too much changed meanwhile; try again", Err: err}
	case errors.Is(err, store.ErrClosed), errors.Is(err, cursor.ErrStopped), errors.Is(err, context.Canceled):
		return &Error{Code: Unavailable, Message: "the server is closing; try again", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Unavailable, Message: "this took too long", Err: err}
	}
	return &Error{Code: Internal, Message: "something went wrong; the server's log says what", Err: err}
}

func (e *Error) Wire() *wire.Error {
	out := &wire.Error{Code: string(e.Code), Message: e.Message}
	if e.Problems != nil {
		out.Problems = e.Problems.Map()
	}
	return out
}

// FromWire is the inverse of wire.
func FromWire(from *wire.Error) *Error {
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

// Recover runs application code and turns a panic into an error with its stack.
func Recover(what string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			err = &Panic{What: what, Value: r, stack: debug.Stack()}
		}
	}()
	return fn()
}

type Panic struct {
	What  string
	Value any
	stack []byte
}

func (e *Panic) Error() string {
	return fmt.Sprintf("panic in %s: %v\n%s", e.What, e.Value, e.stack)
}
