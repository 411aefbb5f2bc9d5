// Package cursor keeps queries open: commit by commit, it reports what enters a
// query, changes in it and leaves it.
//
// # The engine
//
// An [Engine] reads the store's feed. The caller opens each of its cursors, a
// [Holder], with a [Spec]. Holders of equal specs share a [Query], also if each has
// its own rule, [Spec.Allow]. Queries with equal conditions share the matching of
// changes.
//
// The engine guarantees:
//
//   - Exact. After every commit, the records that a holder was opened with, with all
//     deltas since applied, equal what [query.Fetch] would find in that state, in
//     that order, without the records that the holder's rule denies. Denied records
//     do not count for limit and offset. The engine calls a rule when it
//     reads a record and when a record changes; if the answers of a rule change for
//     another reason, the caller must report it with a [Move].
//   - Once, in order. The engine calls its [Sink] for every commit, in the order of
//     the feed, after the commit was made. [Engine.Open] calls back between two of
//     these calls, with the state at that point, so no commit is missed and none is
//     delivered twice.
//   - Never guessed. Deltas are computed from the records before and after a commit.
//     If they cannot be computed, for example because the log does not reach back
//     far enough, the holder gets a reason instead and must be opened again.
//
// # Values
//
// A spec may ask for a value of its scope instead of its records: their number,
// whether there are any, or the sum, minimum, maximum or average of a field. The
// engine updates the value from the records before and after each commit, and reports
// it when it changes. Sums are exact, so a value does not depend on the order of changes. If the minimum or maximum leaves, the engine looks for the
// next one: in the state after that commit, or, if there is a rule, among the values
// that it remembers of the allowed records.
//
// # Resuming
//
// A client that names its last position resumes from there, see [Resume]. The engine
// finds what the client missed in a history of the newest commits, by the values
// before and after. It reads from the store only what the history cannot answer: the
// ids of a window that has changed a lot, included records, and what the client held
// under another spec or rule. Clients that resume the same query from the same
// position share one answer.
//
// # What blocks what
//
// The engine matches and delivers a commit under its lock. It also reads the store
// under the lock if it must refill a window or move a holder. Opening a cursor reads
// the store and calls the rule outside the lock. A rule is never called while the
// store is being read. A rule that panics denies the record, and the panic is
// reported.
//
// The engine follows the feed at its own pace and never delays the store's writer.
// [Engine.Wait] waits for the engine.
//
// # Deltas
//
// The deltas of one commit for one query come as all leaves, then all enters, then all
// changes, and must be applied in that order; see [Delta]. In a query without an
// order, records are kept by id and deltas have no After. A commit's deltas contain
// only records that the commit changed or that enter or leave, unless it moves the
// holder to a query with another order.
package cursor
