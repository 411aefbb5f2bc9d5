// Package repl is the console: a JavaScript prompt on a running application.
//
// [Attach] connects to the application's control socket; [Run] reads
// JavaScript, from a person at a terminal, from arguments, a file or a pipe,
// evaluates it in this process with the application's models in scope, and
// shows what came of it. Every read and write is a request to the application,
// so the console holds nothing of the application but its description.
package repl
