// Package server runs an application. It keeps a [Connection] for each client, with its
// current user, its controllers and its open cursors. It runs the actions that clients
// call over sockets, links and HTTP, serves pages and files, and sends each commit of the
// store to the connections whose cursors it touches.
//
// # Order
//
// The requests of one connection are handled one at a time, in order. Commits are sent in
// the order of their seq, each as one frame for a connection. The answer to a call is
// sent after the frames of the commits that the call made.
//
// # Concurrency
//
// The methods of [App], [Connection] and [Session] are safe for concurrent use; a [Tx]
// and a [View] are not.
//
// Application code runs in the goroutine of the connection that calls it. Rules (Match),
// partials, and the functions that a commit makes the server call again run in the one
// goroutine that matches commits. They may run at the same time as an action of the same
// connection, and should be quick, because later commits wait for them. A panic in
// application code becomes an internal error of that request. A panic in a rule denies.
//
// # What blocks
//
// [App.Open] waits for the store's file, [App.Close] and [App.Run] for all connections to
// end. A write waits until it is on disk, and [App.Serve] until every connection has
// been sent the commits of the call. Nothing waits for a client that does not read.
package server
