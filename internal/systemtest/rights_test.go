package systemtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// TestEveryRightIsFeltInItsCommit makes random transactions by which people
// gain and lose rights in every way, while clients come and go. After each commit,
// every client holds what a fresh query would give its user, values included, and
// has been told which actions it may use; and no frame holds a record, or its id,
// that its user cannot see at that commit.
func TestEveryRightIsFeltInItsCommit(t *testing.T) {
	eachClub(t, func(w *clubWorld) {
		var lookers []*looker
		for range 40 {
			w.transaction()
			if len(lookers) > 5 {
				gone := w.rand.IntN(len(lookers))
				lookers[gone].leave()
				lookers = slices.Delete(lookers, gone, gone+1)
			}
			if w.rand.IntN(3) == 0 || len(lookers) < 3 {
				lookers = append(lookers, w.look(w.rand))
			}
			for _, l := range lookers {
				l.settled(w.last())
			}
		}
		for _, l := range lookers {
			l.leave()
		}
	})
}

// TestRightsChangeWhileClientsComeAndGo is the same at once: clients connect, load
// pages and open cursors while rights change, and each message that comes is
// compared with the commit that it is of.
func TestRightsChangeWhileClientsComeAndGo(t *testing.T) {
	eachClub(t, func(w *clubWorld) {
		var lookers sync.WaitGroup
		var last []*looker
		done := make(chan struct{})
		for i := range 3 {
			random := rand.New(rand.NewPCG(w.rand.Uint64(), uint64(i)))
			lookers.Go(func() {
				for {
					l := w.look(random)
					select {
					case <-done:
						w.mu.Lock()
						last = append(last, l)
						w.mu.Unlock()
						return
					default:
						l.leave()
					}
				}
			})
		}
		for range 100 {
			w.transaction()
			if w.rand.IntN(3) > 0 { // else connections fall behind
				w.wait()
			}
		}
		close(done)
		lookers.Wait()
		for _, l := range last {
			l.settled(0)
			l.leave()
		}
	})
}

func TestTheClubConverges(t *testing.T) {
	for name, routes := range map[string]func() *tower.Router[*clubSession]{"rules": rulesOfTheClub, "scopes": scopesOfTheClub} {
		t.Run(name, func(t *testing.T) {
			towertest.Converge(t, clubConfig(routes), towertest.Convergence{Steps: steps(150), Users: "people"})
		})
	}
}

// A club is all records at one commit, and what follows from them, said without
// any help: it is what the clients are compared with.
type club struct {
	byRule      bool // by which the rights are told that depend on more than the person
	people      map[tower.ID]Person
	teams       map[tower.ID]Team
	memberships map[tower.ID]Membership
	tasks       map[tower.ID]Task
}

func (c *club) clone() *club {
	return &club{c.byRule, maps.Clone(c.people), maps.Clone(c.teams), maps.Clone(c.memberships), maps.Clone(c.tasks)}
}

// member says what a person is in a team.
func (c *club) member(who, team tower.ID) (full, guest bool) {
	for _, m := range c.memberships {
		if who != "" && m.PersonID == who && (m.TeamID == team || team == "") {
			full, guest = full || !m.Guest, guest || m.Guest
		}
	}
	return full, guest
}

func (c *club) sees(who tower.ID, task *Task) bool {
	full, guest := c.member(who, task.TeamID)
	return full || c.people[who].Chief || task.Shared && (guest || c.teams[task.TeamID].Open)
}

func (c *club) seesTeam(who, team tower.ID) bool {
	full, guest := c.member(who, team)
	return c.teams[team].Open || c.people[who].Chief || c.byRule && (full || guest)
}

// assigns reports whether a person may assign tasks.
func (c *club) assigns(who tower.ID) bool {
	full, _ := c.member(who, "")
	return c.people[who].Chief || c.byRule && full
}

