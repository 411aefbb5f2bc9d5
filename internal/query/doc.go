// Package query describes which records of a model are asked for, and reads them
// from a snapshot of the store. It knows nothing of commits or of the feed.
//
// A [Condition] is a tree of tests on a record's fields. A [Scope] is the records of
// a model that satisfy a condition, in an order, from an offset, up to a limit. A
// [ValueSpec] asks for a value of a scope, such as a sum, instead of its records. All
// three are plain values.
//
// [Parse] and [ParseOrder] read what a client sends; [Condition.ClientJSON] encodes a
// condition for a client. [Canonical] gives equal conditions one form, and
// [Condition.Digest] and [Scope.Key] give equal ones one key.
//
// [Fetch] and [Count] read a scope, by an index if there is a suitable one.
//
// [Condition.Terms] returns the values and intervals by which records that satisfy a
// condition can be found. Reading uses them to choose an index of the store, and
// package cursor to find the queries that a changed record may affect.
package query
