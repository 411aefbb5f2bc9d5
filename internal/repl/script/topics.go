package script

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
)

// A topic is the help on one or more names. Its examples use the application's own
// models.
type topic struct {
	names    []string
	usage    string
	text     string
	examples func(x *example) []string
}

var topics = []topic{
	{[]string{"where"}, "where({field: value, field: {operator: value}})",
		"Narrows a model or a query to the records that match every condition. The application does the search and uses an index if there is one. Operators: is, not, in, gt, gte, lt, lte, contains (a substring of a text, an element of a list), exists. and and or take a list of such objects, not takes one. To test records with a function: filter(fn).",
		func(x *example) []string {
			return []string{x.scope() + ".where(" + x.where() + ")",
				x.model.name + ".where({or: [" + x.where() + ", {createdAt: {gt: \"" + x.yesterday() + "\"}}]})"}
		}},
	{[]string{"asc", "desc"}, `asc("field", …)  desc("field", …)`, "Orders a model or a query. Further fields break ties; remaining ties are broken by id.",
		func(x *example) []string {
			return []string{x.model.name + `.desc("createdAt").limit(5)`, x.model.name + ".asc(" + show.Quoted(x.field()) + `).first()`}
		}},
	{[]string{"limit", "offset"}, "limit(n)  offset(n)", "Returns the first n records; skips the first n records.",
		func(x *example) []string { return []string{x.model.name + `.desc("createdAt").offset(10).limit(10)`} }},
	{[]string{"all", "map", "filter", "forEach", "reduce", "some", "every", "flatMap", "slice", "at", "indexOf", "join"}, "all()  map(fn)  filter(fn)  forEach(fn) …",
		"Returns the records as an array, or calls an array method on them. A query is sent each time it is used; for … of iterates over it.",
		func(x *example) []string {
			return []string{"for (const x of " + x.model.name + ".all()) print(x." + x.field() + ")", x.model.name + ".map(x => x." + x.field() + ")"}
		}},
	{[]string{"find"}, "find(id)", "Returns the record with that id. It is an error if there is none.",
		func(x *example) []string { return []string{x.model.name + ".find(" + show.Quoted(x.id()) + ")"} }},
	{[]string{"first", "last"}, "first()  first(n)  last()  last(n)", "Returns the first or last record in order, or null; with a number, an array of that many records.",
		func(x *example) []string {
			return []string{x.model.name + ".where(" + x.where() + ").first()", x.model.name + ".last(3)"}
		}},
	{[]string{"count", "length"}, "count()", "Returns the number of records. The application counts them.",
		func(x *example) []string { return []string{x.model.name + ".where(" + x.where() + ").count()"} }},
	{[]string{"pluck"}, `pluck("field", …)`, "Returns the values of one field, or a list of values for each record if there are several fields.",
		func(x *example) []string {
			return []string{x.model.name + `.desc("createdAt").limit(5).pluck(` + show.Quoted(x.field()) + ")"}
		}},
	{[]string{"included"}, `as(user).CONTROLLER.CURSOR({…}).included("MODEL")`,
		"Returns the records of another model that the cursor includes, as that user sees them.",
		func(x *example) []string { return []string{"as(null).cursors()"} }},
	{[]string{"create"}, "create({field: value, …})  create([{…}, {…}])",
		"Creates a record, validated and committed like one from a browser. An array creates several in one commit. For a reference, you can pass a record instead of its id.",
		func(x *example) []string { return []string{x.model.name + ".create(" + x.fields() + ")"} }},
	{[]string{"update", "reload"}, "record.update({field: value, …})  MODEL.update(id, {…})  record.reload()",
		"Changes the given fields and refreshes the record. reload only refreshes it.",
		func(x *example) []string {
			return []string{x.model.name + ".first().update(" + x.change() + ")", x.model.name + ".update(" + show.Quoted(x.id()) + ", " + x.change() + ")"}
		}},
	{[]string{"delete"}, "record.delete()  MODEL.delete(id)", "Deletes a record. In production it asks first.",
		func(x *example) []string { return []string{x.model.name + ".last().delete()"} }},
	{[]string{"updateAll", "deleteAll"}, "query.updateAll({field: value, …})  query.deleteAll()",
		"Changes or deletes all records of a query in one commit and returns their number. At the prompt it shows the number and asks first. If the number changes before you answer, nothing is written.",
		func(x *example) []string {
			return []string{x.model.name + ".where(" + x.where() + ").updateAll(" + x.change() + ")", x.model.name + ".where(" + x.where() + ").deleteAll()"}
		}},
	{[]string{"references"}, "record.NAME", "Follow a reference by its name: to the record it refers to, and back to the records that refer to this one, as a query.",
		func(x *example) []string { return x.relations() }},
	{[]string{"transaction"}, "transaction(() => { … })", "Runs a function whose writes become one commit, or none if it throws. Everything it reads must be unchanged when it commits. Returns the result of the function.",
		func(x *example) []string {
			return []string{"transaction(() => { " + x.model.name + ".create(" + x.fields() + "); " + x.model.name + ".first().update(" + x.change() + ") })"}
		}},
	{[]string{"as", "call", "cursor", "value"}, "as(user)  as(user).CONTROLLER.ACTION({…})  as(user).CONTROLLER.CURSOR({…})",
		"The application as a user sees it. The user is a record, its id, or null for a visitor. Actions run as in that user's browser, through controller, rules and validation. Cursors contain what the browser would contain, and can be narrowed. cursor, value and call work as in the browser library. as(user).cursors() lists what the user sees. Effects of an action outside of the store are real.",
		func(x *example) []string { return x.acts() }},
	{[]string{"why"}, `why(record, "CONTROLLER.CURSOR", user, {input})`,
		"Explains why a user's cursor contains a record or not: each condition with its value, the rule, and the rank in the window.",
		func(x *example) []string { return []string{x.why()} }},
	{[]string{"at"}, "at(seq).MODEL", "The records as they were after a commit, read-only, as far back as the log reaches. as and why work there too.",
		func(x *example) []string {
			return []string{fmt.Sprintf("at(%d).%s.find(%s)", x.seq(), x.model.name, show.Quoted(x.id())), fmt.Sprintf("at(%d).as(null).cursors()", x.seq())}
		}},
	{[]string{"undo"}, "undo(seq)", "Commits the inverse of a commit. If a later commit changed the same fields, undo fails and names that commit. diff(seq) shows the changes of a commit.",
		func(x *example) []string {
			return []string{fmt.Sprintf("diff(%d)", x.seq()), fmt.Sprintf("undo(%d)", x.seq())}
		}},
	{[]string{"log"}, "log()  log(n)  log(record)", "The newest commits, or those of one record, the last first: when, by whom, and what they changed or revealed. diff(seq) shows a commit in full. The log reaches back a day, or 64 MiB.",
		func(x *example) []string {
			return []string{"log(5)", "log(" + x.model.name + ".first())"}
		}},
	{[]string{"reveal"}, `reveal(record, "field")`, "Returns the value of a private field, which nothing else sends. It asks first, and the log keeps who read which field of which record, not the value. A script needs --yes. --read-only and --sandbox refuse it.",
		func(x *example) []string { return x.reveals() }},
	{[]string{"diff", "impact"}, "diff()  diff(seq)  diff(() => { … })  impact()  impact(() => { … })",
		"diff shows the changes in the sandbox or of a commit, field by field. impact shows which connections would see which changes: the server computes it for the open cursors and sends nothing to clients. A function is run and rolled back.",
		func(x *example) []string {
			return []string{"impact(() => " + x.model.name + ".first().update(" + x.change() + "))", "diff(() => " + x.model.name + ".last().delete())"}
		}},
	{[]string{"commit", "discard", "sandbox"}, "commit()  discard()", "With --sandbox all writes stay in one transaction. commit() makes them one commit; if someone else has changed one of the records, it fails and names the record. discard() drops the writes.",
		func(*example) []string { return []string{"diff()", "impact()", "commit()"} }},
	{[]string{"connections", "cursors", "nodes", "routes", "seq"}, "connections()  cursors()  nodes()  routes()  seq()", "The open connections, the open cursors, the nodes, the routes, and the number of the last commit. With several nodes, connections and cursors are those of all.",
		func(*example) []string {
			return []string{"connections().map(c => c.user)", "cursors().filter(c => c.residual)"}
		}},
	{[]string{"sessions", "end"}, "sessions()  sessions(user)  sessions(user)[0].end()  sessions(user).end()",
		"The signed-in devices that have a connection: whose, what the device says it is, and since when. end() ends a session for good, with its connections; on the list of a user it ends all sessions of that user, also those without a connection. The log keeps it.",
		func(x *example) []string {
			return []string{"sessions().map(s => s.device)", "sessions(" + x.user() + ")"}
		}},
	{[]string{"jobs", "retry", "cancel", "drop", "run"}, `jobs()  jobs("dead")  jobs()[0].retry()  .cancel()  .drop()  .why()  jobs().queues  jobs().schedules[0].run()`,
		"The jobs that run, wait and are dead; with an argument those of a queue, in a state or of a name. why() says what a job waits for, or how it has ended. queues has how many jobs each queue has, schedules when each comes next; run() enqueues its job now.",
		func(x *example) []string {
			return []string{`jobs("dead").map(j => j.error)`, "jobs().queues"}
		}},
	{[]string{"reactions"}, `reactions()  reactions("failed")  reactions()[0].retry()  .drop()  .why()  reactions().declared`,
		"The events that wait for reactions, those that have failed for the last time first; with an argument those of a reaction or in a state: failed, waiting, or behind an earlier event of the record. declared has the reactions, and how many events wait for each.",
		func(x *example) []string {
			return []string{`reactions("failed").map(r => r.error)`, "reactions().declared"}
		}},
	{[]string{"print", "_"}, "print(x, …)  _", "print shows values while the code runs; _ is the last value.", func(x *example) []string {
		return []string{x.model.name + ".count()", "print(_ * 2)"}
	}},
	{[]string{"readFile", "parseCSV"}, "readFile(path)  parseCSV(text)", "readFile returns the text of a file on this machine. parseCSV returns its rows as objects; the first row names the fields. Every value is a text.",
		func(x *example) []string {
			return []string{"parseCSV(`" + x.field() + ",id`)"}
		}},
	{[]string{"csv", "writeFile"}, "csv(list, {safe: true})  writeFile(path, text, {overwrite: true})", "csv returns records or objects as CSV; the first row has their names. With safe, a text that a spreadsheet would run as a formula begins with an apostrophe. writeFile writes a text to a file on this machine that only you may read; it replaces a file only with overwrite.",
		func(x *example) []string {
			return []string{"csv(" + x.model.name + ".limit(2))", `writeFile("` + x.model.info.Name + `.csv", csv(` + x.model.name + "), {overwrite: true})"}
		}},
	{[]string{"await"}, "await", "It is never needed here, because every call waits for its answer. Code that uses it works.", func(x *example) []string {
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

// render formats the topic with its examples.
func (t *topic) render(x *example) string {
	text := t.usage + "\n\n" + t.text
	if x.model != nil {
		text += "\n\n  " + strings.Join(t.examples(x), "\n  ")
	}
	return text
}