// seen returns the ids of what a person may see of a cursor's records, in order,
// and the tasks among them.
func (c *club) seen(who tower.ID, cursor *towertest.Cursor) (ids []string, tasks []Task) {
	var in ofTeam
	_ = json.Unmarshal(cursor.Input(), &in) // without an input there is none
	controller, name, _ := strings.Cut(cursor.Name(), ".")
	if name == "roster" {
		for id, m := range c.memberships {
			if m.TeamID == in.Team {
				ids = append(ids, string(id))
			}
		}
		slices.Sort(ids)
		return ids, nil
	}
	for _, task := range c.tasks {
		mine := c.sees(who, &task) && (in.Team == "" || task.TeamID == in.Team)
		if mine && (controller != "both" || task.Shared || c.people[who].Chief) {
			tasks = append(tasks, task)
		}
	}
	slices.SortFunc(tasks, func(a, b Task) int {
		sign, order := -1, 0
		switch name {
		case "newest":
			order = a.CreatedAt.Compare(b.CreatedAt)
		case "ranked":
			order = a.Points - b.Points
		case "titles":
			sign, order = 1, strings.Compare(a.Title, b.Title)
		default:
			sign = 1
		}
		if order == 0 {
			order = strings.Compare(string(a.ID), string(b.ID))
		}
		return sign * order
	})
	switch name {
	case "titles":
		tasks = tasks[min(1, len(tasks)):]
		tasks = tasks[:min(3, len(tasks))]
	case "newest":
		tasks = tasks[:min(3, len(tasks))]
	}
	for _, task := range tasks {
		ids = append(ids, string(task.ID))
	}
	return ids, tasks
}

// refuses reports whether a person may not hold a cursor.
func (c *club) refuses(who tower.ID, cursor *towertest.Cursor) bool {
	var in ofTeam
	if _, name, _ := strings.Cut(cursor.Name(), "."); name != "roster" || json.Unmarshal(cursor.Input(), &in) != nil {
		return false
	}
	for _, m := range c.memberships {
		if m.PersonID == who && m.TeamID == in.Team {
			return false
		}
	}
	return true
}

// value returns what a cursor carries, as JSON; "" where that is records.
func (c *club) value(cursor *towertest.Cursor, tasks []Task) string {
	sum, most := 0, "null"
	for _, task := range tasks {
		sum += task.Points
	}
	if len(tasks) > 0 {
		most = fmt.Sprint(slices.MaxFunc(tasks, func(a, b Task) int { return a.Points - b.Points }).Points)
	}
	switch _, name, _ := strings.Cut(cursor.Name(), "."); name {
	case "howMany":
		return fmt.Sprint(len(tasks))
	case "points":
		return fmt.Sprint(sum)
	case "most":
		return most
	}
	return ""
}

// compare says how what a client holds of a cursor is not what it ought to, ""
// if it is.
func (c *club) compare(who tower.ID, cursor *towertest.Cursor) string {
	ids, tasks := c.seen(who, cursor)
	if value := c.value(cursor, tasks); value != "" {
		if got := cursor.Value(); got != value {
			return fmt.Sprintf("holds %s, not %s", got, value)
		}
		return ""
	}
	if c.refuses(who, cursor) {
		return "is held by one who may not"
	}
	if got := cursor.IDs(); !slices.Equal(got, ids) {
		return fmt.Sprintf("holds %v, not %v", got, ids)
	}
	if strings.HasSuffix(cursor.Name(), "ranked") {
		teams := map[string]bool{}
		for _, task := range tasks {
			if c.seesTeam(who, task.TeamID) {
				teams[string(task.TeamID)] = true
			}
		}
		if got, want := cursor.Included("teams"), slices.Sorted(maps.Keys(teams)); !slices.Equal(got, want) {
			return fmt.Sprintf("includes %v, not %v", got, want)
		}
	}
	for _, task := range tasks {
		if onPage := cursor.Input() == nil; onPage {
			html := cursor.HTML(string(task.ID))
			if html != "" && !strings.HasSuffix(html, ">"+task.Title+"</li>") {
				return fmt.Sprintf("shows %s for %+v", html, task)
			}
			continue
		}
		var got Task
		cursor.Record(string(task.ID), &got)
		task.UpdatedAt = got.UpdatedAt // changes that undo each other in one commit leave it as it was
		if got != task {
			return fmt.Sprintf("holds %+v, not %+v", got, task)
		}
	}
	return ""
}

// A clubWorld is a club, its history, and the clients that look at it.
type clubWorld struct {
	t      *testing.T
	rand   *rand.Rand
	app    *towertest.App
	people []tower.ID
	teams  []tower.ID

	writing sync.Mutex // held while there are commits that are not noted yet
	mu      sync.Mutex
	noted   *sync.Cond
	history map[uint64]*club
	newest  uint64
}

