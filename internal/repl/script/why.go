package script

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// why explains test by test why a user's cursor contains a record or not: why(post,
// "posts.published", user, {input}).
func (e *Evaluator) why(call goja.FunctionCall, at *uint64) goja.Value {
	if len(call.Arguments) == 1 {
		if why := e.whyWork(call.Argument(0)); why != nil {
			return why
		}
	}
	record, ok := call.Argument(0).(*goja.Object)
	var m *model
	if ok {
		m = e.recordModel(record)
	}
	if m == nil {
		panic(e.usage("why takes a record, a cursor and a user: %s", e.whyUsage()))
	}
	name := call.Argument(1)
	if goja.IsUndefined(name) {
		e.throw(&show.Failure{Title: "TypeError", Message: "why needs a cursor of " + m.info.Name,
			Hint: orThereIs("", e.cursorsOf(m))})
	}
	route := e.routeNamed(name.String())
	if route == nil || route.Kind != "cursor" {
		all := slices.Concat(e.cursorNames(false), e.cursorNames(true))
		e.throw(&show.Failure{Title: "not_found", Message: "there is no cursor " + term.Clean(name.String()),
			Hint: orThereIs(show.DidYouMean(name.String(), all), all), Word: name.String()})
	}
	if at == nil {
		at = m.at
	}
	as := ""
	if len(call.Arguments) > 2 {
		as = e.userOf(call.Argument(2))
	}
	req := wire.ControlRequest{Do: wire.DoWhy, Model: m.info.Name, Key: m.id("why", record), Name: route.Name,
		As: as, In: e.input(route, e.given(call, 3, "the input of "+route.Name)), At: at}
	var answer json.RawMessage
	e.ask(req, &answer)
	var why wire.Why
	if err := json.Unmarshal(answer, &why); err != nil {
		e.throw(err)
	}
	return e.withText(e.parsed(answer).(*goja.Object), e.describeWhy(why))
}

func (e *Evaluator) whyUsage() string {
	for _, m := range e.models {
		if names := e.cursorsOf(m); len(names) > 0 {
			return fmt.Sprintf("why(%s.first(), %q, user)", m.name, names[0])
		}
	}
	return "why(record, cursor, user)"
}

// cursorsOf returns the names of the cursors with records of a model.
func (e *Evaluator) cursorsOf(m *model) []string {
	var names []string
	for _, route := range e.allRoutes() {
		if route.Kind == "cursor" && route.Model == m.info.Name {
			names = append(names, route.Name)
		}
	}
	return names
}

// titled returns the title of a record: its type, its id and its label.
func (e *Evaluator) titled(model, id, label string) string {
	name := model
	for _, m := range e.models {
		if m.info.Name == model {
			name = m.name
		}
	}
	if name += " " + id; label != "" {
		name += " " + show.Quoted(label)
	}
	return name
}

func (e *Evaluator) describeWhy(why wire.Why) string {
	verdict := "does not see"
	if why.Sees {
		verdict = "sees"
	}
	lines := []string{fmt.Sprintf("%s %s %s in %s", why.User, verdict, e.titled(why.Model, why.ID, why.Label), why.Cursor)}
	if why.Scope != "" {
		lines = append(lines, "  "+why.Scope)
	}
	lines = append(lines, "")
	longest := 0
	eachTest(why.Tests, 0, func(test wire.Test, depth int) { longest = max(longest, term.Width(test.What)+2*depth) })
	eachTest(why.Tests, 0, func(test wire.Test, depth int) {
		line := "  " + mark(test.Holds) + " " + term.Pad(strings.Repeat("  ", depth)+test.What, longest) + "  " + testText(test)
		lines = append(lines, strings.TrimRight(line, " "))
	})
	if why.Rank > 0 {
		lines = append(lines, "  "+mark(why.Sees)+" "+describeRank(why))
	}
	decided := why.Decided
	switch {
	case why.Decided == "window":
		decided = "the window decides"
	case why.Decided == "":
		decided = "nothing excludes it"
	case why.Sees:
		decided = "everything matches"
	default:
		decided += " decides"
	}
	return strings.Join(append(lines, "  → "+decided), "\n")
}

func mark(holds bool) string {
	if holds {
		return "✓"
	}
	return "✗"
}

func eachTest(tests []wire.Test, depth int, do func(test wire.Test, depth int)) {
	for _, test := range tests {
		do(test, depth)
		eachTest(test.Tests, depth+1, do)
	}
}

// testText returns the value that a test checked, or its error.
func testText(test wire.Test) string {
	switch {
	case test.Message != "":
		return test.Message
	case test.Field != "" && test.Value == nil:
		return test.Field + " is private"
	case test.Field != "":
		return test.Field + " is " + term.Cut(string(test.Value), 60)
	}
	return ""
}

