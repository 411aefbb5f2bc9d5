// Package protocol tests the protocol as docs/protocol.md describes it.
package protocol
