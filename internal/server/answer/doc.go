// Package answer writes HTTP responses other than the JSON of an action: those of
// handlers, and redirects, files, streams, texts and fragments.
package answer
