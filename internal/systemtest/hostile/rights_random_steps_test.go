package hostile

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A fields is the input of an action.
type fields map[string]any

// A step is what an actor may do, and how often. It does nothing and returns false if it is not possible now.
type step struct {
	name   string
	weight int
	do     func(*actor) bool
}

var steps = []step{
	{"sign in", 4, (*actor).signIn},
	{"sign in in place of oneself", 2, (*actor).signInAgain},
	{"sign out", 3, (*actor).signOut},
	{"make a token", 2, (*actor).makeToken},
	{"start what ends by itself", 3, (*actor).startBrief},
	{"expire", 4, (*actor).expire},
	{"revoke", 3, (*actor).revoke},
	{"change a token", 2, (*actor).changeToken},
	{"see as a user", 3, (*actor).seeAs},
	{"leave a sandbox", 1, (*actor).leaveSandbox},
	{"end all sessions", 1, (*actor).endAll},
	{"connect", 8, (*actor).connectTab},
	{"connect again", 6, (*actor).connectAgain},
	{"connect while it ends", 2, (*actor).connectWhileItEnds},
	{"call while it ends", 2, (*actor).callWhileItEnds},
	{"call", 6, (*actor).callOver},
	{"rename", 2, (*actor).rename},
	{"try what has ended", 6, (*actor).tryDead},
}

// The most that an actor has.
const (
	maxLive = 8
	maxTabs = 3
	maxDead = 30
)

// step takes a step at random. What is over by now is refused at once.
func (u *actor) step() {
	for _, c := range u.live {
		if !c.until.IsZero() && !c.late && time.Now().After(c.until) {
			u.doing = "ask what is over"
			if c.late = true; c.answers() {
				c.t.Fatalf("%s is answered %v after its time", c, time.Since(c.until))
			}
		}
	}
	if len(u.live) == 0 {
		u.doing = "sign in"
		u.signIn()
		return
	}
	for {
		at := u.random.IntN(63)
		for _, s := range steps {
			if at -= s.weight; at < 0 {
				if u.doing = s.name; s.do(u) {
					return
				}
				break
			}
		}
	}
}

func (u *actor) transport() string {
	return towertest.Transports()[u.random.IntN(len(towertest.Transports()))]
}

// anybody returns the user or the administrator.
func (u *actor) anybody() tower.ID { return []tower.ID{u.admin, u.user}[u.random.IntN(2)] }

