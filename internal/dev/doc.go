// Package dev builds an application, runs it and keeps it running while its
// source changes.
//
// A [Supervisor] owns the public listener for as long as it runs, and passes
// requests on to one process of the application. A change of Go code is built
// beside the running process; the new process proves that its templates, routes
// and models are good, the old one finishes what it has begun and ends, the new
// one opens the store. Requests that arrive meanwhile wait: none is refused. A
// build that fails changes nothing but what the terminal and the page say.
//
// What stands in the application's folder app is bundled for browsers beside that:
// in development a Supervisor serves it, and in production [Build] puts it into the
// program.
//
// [Start] runs an application in the same way without a public listener and
// without watching, and [Build] only builds it.
//
// # The lines
//
// An application is told by its environment where it is (TOWER_FOLDER), what for
// (TOWER_ENV), where to listen (TOWER_ADDR) and where it is reached
// (TOWER_PUBLIC_URL). It finds the path of a unix socket in TOWER_SUPERVISOR,
// dials it and speaks lines:
//
//	app → ready ADDR        it listens on ADDR, but has not opened its store
//	    ← open              no other process has the store open
//	app → serving           or: failed MESSAGE
//	    ← stop              finish what has begun, close the store, exit
//
// The end of the socket means the same as stop.
package dev
