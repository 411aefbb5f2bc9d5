// Package repl is the console: a JavaScript prompt on a running application.
//
// [Run] reads JavaScript, from a person at a terminal, from arguments, a file or a
// pipe, evaluates it in this process with the application's models in scope, and shows
// the results. Every read and write is a request to the application, so the console
// holds nothing of the application but its description.
//
// This package chooses between the full screen and line mode, and is line mode itself.
// The parts are packages of their own: control is the socket's client, script runs
// JavaScript, live keeps what happens in the application, screen is the full-screen
// console, and show and term lay out what they show.
package repl
