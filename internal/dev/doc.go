// Package dev builds an application, runs it and keeps it running while its
// source changes.
//
// A [Supervisor] owns the public listener for as long as it runs, and forwards
// requests to one process of the application. When Go code changes, the supervisor
// builds it beside the running process. The new process checks its templates, routes
// and models; then the old process finishes its requests and exits, and the new
// process opens the store. Requests that arrive meanwhile wait, and none is refused. If
// the build fails, the old process keeps running, and the terminal and the page show
// the error.
//
// The supervisor also bundles the scripts in the application's folder app. In
// development the Supervisor serves the bundle; in production [Build] embeds it in the
// program.
//
// [Start] runs an application in the same way, but without a public listener and
// without watching its source. [Build] only builds it.
//
// # Protocol between supervisor and application
//
// The environment of an application gives its folder (TOWER_FOLDER), its environment
// (TOWER_ENV), the address to listen on (TOWER_ADDR), its address
// (TOWER_SERVER_URL) and the path of a unix socket (TOWER_SUPERVISOR). The application
// dials the socket; both sides send lines:
//
//	app → ready ADDR        the application listens on ADDR, and has not opened its store
//	    ← open              no other process has the store open
//	app → serving           or: failed MESSAGE
//	app → migrate           a build that could not start for its migrations may start
//	    ← stop              finish all requests, close the store, exit
//
// Before ready and before serving, the application may send "working TEXT", as often as it
// likes, while it migrates records, and before serving "note JSON", a [Note]. The end of the socket means the same as stop.
package dev
