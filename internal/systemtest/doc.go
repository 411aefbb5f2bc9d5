// Package systemtest tests tower as a whole: applications that are opened by
// package towertest, with real sockets, streams and polls, consoles and several
// clients; and it measures what docs/performance.md reports. It has tests only.
package systemtest