// A looker is a client with what it has open.
type looker struct {
	*towertest.Client
	world   *clubWorld
	who     tower.ID
	cursors []*towertest.Cursor
}

// eachClub runs a test for a club whose rights are in its rules, and for one
// whose rights are in its scopes.
func eachClub(t *testing.T, test func(w *clubWorld)) {
	t.Run("rules", func(t *testing.T) { test(newClubWorld(t, rulesOfTheClub, true)) })
	t.Run("scopes", func(t *testing.T) { test(newClubWorld(t, scopesOfTheClub, false)) })
}

func newClubWorld(t *testing.T, routes func() *tower.Router[*clubSession], byRule bool) *clubWorld {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &clubWorld{t: t, rand: rand.New(rand.NewPCG(seed, 1)), app: towertest.Open(t, clubConfig(routes)), history: map[uint64]*club{0: {byRule: byRule}}}
	w.noted = sync.NewCond(&w.mu)
	first := &club{byRule, map[tower.ID]Person{}, map[tower.ID]Team{}, map[tower.ID]Membership{}, map[tower.ID]Task{}}
	w.commit(first, func(tx *tower.Tx) error {
		for i := range 4 {
			person, team := Person{Name: fmt.Sprint("person ", i)}, Team{Name: fmt.Sprint("team ", i)}
			if err := People.Create(t.Context(), tx, &person); err != nil {
				return err
			}
			if err := Teams.Create(t.Context(), tx, &team); err != nil {
				return err
			}
			first.people[person.ID], first.teams[team.ID] = person, team
		}
		return nil
	})
	w.people, w.teams = slices.Sorted(maps.Keys(first.people)), slices.Sorted(maps.Keys(first.teams))
	return w
}

// commit makes a transaction, and notes what there is after it.
func (w *clubWorld) commit(after *club, change func(*tower.Tx) error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if err := w.app.Transaction(w.t.Context(), change); err != nil {
		w.t.Fatal(err)
	}
	w.note(after)
}

// connect connects a client. The start of its session is a commit, which changes no record of the club.
func (w *clubWorld) connect(who tower.ID) *towertest.Client {
	w.writing.Lock()
	defer w.writing.Unlock()
	client := w.app.Connect(w.t, who)
	w.mu.Lock()
	same := w.history[w.newest]
	w.mu.Unlock()
	w.note(same)
	return client
}

// note says what there is after the newest commit.
func (w *clubWorld) note(after *club) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = w.app.Seq()
	w.history[w.newest] = after
	w.noted.Broadcast()
}

// last returns the newest commit that is noted.
func (w *clubWorld) last() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest
}

// at returns what there was after a commit, once that is known.
func (w *clubWorld) at(seq uint64) *club {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.newest < seq {
		w.noted.Wait()
	}
	return w.history[seq]
}

// wait returns when connections have been handed all there is.
func (w *clubWorld) wait() {
	if err := w.app.Wait(w.t.Context(), w.last()); err != nil {
		w.t.Fatal(err)
	}
}

