package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A jobRow is a job, an event that waits for a reaction, a schedule, a reaction or a queue.
type jobRow struct {
	id     string
	state  string // of a job or an event; else what it is
	name   string
	try    string
	when   string
	about  string
	alarm  bool // somebody has to look at it
	facts  []fact
	whole  any // as it was sent
	grid   *grid
	cached drawn
}

func newJobGrid() *grid {
	return newGrid(textColumn("state", 9, 9, 0), textColumn("name", 10, 30, 0), numberColumn("try", 4, 7, 3),
		textColumn("when", 10, 14, 2), textColumn("about", 12, 80, 1))
}

func (r *jobRow) key() string { return r.state + " " + r.name + " " + r.id }

func (r *jobRow) text() string { return strings.Join([]string{r.id, r.state, r.name, r.about}, " ") }

// Copy implements [Row].
func (r *jobRow) Copy() (what, whole string) { return encoded(cmp.Or(r.id, r.name), r.whole) }

// stateStyle returns the color of a state.
func stateStyle(st *term.Styles, state string) lipgloss.Style {
	switch state {
	case "running":
		return st.Changed
	case "dead", "failed":
		return st.Bad
	case "done":
		return st.Good
	case "waiting", "behind":
		return st.Plain
	}
	return st.Dim
}

func (r *jobRow) cells(st *term.Styles) []cell {
	about := st.Dim
	if r.alarm {
		about = st.Bad
	}
	return []cell{{r.state, stateStyle(st, r.state)}, {term.Clean(r.name), st.Strong}, {r.try, st.Number}, {r.when, st.Plain}, {term.Clean(r.about), about}}
}

func (r *jobRow) draw(f show.Formatter) []string {
	return r.grid.draw(&r.cached, func() []cell { return r.cells(&f.Styles) })
}

func (r *jobRow) detail(f show.Formatter) []string {
	head := term.Paint(f.Styles.Strong, term.Cut(term.Clean(r.name), f.Width))
	if r.id != "" {
		head += term.Paint(f.Styles.Dim, " "+term.Clean(r.id))
	}
	facts := slices.DeleteFunc(slices.Clone(r.facts), func(one fact) bool { return one.text == "" })
	for i := range facts {
		facts[i].text = term.Clean(facts[i].text)
	}
	return append([]string{head}, factLines(f, facts)...)
}

// jobRows returns what runs, what has failed and what waits, and then schedules, reactions and queues.
func jobRows(info *wire.JobsInfo, now time.Time) (rows []*jobRow) {
	for i := range info.Jobs {
		rows = append(rows, rowOfJob(&info.Jobs[i], now))
	}
	for i := range info.Waiting {
		rows = append(rows, rowOfWaiting(&info.Waiting[i], now))
	}
	first := []string{"running", "failed", "dead", "waiting", "behind"}
	slices.SortStableFunc(rows, func(a, b *jobRow) int {
		return cmp.Compare(slices.Index(first, a.state), slices.Index(first, b.state))
	})
	for i := range info.Schedules {
		s := &info.Schedules[i]
		rows = append(rows, &jobRow{state: "schedule", name: s.Job, when: relative(now, s.Next), about: s.Cron + " " + s.Zone, whole: s,
			facts: []fact{{"schedule", s.Cron}, {"zone", s.Zone}, {"next", at(&s.Next)}, {"last", at(s.Last)}}})
	}
	for i := range info.Reactions {
		rows = append(rows, rowOfReaction(&info.Reactions[i], now))
	}
	for i := range info.Queues {
		rows = append(rows, rowOfQueue(&info.Queues[i]))
	}
	return rows
}

