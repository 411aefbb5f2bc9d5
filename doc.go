// Package tower is a toolkit for realtime web applications.
//
// An application declares models (structs with tags), controllers (what a
// client may do and see) and routes, and hands them to [Main]. Its pages and
// clients hold cursors: queries, scoped to the current user, that stay open. When
// a record changes, by whomever, every connection that holds a cursor it enters,
// changes in or leaves gets one message for the transaction, with exactly that.
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
// Models and scopes take a [DB]: the [Connection] of a controller, an [App], or
// the [Tx] of a transaction. A write outside of a transaction is a transaction of
// its own. When it returns without an error it is durable.
//
// # Errors
//
// An *[Error] says what a client may know; make one with [NotFound], [Forbidden]
// and their like. Any other error reaches a client as "internal", and the log in
// full.
package tower

import (
	"context"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
)

// Record is what every model embeds: ID, CreatedAt and UpdatedAt, which the
// store fills.
type Record = record.Record

// An ID names a record: a ULID, 26 characters that sort by when they were made.
// The empty ID refers to nothing.
type ID = record.ID

// NewID makes an ID. A client may make the ID of a record it creates.
func NewID() ID { return record.NewID() }

// Problems are what is wrong with a record or an input, by the JSON name of the
// field ("" for the whole). A record or an input with a method
// Validate(*tower.Problems) adds its own.
type Problems = record.Problems

// A Connection is one client, for as long as it is connected: a browser tab, a
// program, or one HTTP request. Controllers reach it through their session.
//
//	UserID() ID                    the signed-in user, "" for a visitor
//	SignIn(ctx, id), SignOut(ctx)  who the client is from its next request on
//	SetLabel(name)                 how the console names this connection's user
//	Transaction(ctx, fn)           several writes in one commit
//
// It is a [DB], and safe for concurrent use.
type Connection = server.Connection

// A Tx is a transaction that has not been committed: a [DB] whose queries see
// its own writes. It holds no lock; what it read is checked when it commits, and
// the function that made it is run again when somebody else changed it. It is
// not safe for concurrent use.
type Tx = server.Tx

// A DB is where records are read and written: a [Connection], an [App] or a
// [Tx].
type DB = server.DB

// WithAuthor returns a context whose commits are made by name, for example "job: remind",
// which the console and the log of commits show. Without it they are made by the
// action and its user, and outside of an action by "app".
func WithAuthor(ctx context.Context, name string) context.Context {
	return server.WithAuthor(ctx, name)
}

// An App is a running application. [Main] makes it; tests open one with package
// towertest. Its method Handle has every connection handle a request.
//
// It is a [DB], and safe for concurrent use.
type App = server.App

// A Request names an action, by method and path, and its input, for App.Handle.
type Request = server.Request

// A View is what a page's template sees as ".": Data, Session, Path, and the
// methods Cursor, Live, Form, Input, TextArea, Select, Value and Problem.
type View = server.View

// A LiveValue is what View.Live returns: Attrs for the element, and Text for what
// is in it.
type LiveValue = server.LiveValue

// A List is what View.Cursor returns: Attrs for the element, Items for its
// children, and Len.
type List = server.List
