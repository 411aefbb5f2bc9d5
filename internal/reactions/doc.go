// Package reactions runs code once when a record enters, changes in or leaves a query, whoever
// has written it.
//
// # What is stored
//
// A reaction reads the log of commits. How far it is, its mark, is a record, which moves on in
// the commit of what the reaction writes: after a crash each event has taken effect once. Of
// several processes each may run a reaction. The mark's transaction fails for all but one; to
// spare work, the process that has moved the mark last goes first, and others follow after a
// moment.
//
// A mark moves only with an event, and now and then without: a commit for each commit would
// never end.
//
// What follows from a commit is computed from its images, never by a query.
//
// # What waits
//
// An event whose handler fails becomes a record of its own, an [Item], and the mark moves on:
// other records are not held up. Later events of the same record wait behind it, so that each
// record's events come in order. A debounced event is an item from the beginning.
//
// The field slot, an index, puts items in the order in which they are due, and lane, unique,
// in the order of each record. Times are in microseconds since 1970, 17 digits:
//
//	REACTION/w/TIME         due at a time
//	REACTION/b/             behind another one of the record
//	REACTION/f/             failed for the last time
//	REACTION/ID/SEQ/NUMBER  the lane: the number is that of the event in its commit
//
// # Chains
//
// The author of a reaction's commits says how many reactions have caused each other up to it,
// and a job that one enqueues has that too: see [jobs.Chain]. Past a bound, the event becomes an item that has failed.
package reactions
