// Package client is the browser library: it keeps a page's lists and a script's
// cursors current, sends calls and forms over the connection, and comes back
// by itself when that is lost. It is written in TypeScript, in src, and built
// into dist by go generate.
package client

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

//go:generate go run ./bundle

// Script is the library as one JavaScript module. It must not be changed.
//
//go:embed dist/tower.js
var Script []byte

// Worker is what pages share a connection by, as another module. It must not be
// changed.
//
//go:embed dist/worker.js
var Worker []byte

// Offline is the service worker by which pages load without a connection, as another
// script. It must not be changed.
//
//go:embed dist/offline.js
var Offline []byte

// Hash names the contents of a script, for an ETag.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
