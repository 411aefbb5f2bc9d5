// Package outbox queues what the server sends on one connection, and merges commits
// that wait, so that a slow client receives fewer messages and no other client waits
// for it.
//
// An [Outbox] passes one message at a time to its [Transport]. Frames that are added
// while that message is on its way go into the next one, in order. Commits that wait
// next to each other become one [Frame] with the same effect. If more than Limit bytes
// still wait after merging, the outbox ends the transport with [CloseSlow] and drops
// what it holds.
//
// No method waits for a client. All methods are safe for concurrent use, except that
// only one goroutine may call Deliver. A Frame does not change after [NewFrame], and
// many outboxes share it.
package outbox
