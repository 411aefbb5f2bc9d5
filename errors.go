package tower

import (
	"time"

	"github.com/towerkit/tower/internal/server/fault"
)

// An Error is an error that a client may see. A program reads its code, a person its
// message. If an input or a record is invalid, it also holds the problems of each
// field.
//
//	var coded *tower.Error
//	if errors.As(err, &coded) && coded.Code == tower.CodeConflict { … }
//
// Errors of tower's own functions that a client may see are found in the same way.
type Error struct {
	Code     Code
	Message  string
	Problems *Problems     // of an invalid input or record; nil if there are none
	Wait     time.Duration // after which the client may try again: retryAfter in the error that it receives, and the header Retry-After; 0 if that is not known
	Err      error         // the cause, for the log only; may be nil
}

// A Code is what went wrong, for a program.
type Code string

// The codes of errors, with their HTTP statuses.
const (
	CodeBadRequest      Code = "bad_request"     // 400: the request makes no sense
	CodeUnauthenticated Code = "unauthenticated" // 401: no user is signed in
	CodeForbidden       Code = "forbidden"       // 403: the user may not do this
	CodeNotFound        Code = "not_found"       // 404: it does not exist, or not for this user
	CodeMethod          Code = "method"          // 405: the path exists, with another method
	CodeConflict        Code = "conflict"        // 409: the current state does not allow it
	CodeExpired         Code = "expired"         // 410: the log no longer reaches back that far
	CodeTooSlow         Code = "too_slow"        // 408: the request arrives too slowly
	CodeTooLarge        Code = "too_large"       // 413: the request is too large
	CodeMisdirected     Code = "misdirected"     // 421: the application is not served as this host
	CodeInvalid         Code = "invalid"         // 422: see the problems
	CodeTooMany         Code = "too_many"        // 429: a limit is reached
	CodeInternal        Code = "internal"        // 500: the log holds the reason
	CodeUnavailable     Code = "unavailable"     // 503: the application is starting or closing
)

// Error returns the message, and the problems if there are any.
func (e *Error) Error() string {
	if e.Problems != nil && e.Problems.Any() {
		return e.Message + ": " + e.Problems.String()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status returns the HTTP status of the error's code, 400 for a code of your own.
func (e *Error) Status() int { return (&fault.Error{Code: fault.Code(e.Code)}).Status() }

// As lets the server find an Error in the errors of an application: see [errors.As].
func (e *Error) As(target any) bool {
	found, ok := target.(**fault.Error)
	if ok {
		*found = &fault.Error{Code: fault.Code(e.Code), Message: e.Message, Problems: e.Problems.internal(), Wait: e.Wait, Err: e.Err}
	}
	return ok
}

// An error of the server's own is an *Error to the application.
func init() {
	fault.AsPublic = func(e *fault.Error, target any) bool {
		found, ok := target.(**Error)
		if ok {
			*found = publicError(e)
		}
		return ok
	}
}

func publicError(e *fault.Error) *Error {
	return &Error{Code: Code(e.Code), Message: e.Message, Problems: publicProblems(e.Problems), Wait: e.Wait, Err: e.Err}
}

// NotFound returns an error for something that does not exist, or not for this user
// (404).
func NotFound(message string) *Error { return &Error{Code: CodeNotFound, Message: message} }

// Forbidden returns an error for something that this user may not do (403).
func Forbidden(message string) *Error { return &Error{Code: CodeForbidden, Message: message} }

// Unauthenticated returns an error for something that needs a signed-in user (401).
func Unauthenticated(message string) *Error {
	return &Error{Code: CodeUnauthenticated, Message: message}
}

// Conflict returns an error for something that the current state does not allow (409).
func Conflict(message string) *Error { return &Error{Code: CodeConflict, Message: message} }

// BadRequest returns an error for a request that makes no sense (400).
func BadRequest(message string) *Error { return &Error{Code: CodeBadRequest, Message: message} }

// Invalid returns an error that holds the problems of an input (422), or nil if there
// are none. A client shows each problem beside its field.
func Invalid(problems *Problems) error {
	if problems == nil || !problems.Any() {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "not valid", Problems: problems}
}
