// Package route holds what an application declares: controllers and their actions,
// pages and cursors. A [Router] finds the route of a request, and the [Inputs] of a
// route decode and validate its input.
//
// A Router is filled by one goroutine, with Mount and Add, before the application
// starts. Check reports all mistakes. Afterwards a router does not change, and its
// methods are safe for concurrent use. Nothing here blocks or knows of connections.
package route
