// Package release runs the current release of an application in a process of its own, and
// replaces it by another while clients wait: the supervisor of production.
//
// A folder holds the releases, releases/VERSION/PROGRAM, and the links current and previous
// to two of them. A [Supervisor] keeps the sockets open for as long as it runs, and hands them to the process of
// the current release. It speaks with the process as tower server does, by the words of
// package server: the process says that it is ready before it opens the store, "open" lets it,
// and "stop" ends it.
//
// [Ask] asks the supervisor of a folder for its status, or to swap to another release. The supervisor starts the
// new process beside the old one, and when that is ready stops the old one, opens the new one
// and asks for its health. If that fails, it starts the old release again. Connections that come
// meanwhile wait in the socket, and none is refused. The supervisor answers in plain lines; it
// may be older than the releases that it runs, so the words never change their meaning.
package release
