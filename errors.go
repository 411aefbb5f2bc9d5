package tower

import "github.com/towerkit/tower/internal/server"

// An Error is an error that a client may see: a code for its program, a message
// for a person, and, when an input is invalid, the problems of each field.
type Error = server.Error

// NotFound says that there is no such thing, or none for this user (404).
func NotFound(message string) *Error { return server.Errorf(server.CodeNotFound, "%s", message) }

// Forbidden says that this user may not (403).
func Forbidden(message string) *Error { return server.Errorf(server.CodeForbidden, "%s", message) }

// Unauthenticated says that nobody is signed in (401).
func Unauthenticated(message string) *Error {
	return server.Errorf(server.CodeUnauthenticated, "%s", message)
}

// Conflict says that the state of things does not allow it (409).
func Conflict(message string) *Error { return server.Errorf(server.CodeConflict, "%s", message) }

// BadRequest says that the request makes no sense (400).
func BadRequest(message string) *Error { return server.Errorf(server.CodeBadRequest, "%s", message) }

// Invalid says what is wrong with an input (422); nil when nothing is.
func Invalid(problems *Problems) error {
	if problems == nil || !problems.Any() {
		return nil
	}
	return &Error{Code: server.CodeInvalid, Message: "not valid", Problems: problems}
}
