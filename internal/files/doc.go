// Package files keeps the content of files in a place, in chunks, and a record of each file in
// the store. The record is there before the first byte of the content, and a chunk counts once
// the record says so: whatever process dies, the store knows what the place has, and [Files.Sweep]
// removes what nothing refers to.
package files
