package tower

import (
	"errors"

	"github.com/towerkit/tower/internal/server/route"
)

// A Rule says who may use a route: see [Only]. No rule permits anything to a visitor.
type Rule struct {
	grant route.Grant
	err   error
}

// SignedIn permits a route to every user.
func SignedIn() Rule { return Rule{} }

// Role permits a route to users who have one of the roles. The router's session says so: it is
// a [RoleHolder].
func Role(names ...string) Rule {
	if len(names) == 0 {
		return Rule{err: errors.New("Role names no role")}
	}
	return Rule{grant: route.Grant{Roles: names}}
}

// Own permits an action on records that name the user in a field, a pointer into the model's
// Fields: "its author". Whatever the action commits, a record of that model that it changes or
// deletes must name the user before, and one that it creates must do so afterwards; or else
// nothing is committed, and the answer is 403. [UpdateVisible] and [DeleteVisible] say so
// before the change, and .Can of a view leaves out what would be refused.
func Own(field *ID) Rule { return Rule{grant: route.Grant{Owner: field}} }

// A RoleHolder is a router's session that knows the roles of its user.
type RoleHolder interface {
	// HasRole reports whether the user has a role. Like a rule, it must depend on the session
	// alone, and not block.
	HasRole(role string) bool
}

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
