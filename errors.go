package tower

import (
	"github.com/towerkit/tower/internal/server/fault"
)

// An Error is an error that a client may see: a code for its program, a message
// for a person, and, when an input is invalid, the problems of each field.
type Error = fault.Error

// NotFound says that there is no such thing, or none for this user (404).
func NotFound(message string) *Error { return fault.Errorf(fault.NotFound, "%s", message) }

// Forbidden says that this user may not (403).
func Forbidden(message string) *Error { return fault.Errorf(fault.Forbidden, "%s", message) }

// Unauthenticated says that nobody is signed in (401).
func Unauthenticated(message string) *Error {
	return fault.Errorf(fault.Unauthenticated, "%s", message)
}

// Conflict says that the state of things does not allow it (409).
func Conflict(message string) *Error { return fault.Errorf(fault.Conflict, "%s", message) }

// BadRequest says that the request makes no sense (400).
func BadRequest(message string) *Error { return fault.Errorf(fault.BadRequest, "%s", message) }

// Invalid says what is wrong with an input (422); nil when nothing is.
func Invalid(problems *Problems) error {
	if problems == nil || !problems.Any() {
		return nil
	}
	return &Error{Code: fault.Invalid, Message: "not valid", Problems: problems}
}
