// Package control serves consoles over a unix socket: they read and write the records
// of the running application, act as its users, open cursors and watch commits. The
// requests and replies are in package wire.
//
// A [Server] accepts any number of consoles. It answers the requests of one console one
// at a time, in order, and consoles do not wait for each other. A request runs with a
// context that ends when the console cancels the request or disconnects, or when the
// application closes. Close ends all consoles and waits for them. The methods of a
// Server are safe for concurrent use.
//
// Only the owner of the socket can open it, so a console may do everything and sees the
// text of every error.
package control
