// Package repl is the console: a JavaScript prompt on a running application.
//
// [Run] reads JavaScript from a terminal, from arguments, a file or a pipe, evaluates
// it in this process with the application's models in scope, and shows the results.
// Every read and write is a request to the application; the console keeps only the
// application's description of itself.
//
// This package chooses between the full screen and line mode, and implements line mode.
// The rest is in packages of its own: control is the client of the socket, script runs
// JavaScript, live records activity in the application, screen is the full-screen
// console, and show and term format output.
package repl
