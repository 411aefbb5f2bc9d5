// Package nodes tests applications that run on several nodes: their servers share a log in
// memory, and clients go from one to another.
package nodes
