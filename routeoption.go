package tower

import (
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/route"
)

// A RouteOption configures an action, a page or a handler. [New] refuses an option that
// makes no sense, and names its route.
type RouteOption struct{ set func(*route.Route) error }

// FormPage names the page, "GET /posts/new", that holds the action's form. A browser
// without JavaScript that sent invalid input receives this page again, with the
// problems beside the fields. Only an action has one.
func FormPage(page string) RouteOption {
	return RouteOption{func(rt *route.Route) error {
		rt.Form = page
		return ofAction("FormPage", rt)
	}}
}

// RedirectTo sets where the sender of the action's form goes next: "/posts/{id}", with
// the fields of the action's output, or else of its path, in the braces. Without it, the
// sender returns to the page it came from. A form can say otherwise in a field _then.
// Only an action has it.
func RedirectTo(path string) RouteOption {
	return RouteOption{func(rt *route.Route) error {
		rt.Then = path
		return ofAction("RedirectTo", rt)
	}}
}

// Only permits the action, the page or the handler to those whom one of the rules permits, besides
// the controller's Allow. It is not announced to the others, and answers them with 403, and
// visitors with 401, which leads a browser to Config.SignIn. With [Own], the record decides:
//
//	post := models.Posts.Fields
//	tower.Action(posts, "PATCH /posts/{id}", (*Posts).Update, tower.Only(tower.Own(&post.AuthorID), tower.Role("editor")))
func Only(rules ...Rule) RouteOption {
	return RouteOption{func(rt *route.Route) error {
		if len(rules) == 0 {
			return errors.New("Only has no rule, so nobody may use it")
		}
		for _, rule := range rules {
			if rule.err != nil {
				return rule.err
			}
			rt.Only = append(rt.Only, rule.grant)
		}
		return nil
	}}
}

// InSandbox lets an action or a handler also run in a sandbox: see [Connection.SeeAs]. It cannot write
// there, but SignOut and [Connection.LeaveSandbox] work.
func InSandbox() RouteOption {
	return RouteOption{func(rt *route.Route) error {
		rt.InSandbox = true
		if rt.Kind == route.KindPage {
			return errors.New("InSandbox is for an action or a handler; a page is shown in a sandbox anyway")
		}
		return nil
	}}
}

func ofAction(option string, rt *route.Route) error {
	if rt.Kind != route.KindAction {
		return fmt.Errorf("%s is for an action, not for a %s", option, rt.Kind)
	}
	return nil
}

// MaxBody sets the size of the body of one request to an action or a handler, in bytes,
// instead of MaxBody of [Limits]. A larger one is refused with [CodeTooLarge], and so is a
// larger input of a call over a connection, where MaxFrame of [Limits] applies, too. A
// page reads no body.
func MaxBody(bytes int64) RouteOption {
	return RouteOption{func(rt *route.Route) error {
		switch {
		case bytes <= 0:
			return fmt.Errorf("MaxBody is %d; it is at least 1 byte", bytes)
		case rt.Kind == route.KindPage:
			return errors.New("MaxBody is for an action or a handler; a page reads no body")
		}
		rt.MaxBody = bytes
		return nil
	}}
}

// Timeout sets how long one request or call may take, over any transport, instead of
// Timeout of [Limits].
func Timeout(d time.Duration) RouteOption {
	return RouteOption{func(rt *route.Route) error {
		if d <= 0 {
			return fmt.Errorf("Timeout is %s; it is longer than 0", d)
		}
		rt.Timeout = d
		return nil
	}}
}

// A By says whom a [Rate] counts together.
type By string

// What a [Rate] counts by.
const (
	ByUser    = By(limit.ByUser)    // each signed-in user, wherever it is; visitors by their address
	ByAddress = By(limit.ByAddress) // all clients at an address; the 2^64 addresses of an IPv6 network count as one
)

// Rate allows n requests at once, and then n in each time per, evenly spread: of 6 in a
// minute, one each 10 seconds. All transports count together. Beyond, the action, the page
// or the handler does not run, and the error is [CodeTooMany] and says how long to wait, as
// does the header Retry-After. A route may have several rates.
//
// Requests that are refused by another error count, too. A call that is answered as one that
// took effect before does not count, nor does what consoles and [App.Handle] call. tower
// counts in memory: each process counts for itself, and starts anew.
func Rate(n int, per time.Duration, by By) RouteOption {
	rate := limit.Rate{N: n, Per: per, By: limit.By(by)}
	return RouteOption{func(rt *route.Route) error {
		rt.Rates = append(rt.Rates, rate)
		if err := rate.Check(); err != nil {
			return fmt.Errorf("Rate: %w", err)
		}
		return nil
	}}
}
