package tower

// A Matcher is a controller with a rule for the records of the model T: a user
// receives only records for which Match returns true. Cursors ask it for each
// candidate, before limit and offset apply, and [Visible] and its like ask it for
// the record that they read. A rule that panics denies.
//
// A controller need not name the interface. To state the intention, write
//
//	var _ tower.Matcher[models.Post] = (*Posts)(nil)
//
// An application whose controller has a method Match of another signature does not
// start.
type Matcher[T any] interface {
	// Match reports whether the connection's user may see the record. It must
	// neither change the record nor keep it, and must not block.
	Match(record *T) bool
}

// A Permitter is a controller that decides which of its actions the user may call on
// which record of the model T. [UpdateVisible] and [DeleteVisible] ask it, with the name
// of the running action, and answer 403 where it denies; a view asks it with .Can, to
// leave out what would be refused. A rule that panics denies.
//
// An application whose controller has a method Can of another signature does not start.
type Permitter[T any] interface {
	// Can reports whether the user may call the method of the controller with that
	// name, "Update", on the record. It must neither change the record nor keep it, and
	// must not block.
	Can(action string, record *T) bool
}

// An Allower is a controller that decides which of its actions and cursors the
// connection's user may use. The others answer 403, and are not announced to the
// client. A rule that panics denies.
//
// An application whose controller has a method Allow of another signature does not
// start.
type Allower interface {
	// Allow reports whether the user may use the method of the controller with that
	// name: "Create", "Published".
	Allow(action string) bool
}
