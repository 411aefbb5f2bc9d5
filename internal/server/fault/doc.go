// Package fault holds the errors that a client may see: an [Error] has a code, a
// message and the problems of single fields. [As] decides what a client sees of any
// other error.
//
// Nothing here blocks, and all functions are safe for concurrent use.
package fault
