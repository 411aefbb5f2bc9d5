// Package client is the browser library. It keeps the lists of a page and the
// cursors of a script current, sends calls and forms over the connection, and
// reconnects when the connection is lost. The sources are TypeScript, in src.
// go generate builds them into dist.
//
// The folders of src are layers. Each may import the ones before it:
//
//	wire   frames, conditions, ids and errors; no I/O
//	net    links, transports and connections
//	store  cursors, values, writes and the data on the device
//	page   lists, forms and offline use of HTML pages
//
// The folder bind has the bindings for React, Svelte and Vue. They import the
// library by its name, as an application does.
package client

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

//go:generate go run ./bundle

// Script is the library as one JavaScript module. Callers must not modify it.
//
//go:embed dist/tower.js
var Script []byte

// Worker is the script of the shared worker that holds a connection for several
// pages, as a JavaScript module. Callers must not modify it.
//
//go:embed dist/worker.js
var Worker []byte

// Offline is the script of the service worker that loads pages without a
// connection. Callers must not modify it.
//
//go:embed dist/offline.js
var Offline []byte

// Hash returns a short hash of a script, for an ETag.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
