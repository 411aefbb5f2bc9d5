// Package cli is what the commands of tower and those of an application's program have in
// common: how arguments and flags are read, how errors are printed, and the exit codes.
package cli
