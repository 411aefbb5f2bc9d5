// Package answer writes HTTP responses other than the JSON of an action: redirects, files,
// streams, texts and fragments.
package answer
