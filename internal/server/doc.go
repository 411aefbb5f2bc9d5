// Package server runs an application: it keeps one [Connection] for each
// client, with its current user, its controllers and its open cursors; passes
// requests from sockets and over HTTP through the same actions; and carries each
// commit of the store to the connections whose cursors it touches.
//
// # What may be relied on
//
// Requests on one connection are handled one at a time, in the order they came.
// Commits are delivered in the order of their seq, each as one frame; the answer
// to a call is sent after the frames of the commits that the call made.
//
// Application code runs on the goroutine of the connection that calls it, except
// for rules (Match), cursors that are opened anew and partials, which also run on
// the one goroutine that matches commits: they may run at the same time as an
// action of the same connection, and should be quick. A panic in application code
// becomes an internal error of that one request; in a rule, a denial.
package server
