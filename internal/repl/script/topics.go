package script

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
)

// A topic is what help says about one name. Its examples are of the application's
// own models.
type topic struct {
	names    []string
	usage    string
	text     string
	examples func(x *example) []string
}

var topics = []topic{
	{[]string{"where"}, "where({field: value, field: {operator: value}})",
		"Narrows a model or a query to the records that meet all of it. The application compares, by an index where there is one. Operators: is, not, in, gt, gte, lt, lte, contains (a part of a text, an element of a list), exists. and and or take a list of such objects, not takes one. To test records here instead: filter(fn).",
		func(x *example) []string {
			return []string{x.scope() + ".where(" + x.where() + ")",
				x.model.name + ".where({or: [" + x.where() + ", {createdAt: {gt: \"" + x.yesterday() + "\"}}]})"}
		}},
	{[]string{"asc", "desc"}, `asc("field", …)  desc("field", …)`, "Orders a model or a query; a further order breaks ties, the last ones are broken by id.",
		func(x *example) []string {
			return []string{x.model.name + `.desc("createdAt").limit(5)`, x.model.name + ".asc(" + show.Quoted(x.field()) + `).first()`}
		}},
	{[]string{"limit", "offset"}, "limit(n)  offset(n)", "The first n records; without the first n.",
		func(x *example) []string { return []string{x.model.name + `.desc("createdAt").offset(10).limit(10)`} }},
	{[]string{"all", "map", "filter", "forEach", "reduce", "some", "every", "flatMap", "slice", "at", "indexOf", "join"}, "all()  map(fn)  filter(fn)  forEach(fn) …",
		"The records as an array, and the methods of arrays on them. A query is asked each time it is used; for … of goes through it.",
		func(x *example) []string {
			return []string{"for (const x of " + x.model.name + ".all()) print(x." + x.field() + ")", x.model.name + ".map(x => x." + x.field() + ")"}
		}},
	{[]string{"find"}, "find(id)", "The record with that id; it is an error if there is none.",
		func(x *example) []string { return []string{x.model.name + ".find(" + show.Quoted(x.id()) + ")"} }},
	{[]string{"first", "last"}, "first()  first(n)  last()  last(n)", "The first or last record in order, or null; with a number, an array of so many.",
		func(x *example) []string {
			return []string{x.model.name + ".where(" + x.where() + ").first()", x.model.name + ".last(3)"}
		}},
	{[]string{"count", "length"}, "count()", "How many records there are. The application counts.",
		func(x *example) []string { return []string{x.model.name + ".where(" + x.where() + ").count()"} }},
	{[]string{"pluck"}, `pluck("field", …)`, "One field's values, or lists of several.",
		func(x *example) []string {
			return []string{x.model.name + `.desc("createdAt").limit(5).pluck(` + show.Quoted(x.field()) + ")"}
		}},
	{[]string{"included"}, `as(user).CONTROLLER.CURSOR({…}).included("MODEL")`,
		"The records of another model that a cursor's own refer to, where it includes them: as that user sees them.",
		func(x *example) []string { return []string{"as(null).cursors()"} }},
	{[]string{"create"}, "create({field: value, …})  create([{…}, {…}])",
		"Makes a record, validated and committed as one from a browser. An array makes several in one commit. A record may stand for the id of a reference.",
		func(x *example) []string { return []string{x.model.name + ".create(" + x.fields() + ")"} }},
	{[]string{"update", "reload"}, "record.update({field: value, …})  MODEL.update(id, {…})  record.reload()",
		"Changes the fields that are named, and brings the record up to date; reload only does the latter.",
		func(x *example) []string {
			return []string{x.model.name + ".first().update(" + x.change() + ")", x.model.name + ".update(" + show.Quoted(x.id()) + ", " + x.change() + ")"}
		}},
	{[]string{"delete"}, "record.delete()  MODEL.delete(id)", "Deletes a record. In production it asks first.",
		func(x *example) []string { return []string{x.model.name + ".last().delete()"} }},
	{[]string{"updateAll", "deleteAll"}, "query.updateAll({field: value, …})  query.deleteAll()",
		"Changes or deletes all records of a query, as one commit, and returns how many. At the prompt it says how many and asks first; if they have become more or less meanwhile, nothing is done.",
		func(x *example) []string {
			return []string{x.model.name + ".where(" + x.where() + ").updateAll(" + x.change() + ")", x.model.name + ".where(" + x.where() + ").deleteAll()"}
		}},
	{[]string{"references"}, "record.NAME", "A reference is followed by its name: to the record that it means, and back to the records that refer to it, as a query.",
		func(x *example) []string { return x.relations() }},
	{[]string{"transaction"}, "transaction(() => { … })", "All that the function writes is one commit, or nothing when it throws. What it reads must be the same when it is committed. It returns what the function returns.",
		func(x *example) []string {
			return []string{"transaction(() => { " + x.model.name + ".create(" + x.fields() + "); " + x.model.name + ".first().update(" + x.change() + ") })"}
		}},
	{[]string{"as", "call", "cursor", "value"}, "as(user)  as(user).CONTROLLER.ACTION({…})  as(user).CONTROLLER.CURSOR({…})",
		"The application as a user sees it: a record, its id, or null for a visitor. Actions take the way of that user's browser, through its controller, rules and validation; cursors hold what its browser would hold, and can be narrowed. cursor, value and call have the names of the browser library; as(user).cursors() says what the user sees. What an action does outside of the store, it does.",
		func(x *example) []string { return x.acts() }},
	{[]string{"why"}, `why(record, "CONTROLLER.CURSOR", user, {input})`,
		"Why a user's cursor holds a record, or not: each condition with its value, the rule, and the rank in the window.",
		func(x *example) []string { return []string{x.why()} }},
	{[]string{"at"}, "at(seq).MODEL", "The records as they were after a commit, to be read, as far as the log reaches back. as and why look at the past too.",
		func(x *example) []string {
			return []string{fmt.Sprintf("at(%d).%s.find(%s)", x.seq(), x.model.name, show.Quoted(x.id())), fmt.Sprintf("at(%d).as(null).cursors()", x.seq())}
		}},
	{[]string{"undo"}, "undo(seq)", "Commits the inverse of a commit, unless a later one did something to the same fields: then it says which. diff(seq) shows what it did.",
		func(x *example) []string {
			return []string{fmt.Sprintf("diff(%d)", x.seq()), fmt.Sprintf("undo(%d)", x.seq())}
		}},
	{[]string{"diff", "impact"}, "diff()  diff(seq)  diff(() => { … })  impact()  impact(() => { … })",
		"diff says what the sandbox has changed, or what a commit did, field by field; impact says which connections would see what of it, worked out by the server against the cursors that are open, without telling anybody. A function is tried and taken back.",
		func(x *example) []string {
			return []string{"impact(() => " + x.model.name + ".first().update(" + x.change() + "))", "diff(() => " + x.model.name + ".last().delete())"}
		}},
	{[]string{"commit", "discard", "sandbox"}, "commit()  discard()", "With --sandbox all that is written is kept in one transaction. commit() makes it one commit, unless a record that it changes has moved underneath, which it tells; discard() drops it.",
		func(*example) []string { return []string{"diff()", "impact()", "commit()"} }},
	{[]string{"connections", "cursors", "routes", "seq"}, "connections()  cursors()  routes()  seq()", "Who is connected, what they hold open, what can be called, and the number of the newest commit.",
		func(*example) []string {
			return []string{"connections().map(c => c.user)", "cursors().filter(c => c.residual)"}
		}},
	{[]string{"print", "_"}, "print(x, …)  _", "print shows values along the way; _ is the last value.", func(x *example) []string {
		return []string{x.model.name + ".count()", "print(_ * 2)"}
	}},
	{[]string{"await"}, "await", "Nothing needs it here, for every call waits for its answer; code that has it works.", func(x *example) []string {
		return []string{"const n = await " + x.model.name + ".count()"}
	}},
}

func topicOf(name string) *topic {
	i := slices.IndexFunc(topics, func(t topic) bool { return slices.Contains(t.names, name) })
	if i < 0 {
		return nil
	}
	return &topics[i]
}

func topicNames() []string {
	var names []string
	for _, t := range topics {
		names = append(names, t.names...)
	}
	return names
}

// render is the topic with its examples.
func (t *topic) render(x *example) string {
	text := t.usage + "\n\n" + t.text
	if x.model != nil {
		text += "\n\n  " + strings.Join(t.examples(x), "\n  ")
	}
	return text
}