func describeRank(why wire.Why) string {
	text := fmt.Sprintf("rank %s", show.Grouped(why.Rank))
	switch {
	case why.Limit == 0 && why.Offset == 0:
		return text + ", of all"
	case why.Limit == 0:
		text += fmt.Sprintf(", after the first %s", show.Grouped(why.Offset))
	case why.Offset == 0:
		text += fmt.Sprintf(", of the first %s", show.Grouped(why.Limit))
	default:
		text += fmt.Sprintf(", of %s to %s", show.Grouped(why.Offset+1), show.Grouped(why.Offset+why.Limit))
	}
	switch {
	case why.Sees:
		return text + ": inside"
	case why.Rank <= why.Offset:
		return text + ": before"
	}
	return text + ": beyond"
}

// describeDiffs describes changes field by field.
func (e *Evaluator) describeDiffs(diffs []wire.Diff) string {
	if len(diffs) == 0 {
		return "nothing has changed"
	}
	lines := []string{show.Counted(len(diffs), "change")}
	for _, d := range diffs {
		lines = append(lines, map[string]string{"create": "+ ", "update": "~ ", "delete": "- "}[d.Op]+e.titled(d.Model, d.ID, d.Label))
		if d.Op == "delete" {
			continue
		}
		before, after := membersOf(d.Before), membersOf(d.After)
		longest := 0
		names := d.Fields
		if d.Op == "create" {
			names = namesOf(d.After)
		}
		for _, name := range names {
			longest = max(longest, term.Width(term.Clean(name)))
		}
		for _, name := range names {
			change := after[name]
			switch {
			case d.Op == "update" && before[name] == "" && after[name] == "":
				change = "is private"
			case d.Op == "update":
				change = before[name] + " → " + after[name]
			}
			lines = append(lines, "    "+term.Pad(term.Clean(name), longest)+"  "+change)
		}
	}
	return strings.Join(lines, "\n")
}

// namesOf returns the names of the fields that the application defines.
func namesOf(record json.RawMessage) []string {
	v := show.Decode(record)
	var names []string
	for _, f := range v.Fields {
		if f.Name != "id" && f.Name != "createdAt" && f.Name != "updatedAt" {
			names = append(names, f.Name)
		}
	}
	return names
}

// membersOf returns the fields of a record, each formatted on one line.
func membersOf(record json.RawMessage) map[string]string {
	texts := map[string]string{}
	for _, f := range show.Decode(record).Fields {
		texts[f.Name] = term.Cut(show.Inline(f.Value), 60)
	}
	return texts
}

// describeImpact describes who would receive which changes.
func (e *Evaluator) describeImpact(impact wire.Impact) string {
	text := show.Counted(impact.Changes, "change") + " would reach " + fmt.Sprintf("%s of %s", show.Grouped(impact.ReachedAll), show.Counted(impact.Connections, "connection"))
	if impact.ReachedAll == 0 {
		text = show.Counted(impact.Changes, "change") + " would reach no one"
	}
	lines := []string{text}
	user, cursor := 0, 0
	for _, reaction := range impact.Reached {
		user, cursor = max(user, term.Width(term.Clean(reaction.User))), max(cursor, term.Width(term.Clean(reaction.Cursor)))
	}
	for _, reaction := range impact.Reached {
		head := "  " + term.Pad(term.Clean(reaction.User), user) + "  " + term.Pad(term.Clean(reaction.Cursor), cursor) + "  "
		for _, what := range e.describeReaction(reaction) {
			lines = append(lines, head+what)
			head = strings.Repeat(" ", term.Width(head))
		}
	}
	if len(impact.Moved) > 0 {
		lines = append(lines, "", "commit() would be refused, because this has changed since it was read:")
	}
	for _, m := range impact.Moved {
		lines = append(lines, "  "+strings.TrimSpace(e.titled(m.Model, m.ID, ""))+describeStaleRead(m))
	}
	return strings.Join(lines, "\n")
}

// maxReactionLines is the number of records to list for one cursor.
const maxReactionLines = 20

func (e *Evaluator) describeReaction(reaction wire.Reaction) []string {
	var all []string
	for _, delta := range reaction.Deltas[:min(len(reaction.Deltas), maxReactionLines)] {
		all = append(all, term.Pad(delta.Op, 6)+"  "+e.titled(delta.Model, delta.ID, delta.Label))
	}
	if more := len(reaction.Deltas) - maxReactionLines; more > 0 {
		all = append(all, "and "+show.Grouped(more)+" more")
	}
	if reaction.Value != nil {
		all = append(all, "value   "+string(reaction.Value))
	}
	for _, end := range []struct {
		so   bool
		text string
	}{{reaction.Closed, "closed  the user is no longer allowed to open it"}, {reaction.Rights, "rights  the user may use other actions and cursors"},
		{reaction.Ends, "ends    the user of the connection would be unknown"}} {
		if end.so {
			all = append(all, end.text)
		}
	}
	return all
}

func describeStaleRead(m wire.StaleRead) string {
	text := ""
	if m.Seq > 0 {
		text += fmt.Sprintf(" by commit %d (%s)", m.Seq, term.Clean(m.By))
	}
	if len(m.Fields) > 0 {
		text += ": " + strings.Join(m.Fields, ", ")
	}
	return text
}
