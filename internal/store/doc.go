// Package store keeps records in one file: typed rows by id, their indexes, and a
// log of commits that can be followed as a feed. The file is a bbolt database.
//
// # Models
//
// A [Model] describes a Go struct that embeds [Record]: its fields, which of them
// have an index, are unique, refer to other models or are private. Records are
// stored as the JSON that clients are sent, the private fields beside it. A record
// as one commit left it is an [Image], which is frozen and may be shared.
//
// # Order
//
// Commits are numbered 1, 2, 3, … in the file's epoch, without gaps. The number
// that wrote a record is its version. A [Snapshot] is the state after one commit:
// the newest one from [Store.View], an older one from [Store.ViewAt] for as long
// as the log reaches back. A [Feed] returns the commits in order, every one once.
// When [Tx.Commit] has returned, View shows the commit, [Store.Seq] counts it and
// each feed will return it next in its turn. View may be ahead of Seq and of the
// feeds by what has just reached the disk; it is never behind them.
//
// # Transactions
//
// A [Tx] is an overlay that is checked when it commits: what it read must not have
// changed since, else it fails with [ErrConflict]. A record that it read counts
// with its version, a range with the records that were, or would by then be, in
// the part of it that was read, a reference with the existence of its record.
// Creating records conflicts with nothing. [Store.Update] runs a transaction that
// lost such a race again.
//
// # Calls that are sent twice
//
// A transaction may be a part of a [Once]: a run of a call that is to take effect
// once. Its key is in the file with its effects, or neither is.
//
// # Durability
//
// What Commit has acknowledged survives the end of the process and of the power.
// One goroutine writes: it takes all transactions that wait into one transaction
// of the file, so that they share the wait for the disk. Each is all or nothing
// by itself, and fails by itself.
//
// # What blocks
//
// Commit waits for the disk. Reading waits for nobody, and a reader never holds
// up a commit, but for one case: the file is mapped anew as it grows, and that
// waits for the snapshots that are open, while new ones wait for it. So a
// function that is given a snapshot must be short, and must not call the store or
// a transaction, which could wait for what waits for it.
//
// # The log
//
// The newest commits are kept in memory too, so that feeds and recent states cost
// no reading. The log is bounded in bytes and in age. It is trimmed a few commits
// at a time, when others are written. Who asks for what is gone gets [ErrExpired].
package store
