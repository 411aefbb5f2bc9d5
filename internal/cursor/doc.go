// Package cursor keeps queries open: it says what is in a [Scope], and, commit
// by commit, what enters it, changes in it and leaves it.
//
// # Conditions and scopes
//
// A [Condition] is a tree of tests on a record's fields, a [Scope] the records
// of a model that a condition holds for, in an order, from an offset, up to a
// limit. Both are values. [Fetch] and [Count] read a scope from a snapshot of
// the store, by an index where there is one; [Parse] and [ParseOrder] read what
// a client sends.
//
// # The engine
//
// An [Engine] reads the store's feed. A [Holder], one open cursor of the caller,
// is opened with a [Spec] and from then on shares a [Query] with all who were
// opened with an equal one; a spec with a rule of its own, Allow, has a query of
// its own. Queries with equal conditions share their evaluation.
//
// What is promised:
//
//   - Exact. A holder's records, after what it was opened with and each
//     following delta have been applied, are those that [Fetch] would have found
//     in the state after that commit, in that order, less those that its rule
//     denies, which count for no limit and no offset. A rule is asked when a
//     record is read or changes; when its answers change for another reason,
//     the caller says so by a [Move].
//   - Once, in order. A [Sink] is called for every commit, in the order of the
//     feed, after the commit has been made. [Engine.Open] calls back between two
//     of these calls, and what it tells is the state at that point: no commit is
//     missed and none comes twice.
//   - Told. Deltas come from the records before and after, never from a guess.
//     Where they cannot be known, as when the log does not reach back far
//     enough, there is a reason instead, and the cursor has to be opened again.
//
// # Values
//
// A spec may ask for a value of its scope's records instead: how many there are,
// whether there is one, or the sum, the least, the greatest or the average of a
// field. It is kept from the records before and after each commit, and is told
// when it is another. Sums are exact, so that none depends on the order in which
// its records came and went. A least or greatest that leaves is looked for in the
// state of that commit; with a rule, among the values that are remembered of each
// record that the rule allows.
//
// # Coming back
//
// Who says what is held is led on from there. What was missed is found in the
// newest commits, by the values before and after, and only what does not follow
// from them is read from the store: the ids of a window that has changed much,
// records that are included, what is held by another spec or rule. Those who come
// back from the same state of the same are told the same, worked out once.
//
// # What blocks what
//
// A commit is matched and delivered under the engine's lock, and the engine
// reads the store under it where a window has to be refilled or a holder moves.
// Opening reads the store, and asks the rule, outside of it. A rule is never
// asked while the store is being read. A rule that panics denies; the panic is
// reported.
//
// The engine follows the feed at its own pace and never holds up the store's
// writer. [Engine.Wait] waits for it.
//
// # Deltas
//
// Those of one commit for one query come as all leaves, then all enters, then all
// changes, to be applied in that order; see [Delta]. A query without an order has
// no After: its records stand by id. A record is mentioned only if the commit
// changed it or it enters or leaves, but when its holder moves to a query with
// another order.
package cursor