// transaction changes some records, mostly such as rights depend on: at times
// those that one loses and the tasks that one loses sight of, in one commit.
func (w *clubWorld) transaction() {
	after := w.at(w.last()).clone()
	w.commit(after, func(tx *tower.Tx) error {
		for range 1 + w.rand.IntN(4) {
			if err := w.step(tx, after); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *clubWorld) step(tx *tower.Tx, c *club) error {
	team, person := pick(w, w.teams), pick(w, w.people)
	switch n := w.rand.IntN(14); {
	case n < 3 || len(c.tasks) < 5:
		task := &Task{TeamID: team, Title: fmt.Sprint("t", w.rand.IntN(1000)), Points: w.rand.IntN(5), Shared: w.rand.IntN(2) == 0}
		return create(w, tx, Tasks, c.tasks, task, &task.ID)
	case n < 4:
		return change(w, tx, Tasks, c.tasks, func(task *Task) { task.TeamID = team })
	case n < 6:
		return change(w, tx, Tasks, c.tasks, func(task *Task) {
			task.Title, task.Points, task.Shared = fmt.Sprint("t", w.rand.IntN(1000)), w.rand.IntN(5), w.rand.IntN(2) == 0
		})
	case n < 7:
		return remove(w, tx, Tasks, c.tasks)
	case n < 9 || len(c.memberships) < 3:
		m := &Membership{PersonID: person, TeamID: team, Guest: w.rand.IntN(3) == 0}
		return create(w, tx, Memberships, c.memberships, m, &m.ID)
	case n < 11:
		return remove(w, tx, Memberships, c.memberships)
	case n < 12:
		return change(w, tx, Memberships, c.memberships, func(m *Membership) {
			switch w.rand.IntN(3) {
			case 0:
				m.Guest = !m.Guest
			case 1:
				m.TeamID = team
			default:
				m.PersonID = person
			}
		})
	case n < 13:
		return change(w, tx, Teams, c.teams, func(t *Team) {
			if t.Open = !t.Open; w.rand.IntN(3) == 0 {
				t.Name = fmt.Sprint("team ", w.rand.IntN(1000))
			}
		})
	default:
		return change(w, tx, People, c.people, func(p *Person) { p.Chief = !p.Chief && w.rand.IntN(2) == 0 })
	}
}

func pick[T any](w *clubWorld, of []T) T { return of[w.rand.IntN(len(of))] }

func create[T any](w *clubWorld, tx *tower.Tx, model *tower.Model[T], all map[tower.ID]T, record *T, id *tower.ID) error {
	err := model.Create(w.t.Context(), tx, record)
	all[*id] = *record
	return err
}

func change[T any](w *clubWorld, tx *tower.Tx, model *tower.Model[T], all map[tower.ID]T, how func(*T)) error {
	id := pick(w, slices.Sorted(maps.Keys(all)))
	changed, err := model.Update(w.t.Context(), tx, id, func(record *T) error { how(record); return nil })
	if err == nil {
		all[id] = *changed
	}
	return err
}

func remove[T any](w *clubWorld, tx *tower.Tx, model *tower.Model[T], all map[tower.ID]T) error {
	id := pick(w, slices.Sorted(maps.Keys(all)))
	delete(all, id)
	return model.Delete(w.t.Context(), tx, id)
}

// look connects as somebody, or as a visitor, and opens cursors in random order
// while whatever happens; each message that comes is checked.
func (w *clubWorld) look(random *rand.Rand) *looker {
	l := &looker{world: w}
	if n := random.IntN(len(w.people) + 1); n < len(w.people) {
		l.who = w.people[n]
	}
	l.Client = w.connect(l.who)
	l.Observe(l.check)
	_, cursors := l.Allowed()
	random.Shuffle(len(cursors), func(i, j int) { cursors[i], cursors[j] = cursors[j], cursors[i] })
	for i, name := range cursors {
		if i == len(cursors)/2 {
			l.cursors = append(l.cursors, l.Page("/tasks")...)
		}
		if strings.HasSuffix(name, "ofTeam") || strings.HasSuffix(name, "roster") {
			for _, team := range w.teams {
				l.open(name, ofTeam{team})
			}
		} else {
			l.open(name, struct{}{})
		}
	}
	return l
}

func (l *looker) open(name string, in any) {
	cursor, answer := l.TryOpen(name, in)
	if answer.Status == 200 {
		l.cursors = append(l.cursors, cursor)
	} else if answer.Code != "forbidden" || !strings.HasSuffix(name, "roster") {
		l.world.t.Errorf("open %s: %+v", name, answer)
	}
}

// check is called as each message has been applied.
func (l *looker) check(seq uint64, open []*towertest.Cursor) {
	club := l.world.at(seq)
	if actions, _ := l.Allowed(); slices.Contains(actions, "POST /assign") != club.assigns(l.who) {
		l.world.t.Errorf("at %d %s is told that it may use %v", seq, club.people[l.who].Name, actions)
	}
	for _, cursor := range open {
		if problem := club.compare(l.who, cursor); problem != "" {
			l.world.t.Errorf("at %d %s %s %s %s", seq, club.people[l.who].Name, cursor.Name(), cursor.Input(), problem)
		}
	}
}

// settled looks once everything has come: also what no message told of is right,
// and what was closed had to be, after the commit since or a later one.
func (l *looker) settled(since uint64) {
	l.world.wait()
	l.Call("POST /assign", nil) // its answer comes after all frames so far
	club := l.world.at(l.world.newest)
	l.cursors = slices.DeleteFunc(l.cursors, func(cursor *towertest.Cursor) bool {
		problem := ""
		if closed := cursor.Closed(); !closed {
			problem = club.compare(l.who, cursor)
		} else {
			problem = "was closed"
			for seq := since; seq <= l.world.newest; seq++ {
				if l.world.at(seq).refuses(l.who, cursor) {
					problem = ""
				}
			}
		}
		if problem != "" {
			l.world.t.Fatalf("after %d %s %s %s %s\n%s", l.world.newest, club.people[l.who].Name, cursor.Name(), cursor.Input(), problem, strings.Join(l.Frames()[max(0, len(l.Frames())-10):], "\n"))
		}
		return cursor.Closed()
	})
}

// leave closes the connection, and looks at everything that it was ever sent.
func (l *looker) leave() {
	l.Close()
	for _, message := range l.Frames() {
		frames, err := wire.Frames([]byte(message))
		if err != nil {
			l.world.t.Error(err)
		}
		for _, frame := range frames {
			l.checkFrame(frame)
		}
	}
}

type sentFrame struct {
	Hello              int
	From, Seq          uint64
	At, Since          string
	Tasks, Memberships []struct{ ID string }
	Teams, Items       []struct{ ID string }
	IDs                []string
	Delta              *sentDelta
	Cursors            json.RawMessage // a hello's are names
}

type sentDelta struct {
	Enter, Change []struct{ ID, After string }
	Leave         []string
	Then          []sentDelta
	Include       map[string]*sentDelta
}

// checkFrame makes sure that what a frame holds was in sight after the commits
// that it is of, and what it says has left, after them or before.
func (l *looker) checkFrame(text []byte) {
	var frame sentFrame
	if err := json.Unmarshal(text, &frame); err != nil {
		l.world.t.Error(err)
	}
	if frame.Hello != 0 {
		return
	}
	first, last := frame.Seq, frame.Seq
	if frame.From != 0 {
		first = frame.From
	}
	before := first - 1
	if frame.At != "" {
		_, last, _ = wire.ParsePosition(frame.At)
		first, before = last, last
	}
	if frame.Since != "" {
		_, before, _ = wire.ParsePosition(frame.Since)
	}
	now, ever := map[string]bool{}, map[string]bool{}
	for seq := before; seq <= last; seq++ {
		for id, seen := range l.world.at(seq).sight(l.who) {
			ever[id] = ever[id] || seen
			now[id] = now[id] || seen && seq >= first
		}
	}
	held, left := frame.IDs, []string(nil)
	for _, record := range slices.Concat(frame.Tasks, frame.Memberships, frame.Teams, frame.Items) {
		held = append(held, record.ID)
	}
	var walk func(d *sentDelta)
	walk = func(d *sentDelta) {
		for _, entry := range slices.Concat(d.Enter, d.Change) {
			held = append(held, entry.ID)
			if entry.After != "" {
				held = append(held, entry.After)
			}
		}
		left = append(left, d.Leave...)
		for i := range d.Then {
			walk(&d.Then[i])
		}
		for _, included := range d.Include {
			walk(included)
		}
	}
	if frame.Delta != nil {
		walk(frame.Delta)
	}
	var cursors map[string]*sentDelta
	if frame.Cursors != nil {
		if err := json.Unmarshal(frame.Cursors, &cursors); err != nil {
			l.world.t.Error(err)
		}
	}
	for _, d := range cursors {
		walk(d)
	}
	for _, id := range held {
		if !now[id] {
			l.world.t.Errorf("%s was sent %s, which it may not see: %s", l.who, id, text)
		}
	}
	for _, id := range left {
		if !ever[id] {
			l.world.t.Errorf("%s was told that %s left, which it could not see: %s", l.who, id, text)
		}
	}
}

// sight returns the ids of all that a person may see.
func (c *club) sight(who tower.ID) map[string]bool {
	ids := map[string]bool{}
	for id, task := range c.tasks {
		if c.sees(who, &task) {
			ids[string(id)] = true
			ids[string(task.TeamID)] = ids[string(task.TeamID)] || c.seesTeam(who, task.TeamID)
		}
	}
	for _, mine := range c.memberships {
		for id, other := range c.memberships {
			if mine.PersonID == who && mine.TeamID == other.TeamID {
				ids[string(id)] = true
			}
		}
	}
	return ids
}