// pick returns one of the credentials that last and fit, nil if there is none.
func (u *actor) pick(fits func(*credential) bool) *credential {
	var all []*credential
	for _, c := range u.live {
		if c.until.IsZero() && fits(c) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[u.random.IntN(len(all))]
}

func isSession(c *credential) bool   { return !c.token && c.under == nil }
func isNoToken(c *credential) bool   { return !c.token }
func isToken(c *credential) bool     { return c.token }
func isSandbox(c *credential) bool   { return c.under != nil }
func isConnected(c *credential) bool { return len(c.tabs) > 0 }
func mayConnect(c *credential) bool  { return len(c.tabs) < maxTabs }
func isWhatever(*credential) bool    { return true }

// add lets the actor have a new credential.
func (u *actor) add(c *credential) *credential {
	c.state = lives
	if c.id == "" {
		c.id = tower.ID(c.output("/me/id", fields{}))
	}
	u.live = append(u.live, c)
	return c
}

// write writes into a user's note, and returns the number of that. gone says whether a session or a token had no record
// any more. Nobody else may have written since the actor did.
func (u *actor) write(user, of tower.ID) (number int, gone bool) {
	want := u.notes[user]
	number, found := u.nextWrite(user), Written{}
	body, _ := u.do("POST", "/steward/write", fields{"user": user, "number": number, "of": of})
	if err := json.Unmarshal([]byte(body), &found); err != nil || want != "" && found.Before != want {
		u.t.Fatalf("the note says %q in place of %q: %v", found.Before, want, err)
	}
	u.notes[user] = secret(number)
	return number, found.Gone
}

// nextWrite returns the number of the next write. What the note says is not known until that is answered.
func (u *actor) nextWrite(user tower.ID) int {
	delete(u.notes, user)
	u.written++
	return u.written
}

// endsWith returns a credential and the sandboxes that end with it.
func (u *actor) endsWith(c *credential) (all []*credential) {
	for _, other := range u.live {
		if other == c || other.under == c {
			all = append(all, other)
		}
	}
	return all
}

// end has do end credentials, and checks that they have ended.
func (u *actor) end(over []*credential, do func()) {
	for _, c := range over {
		c.state = ending
	}
	do()
	for _, c := range over {
		c.state = ended
	}
	u.bury(over)
}

// bury checks that credentials have ended, and forgets most of them.
func (u *actor) bury(over []*credential) {
	written := map[tower.ID]int{}
	for _, c := range over {
		if written[c.user] == 0 {
			written[c.user], _ = u.write(c.user, "")
		}
	}
	for _, c := range over {
		u.expectSilence(c, written[c.user])
		c.expectNobody(u.transport())
		u.live = slices.DeleteFunc(u.live, func(other *credential) bool { return other == c })
		if u.dead = append(u.dead, c); len(u.dead) > maxDead {
			u.dead = slices.Delete(u.dead, 0, 1)
		}
	}
}

// expectSilence checks that the connections of a credential have ended before a write.
func (u *actor) expectSilence(c *credential, number int) {
	for _, o := range c.tabs {
		o.expectSilence(c, number)
	}
	c.tabs = nil
}

func (u *actor) signIn() bool {
	if len(u.live) >= maxLive {
		return false
	}
	user := u.anybody()
	_, in := u.do("POST", "/session", fields{"user": user})
	u.add(&credential{attacker: in, user: user})
	return true
}

// signInAgain signs in on a device, over HTTP or a connection, where the session that is there ends.
func (u *actor) signInAgain() bool {
	c := u.pick(isSession)
	if c == nil {
		return false
	}
	user, next := u.anybody(), attacker{}
	u.end(u.endsWith(c), func() {
		if o := u.tabOf(c); o == nil {
			_, next = c.do("POST", "/session", fields{"user": user})
		} else {
			answer := o.call("POST /session", fields{"user": user})
			next = c.redeem(answer.Session)
		}
	})
	u.add(&credential{attacker: next, user: user})
	return true
}

// tabOf returns one of the connections of a credential, nil if there is none, or sometimes.
func (u *actor) tabOf(c *credential) *tab {
	if i := u.random.IntN(len(c.tabs) + 1); i > 0 {
		return c.tabs[i-1]
	}
	return nil
}

func (u *actor) signOut() bool {
	c := u.pick(isNoToken)
	if c == nil {
		return false
	}
	over := u.endsWith(c)
	if c.under != nil {
		over = u.endsWith(c.under)
	}
	u.end(over, func() {
		if o := u.tabOf(c); o != nil {
			if answer := o.call("DELETE /session", fields{}); answer.Status != 200 {
				o.t.Fatalf("sign out: %+v", answer)
			}
		} else {
			c.do("DELETE", "/session", fields{})
		}
	})
	return true
}

func (u *actor) makeToken() bool {
	if len(u.live) >= maxLive {
		return false
	}
	u.add(u.issue(time.Hour))
	return true
}

func (u *actor) issue(age time.Duration) *credential {
	user := u.anybody()
	text := u.output("/steward/token", fields{"user": user, "age": age})
	return &credential{attacker: u.with("Authorization", "Bearer "+text), user: user, token: true, id: tower.ID(text[len("twr_"):][:len(user)])}
}

// startBrief starts a session or a token for a short time, and connects with it if that is in time.
func (u *actor) startBrief() bool {
	if len(u.live) >= maxLive {
		return false
	}
	age, c := time.Duration(100+u.random.IntN(1000))*time.Millisecond, &credential{}
	began := time.Now()
	if u.random.IntN(2) == 0 {
		c = u.issue(age)
	} else {
		c.user = u.anybody()
		_, c.attacker = u.do("POST", "/steward/session", fields{"user": c.user, "age": age})
	}
	c.until, c.state = time.Now().Add(age), lives
	u.live = append(u.live, c)
	tabs, transport := u.random.IntN(3), u.transport()
	err := try(func() {
		c.id = tower.ID(c.output("/me/id", fields{}))
		for range tabs {
			o, _ := c.open(transport)
			c.tabs = append(c.tabs, o)
		}
	})
	if err != nil && time.Since(began) < age {
		c.t.Fatalf("%v, after %v of %v", err, time.Since(began), age)
	}
	return true
}

// expire looks after what has ended by itself. Its connections end with the record, which a write shows to be gone.
func (u *actor) expire() bool {
	i := slices.IndexFunc(u.live, func(c *credential) bool { return !c.until.IsZero() && time.Now().After(c.until) })
	if i < 0 {
		return false
	}
	c := u.live[i]
	if len(c.tabs) > 0 {
		if _, gone := u.write(c.user, c.id); !gone && time.Since(c.until) > patience {
			c.t.Fatalf("%s has a record %v after its time", c, patience)
		} else if !gone { // it is another's turn
			u.live = append(slices.Delete(u.live, i, i+1), c)
			return true
		}
	}
	c.state = ended
	u.bury([]*credential{c})
	return true
}

// revoke has an administrator delete the record of a credential, or a program that of its own token.
func (u *actor) revoke() bool {
	c := u.pick(isWhatever)
	if c == nil {
		return false
	}
	u.end(u.endsWith(c), func() {
		if c.token && u.random.IntN(2) == 0 {
			c.do("DELETE", "/keys", nil)
		} else {
			u.revokeRecord(c)
		}
	})
	return true
}

// revokeRecord deletes the record of a credential, with a write in the same commit.
func (u *actor) revokeRecord(c *credential) {
	number := u.nextWrite(c.user)
	u.do("POST", "/steward/revoke", fields{"id": c.id, "token": c.token, "user": c.user, "number": number})
	u.notes[c.user] = secret(number)
}

func (u *actor) changeToken() bool {
	c := u.pick(isToken)
	if c == nil {
		return false
	}
	what := []string{"expiry", "hash", "actions"}[u.random.IntN(3)]
	change := func() { u.do("POST", "/steward/change", fields{"id": c.id, "what": what}) }
	if what != "actions" {
		u.end(u.endsWith(c), change)
		return true
	}
	change()
	number, _ := u.write(c.user, "")
	u.expectSilence(c, number)
	if !c.answers() {
		c.t.Fatalf("%s may do something else, and is not answered", c)
	}
	return true
}

func (u *actor) seeAs() bool {
	c := u.pick(func(c *credential) bool { return isSession(c) && c.user == u.admin })
	if c == nil || len(u.live) >= maxLive {
		return false
	}
	_, seen := c.do("POST", "/see", fields{"user": u.user})
	u.add(&credential{attacker: seen, user: u.user, under: c})
	return true
}

func (u *actor) leaveSandbox() bool {
	c := u.pick(isSandbox)
	if c == nil {
		return false
	}
	u.end([]*credential{c}, func() {
		if _, own := c.do("DELETE", "/see", nil); own.who() != u.admin {
			c.t.Fatalf("outside of %s one is %q", c, own.who())
		}
	})
	return true
}

// endAll has a user sign out everywhere, or change the password: then the device goes on with a session of its own.
func (u *actor) endAll() bool {
	c := u.pick(isSession)
	if c == nil {
		return false
	}
	var over []*credential
	for _, other := range u.live {
		if !other.token && (other.user == c.user || other.under != nil && other.under.user == c.user) {
			over = append(over, other)
		}
	}
	keep, next := u.random.IntN(2) == 0, attacker{}
	u.end(over, func() { _, next = c.do("POST", "/devices/end", fields{"user": c.user, "keep": keep}) })
	if keep {
		u.add(&credential{attacker: next, user: c.user})
	}
	return true
}

func (u *actor) connectTab() bool {
	c := u.pick(mayConnect)
	if c == nil {
		return false
	}
	o, _ := c.open(u.transport())
	c.tabs = append(c.tabs, o)
	number, _ := u.write(c.user, "")
	o.await(number)
	return true
}

// connectAgain has a connection break, and another, over any transport, go on where it was.
func (u *actor) connectAgain() bool {
	c := u.pick(isConnected)
	if c == nil {
		return false
	}
	i := u.random.IntN(len(c.tabs))
	c.tabs[i].hangUp()
	c.tabs = slices.Delete(c.tabs, i, i+1)
	number, _ := u.write(c.user, "")
	o, opened := c.open(u.transport())
	if c.tabs = append(c.tabs, o); newest(opened) < number {
		c.t.Fatalf("over a %s %s does not receive write %d, but %s", o.transport, c, number, opened)
	}
	return true
}

// connectWhileItEnds connects at the time at which the credential ends. It does not matter which is first.
func (u *actor) connectWhileItEnds() bool {
	c := u.pick(isWhatever)
	if c == nil {
		return false
	}
	transport, o := u.transport(), (*tab)(nil)
	u.endWhile(c, func() { o, _ = c.open(transport) }, func() {
		if o != nil {
			c.tabs = append(c.tabs, o)
		}
	})
	return true
}

// callWhileItEnds writes over a connection at the time at which the credential ends: before that, or not at all.
func (u *actor) callWhileItEnds() bool {
	c := u.pick(isConnected)
	if c == nil {
		return false
	}
	o := c.tabs[u.random.IntN(len(c.tabs))]
	u.endWhile(c, func() {
		for range 3 {
			_ = o.line.send(fmt.Sprintf(`{"id":%d,"call":"POST /me/write","in":{"title":"at its end"}}`, lateID-1))
		}
	}, func() {})
	return true
}

// endWhile ends a credential while something else is done with it, which may fail, and then calls after.
func (u *actor) endWhile(c *credential, do, after func()) {
	u.end(u.endsWith(c), func() {
		var doing sync.WaitGroup
		doing.Go(func() { _ = try(do) })
		err := try(func() { u.revokeRecord(c) })
		doing.Wait()
		if after(); err != nil {
			c.t.Fatal(err)
		}
	})
}

// callOver calls over a connection, which receives the effect before the answer.
func (u *actor) callOver() bool {
	c := u.pick(isConnected)
	if c == nil {
		return false
	}
	o, want := c.tabs[u.random.IntN(len(c.tabs))], 200
	if c.under != nil {
		want = 403
	}
	title := u.notes[c.user]
	if want == 200 {
		title = secret(u.nextWrite(c.user))
	}
	if answer := o.call("POST /me/write", fields{"title": title}); answer.Status != want {
		c.t.Fatalf("over a %s %s is answered %+v", o.transport, c, answer)
	}
	u.notes[c.user] = title
	number, _ := u.write(c.user, "")
	for _, o := range c.tabs {
		o.await(number)
	}
	return true
}

func (u *actor) rename() bool {
	kind, user := "admin", u.admin
	if u.random.IntN(2) == 0 {
		kind, user = "user", u.user
	}
	u.do("POST", "/steward/rename", fields{"user": user, "name": fmt.Sprint(kind, " ", u.number, ", for ", u.written)})
	return true
}

func (u *actor) tryDead() bool {
	if len(u.dead) == 0 {
		return false
	}
	u.dead[u.random.IntN(len(u.dead))].expectNobody(u.transport())
	return true
}
