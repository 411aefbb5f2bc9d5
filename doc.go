// Package tower is a toolkit for realtime web applications.
//
// An application declares models (structs with tags), controllers (what a client may
// do and see) and routes, and passes them to [Main]. Its pages and clients hold
// cursors: queries, scoped to the current user, that stay open. When a record
// changes, whatever changed it, every connection with a cursor that the record
// enters, changes in or leaves receives one message per transaction, with exactly
// those changes.
//
//	type Post struct {
//		tower.Record
//		Title     string `json:"title" validate:"required,max=140"`
//		Published bool   `json:"published" tower:"index"`
//	}
//
//	var Posts = tower.NewModel[Post]("posts")
//
// # Reading and writing
//
// Models and scopes take a [DB]: the [Connection] of a controller, an [App], or the
// [Tx] of a transaction. A write outside of a transaction is a transaction of its
// own. When it returns without an error, it is durable.
//
// # Errors
//
// An *[Error] holds what a client may know; make one with [NotFound], [Forbidden] or
// another constructor. A client receives any other error as "internal", and the log
// receives it in full.
package tower
