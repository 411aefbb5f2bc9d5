package script

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// help explains the console, a model, a name, or a value.
func (e *Evaluator) help(v goja.Value) goja.Value {
	object, ok := v.(*goja.Object)
	if !ok {
		if goja.IsUndefined(v) || goja.IsNull(v) {
			return e.prose(e.overview())
		}
		return e.prose(e.helpFor(v.String()))
	}
	m := e.modelOf(object)
	if m == nil {
		m = e.recordModel(object)
	}
	if q, ok := queryOf(object); ok {
		m = q.model
	}
	if m != nil {
		return e.prose(m.help())
	}
	if name := e.nameOf(object); name != "" {
		return e.prose(e.helpFor(name))
	}
	if n := namespaceOf(object); n != nil {
		return e.prose(n.what + " has " + list(n.names()) + "\n\n" + topicOf("as").render(e.example(nil)))
	}
	return e.prose(e.overview())
}

// helpFor explains a name.
func (e *Evaluator) helpFor(name string) string {
	name = strings.TrimSuffix(strings.TrimSpace(name), "()")
	for _, m := range e.models {
		if strings.EqualFold(name, m.name) || strings.EqualFold(name, m.info.Name) {
			return m.help()
		}
	}
	if t := topicOf(name); t != nil {
		return t.render(e.example(nil))
	}
	e.throw(&show.Failure{Title: "help", Message: "there is no help on " + term.Clean(name), Word: name,
		Hint: orThereIs(show.DidYouMean(name, append(topicNames(), e.modelNames()...)), topicNames())})
	return ""
}

// nameOf returns the name of a function of the console, or "".
func (e *Evaluator) nameOf(fn *goja.Object) string {
	holders := []*goja.Object{e.vm.GlobalObject(), e.queryProto}
	for _, m := range e.models {
		holders = append(holders, m.object, m.record)
	}
	for _, holder := range holders {
		for _, name := range holder.GetOwnPropertyNames() {
			if topicOf(name) != nil && holder.Get(name) == goja.Value(fn) {
				return name
			}
		}
	}
	return ""
}

func (e *Evaluator) modelNames() []string {
	names := make([]string, len(e.models))
	for i, m := range e.models {
		names[i] = m.name
	}
	return names
}

// prose returns a text that is shown as prose, not as a quoted string.
func (e *Evaluator) prose(text string) goja.Value {
	object := e.withText(e.vm.CreateObject(e.proseProto), text)
	toText := func(goja.FunctionCall) goja.Value { return e.vm.ToValue(text) }
	e.defineHidden(object, "toString", toText)
	e.defineHidden(object, "toJSON", toText)
	return object
}

func (e *Evaluator) overview() string {
	names, x := "none", "Post"
	if len(e.models) > 0 {
		names = strings.Join(e.modelNames(), ", ")
	}
	if own := e.ownModels(); len(own) > 0 {
		x = own[0].name
	}
	sandbox := ""
	if e.sandbox != nil {
		sandbox = "\n  commit()  discard()        commits the sandbox as one commit, or drops it"
	}
	return fmt.Sprintf(`JavaScript on the running application. Every write is validated, committed and sent to every user who may see it, as if it came from a browser.

  models           %[1]s
  help(%[2]s)       its fields and methods
  help("where")    one of the names below, with examples

  %[2]s.create({…})           %[2]s.find(id)            %[2]s.count()
  %[2]s.where({…}).desc("createdAt").limit(5)
  %[2]s.first().update({…})   %[2]s.last().delete()
  %[2]s.where({…}).updateAll({…})  .deleteAll()  all of them, as one commit

  transaction(() => { … })   one commit, or nothing when it throws
  diff(fn)  impact(fn)       what a function would change, and who would see it%[3]s
  undo(seq)  diff(seq)       the inverse of a commit; what it did
  log()  log(record)         the newest commits
  at(seq).%[2]s.find(id)      as it was after a commit

  as(user)                   what a user sees; as(user).CONTROLLER.ACTION({…})
  why(record, cursor, user)  why a cursor holds a record, or not
  connections()  cursors()  routes()  seq()
  jobs()  jobs("dead")       what runs, waits and has failed; jobs()[0].why(), .retry()
  reactions()                the events that wait for them; reactions()[0].retry()
  sessions(user)             signed-in devices; sessions(user)[0].end()

  reveal(record, "field")    a private field; the log keeps who read it

  readFile(path)  parseCSV(text)   the text of a file; its rows as objects
  writeFile(path, csv(list))       records to a file, as CSV
  print(x)                   shows a value along the way
  _                          the last value`, names, x, sandbox)
}

func (m *model) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the records of %s\n\n", m.name, m.info.Name)
	names, kinds := 0, 0
	for _, f := range m.info.Fields {
		names, kinds = max(names, term.Width(f.Name)), max(kinds, term.Width(kindOf(f)))
	}
	for _, f := range m.info.Fields {
		line := "  " + term.Pad(f.Name, names) + "  " + term.Pad(kindOf(f), kinds) + "  " + strings.Join(notes(f), ", ")
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, r := range m.refs {
		leads := "the " + r.to.name + " that " + r.field + " refers to"
		if r.many {
			leads = "the " + r.to.info.Name + " whose " + r.field + " is this record"
		}
		b.WriteString("  " + term.Pad(r.name, names) + "  " + leads + "\n")
	}
	x := m.e.example(m)
	fmt.Fprintf(&b, `
  %[1]s.create(%[2]s)
  %[1]s.where(%[3]s).desc("createdAt").limit(5)
  %[1]s.find("%[4]s")
  %[1]s.first()  %[1]s.last()  %[1]s.all()  %[1]s.count()  %[1]s.pluck("%[5]s")
  %[1]s.where(%[3]s).updateAll(%[6]s)  %[1]s.where(%[3]s).deleteAll()
  let record = %[1]s.first()  record.update(%[6]s)  record.reload()  record.delete()`,
		m.name, x.fields(), x.where(), x.id(), x.field(), x.change())
	return b.String()
}

func kindOf(f wire.FieldInfo) string {
	if f.Ref != "" {
		return "ref " + f.Ref
	}
	return f.Type
}

func notes(f wire.FieldInfo) []string {
	var all []string
	for _, note := range []struct {
		text string
		on   bool
	}{{"required", f.Required}, {"unique", f.Unique}, {"indexed", f.Index}, {"private", f.Private}} {
		if note.on {
			all = append(all, note.text)
		}
	}
	return all
}
