// Package chain is what every request passes before the routes of an application, in this
// order:
//
//  1. recovery: a panic becomes an answer with status 500 and a line in the log
//  2. the access log
//  3. the host: a request for a host that the site does not serve is refused
//  4. the security headers, and the redirect to HTTPS
//  5. the origin: a request from a page of another site is refused
//  6. compression
//  7. the application's own middleware, Config.Wrap
//  8. the routes
//
// One [Exchange] serves all of it: it is the writer of the answer and the context of the
// request. Sockets and event streams pass through it as well; it can be flushed and
// hijacked.
package chain
