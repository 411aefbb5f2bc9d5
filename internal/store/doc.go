// Package store keeps records in one file: typed rows by id, their indexes, and a
// log of commits that readers can follow as a feed. The file is a bbolt database.
//
// # Records
//
// Package record describes the models: which fields a struct has, and which of them
// are indexed, unique, references or private. The store keeps each record as the
// JSON that clients receive, with the private fields beside it. It returns records
// as frozen images that callers may share.
//
// # Order
//
// Commits are numbered 1, 2, 3, … in the file's epoch, without gaps. A record's
// version is the number of the commit that wrote it. A [Snapshot] is the state after
// one commit: the newest one from [Store.View], or an older one from [Store.ViewAt],
// as far as the log reaches back. A [Feed] returns the commits in order, each once.
// When [Tx.Commit] has returned, View shows the commit, [Store.Seq] counts it, and
// every feed will return it when its turn comes. View may be ahead of Seq and of the
// feeds by commits that have just reached the disk; it is never behind them.
//
// # Transactions
//
// A [Tx] is an overlay that is checked when it commits: what it read must not have
// changed since, or Commit fails with [ErrConflict]. Of a record that it read, the
// version must be the same. Of a range that it read, no relevant record may have
// changed, entered or left; see [Range]. Of a reference, the record must still
// exist. Creating records conflicts with nothing. [Store.Update] runs a transaction
// again after a conflict.
//
// # Calls that are sent twice
//
// A transaction may belong to an [Attempt], one run of a call that must take effect
// only once. The file holds both the call's key and its effects, or neither.
//
// # Marks
//
// A mark is a small text under a name, kept for a limited time beside the records. It
// belongs to no commit. SetMark has its own write to the disk.
//
// # Durability
//
// A commit that was acknowledged survives a crash of the process and a loss of
// power. One goroutine writes: it puts all waiting transactions into one transaction
// of the file, so that they share the wait for the disk. Each of them succeeds or
// fails on its own, as a whole.
//
// # What blocks
//
// Commit waits for the disk. Reading waits for nothing, and a reader never delays a
// commit, with one exception: when the file grows, bbolt maps it again. This waits
// for the open snapshots, and new snapshots wait for it. So a function that receives
// a snapshot must be short, and must not call the store or a transaction: that could
// be a deadlock.
//
// # The log
//
// The newest commits are also kept in memory, so that feeds and recent states need
// no reads. The log is bounded in bytes and in age. Each write removes a few old
// commits. Reading a commit that is gone returns [ErrExpired].
//
// # A shared log
//
// Several stores may share a [Log], the one history of all their commits. Then the file
// of each is a replica. The writer takes a turn for each group of transactions: while it
// has the turn, nobody else can append; it takes in what others have appended, so its file
// has the newest state, checks the group against the file as ever, and appends it. Between
// turns it follows. So a store may be behind others, never beside them. [Store.Reach] waits
// for a commit that another store has made.
package store