func rowOfJob(job *wire.JobInfo, now time.Time) *jobRow {
	r := &jobRow{id: job.ID, state: job.State, name: job.Job, try: fmt.Sprintf("%d/%d", job.Attempt, job.MaxAttempts), when: relative(now, job.Due), about: job.Note, whole: job}
	switch {
	case job.Finished != nil:
		r.when = relative(now, *job.Finished)
	case job.State == "running" && job.Started != nil:
		r.when = "for " + show.Elapsed(now.Sub(*job.Started))
	}
	if job.Total > 0 {
		r.about = strings.TrimSpace(fmt.Sprintf("%s of %s  %s", show.Grouped(int(job.Done)), show.Grouped(int(job.Total)), job.Note))
	}
	progress := r.about
	if job.Error != "" && job.State != "running" && job.State != "done" {
		r.about, r.alarm = oneLine(job.Error), true
	}
	r.facts = []fact{{"state", job.State}, {"queue", fmt.Sprintf("%s, priority %d", job.Queue, job.Priority)}, {"tries", fmt.Sprintf("%d of %d", job.Attempt, job.MaxAttempts)},
		{"due", at(&job.Due)}, {"started", at(job.Started)}, {"ended", at(job.Finished)}, {"progress", progress}, {"steps", strings.Join(job.Steps, ", ")}, {"error", job.Error},
		{"at the prompt", fmt.Sprintf(`jobs(%q) lists it: .why(), .retry(), .cancel(), .drop()`, job.Job)}}
	return r
}

func rowOfWaiting(w *wire.WaitingInfo, now time.Time) *jobRow {
	record := w.Model + " " + cmp.Or(w.Label, w.Of)
	r := &jobRow{id: w.ID, state: w.State, name: w.Reaction + " " + w.Event, try: fmt.Sprintf("%d/%d", w.Attempt, w.MaxAttempts), about: record, whole: w}
	if w.State == "waiting" {
		r.when = relative(now, w.Due)
	}
	if w.Error != "" {
		r.about, r.alarm = record+": "+oneLine(w.Error), true
	}
	r.facts = []fact{{"state", w.State}, {"record", w.Model + " " + w.Of}, {"", w.Label}, {"event", fmt.Sprintf("%s in commit %d", w.Event, w.Seq)},
		{"tries", fmt.Sprintf("%d of %d", w.Attempt, w.MaxAttempts)}, {"due", at(&w.Due)}, {"error", w.Error},
		{"at the prompt", fmt.Sprintf(`reactions(%q) lists it: .why(), .retry(), .drop()`, w.Reaction)}}
	return r
}

func rowOfReaction(reaction *wire.ReactionInfo, now time.Time) *jobRow {
	about := reaction.On + " " + reaction.Scope
	waits := fmt.Sprintf("%s wait, %s have failed", show.Grouped(reaction.Waiting+reaction.Behind), show.Grouped(reaction.Failed))
	r := &jobRow{state: "reaction", name: reaction.Name, about: about, whole: reaction,
		facts: []fact{{"on", reaction.On}, {"scope", reaction.Scope}, {"events", waits}, {"last ran", at(reaction.Last)}, {"note", reaction.Note}}}
	if reaction.Last != nil {
		r.when = relative(now, *reaction.Last)
	}
	switch {
	case reaction.Unknown:
		r.about = "this build does not declare it"
	case reaction.Note != "":
		r.about, r.alarm = reaction.Note, true
	}
	return r
}

func rowOfQueue(q *wire.QueueInfo) *jobRow {
	running := show.Grouped(q.Running) + " running"
	if q.Most > 0 {
		running = fmt.Sprintf("%d of %d running", q.Running, q.Most)
	}
	parts := []string{running, show.Grouped(q.Waiting) + " waiting", show.Grouped(q.Dead) + " dead", show.Grouped(q.Ended) + " ended"}
	late := ""
	if q.LateMs > 0 {
		late = show.Duration(q.LateMs * 1000)
		parts = append(parts, late+" late")
	}
	about := strings.Join(parts, ", ")
	return &jobRow{state: "queue", name: q.Name, about: about, whole: q, facts: []fact{{"jobs", about}, {"late", late}}}
}

// relative formats a time as seen from now: "in 4 s", "4 s ago".
func relative(now, t time.Time) string {
	if t.After(now) {
		return "in " + show.Elapsed(t.Sub(now))
	}
	return show.Elapsed(now.Sub(t)) + " ago"
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
