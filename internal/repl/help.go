package repl

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// help explains the console, a model, or what a value is.
func (e *evaluator) help(v goja.Value) goja.Value {
	object, ok := v.(*goja.Object)
	if !ok {
		return e.prose(e.overview())
	}
	m := e.modelOf(object)
	if m == nil {
		m = e.recordModel(object)
	}
	if q, ok := queryOf(object); ok {
		m = q.model
	}
	if m == nil {
		return e.prose(e.overview())
	}
	return e.prose(m.help())
}

// prose wraps text that is to be read, not quoted.
func (e *evaluator) prose(text string) goja.Value {
	object := e.vm.CreateObject(e.proseProto)
	say := func(goja.FunctionCall) goja.Value { return e.vm.ToValue(text) }
	e.hide(object, "toString", say)
	e.hide(object, "toJSON", say)
	return object
}

func (e *evaluator) overview() string {
	names, example := "none", "Post"
	if len(e.models) > 0 {
		var all []string
		for _, m := range e.models {
			all = append(all, m.name)
		}
		names, example = strings.Join(all, ", "), all[0]
	}
	sandbox := ""
	if e.sandboxed {
		sandbox = "\n  commit()  rollback()       keeps what the sandbox holds, or drops it"
	}
	return fmt.Sprintf(`JavaScript on the running application. Every write is validated, committed and
sent to whoever may see it, as if it came from a browser.

  models           %[1]s
  help(%[2]s)       its fields and methods

  %[2]s.create({…})           %[2]s.find(id)            %[2]s.count()
  %[2]s.where({…}).desc("createdAt").limit(5)
  %[2]s.first().update({…})   %[2]s.last().delete()

  transaction(() => { … })   one commit, or nothing when it throws%[3]s
  connections()  cursors()  routes()  seq()
  print(x)                   shows a value along the way
  _                          the last value`, names, example, sandbox)
}

func (m *model) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the records of %s\n\n", m.name, m.info.Name)
	names, kinds := 0, 0
	for _, f := range m.info.Fields {
		names, kinds = max(names, width(f.Name)), max(kinds, width(kindOf(f)))
	}
	for _, f := range m.info.Fields {
		line := "  " + pad(f.Name, names) + "  " + pad(kindOf(f), kinds) + "  " + strings.Join(notes(f), ", ")
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	field := m.firstField()
	fmt.Fprintf(&b, `
  %[1]s.create({%[2]s: …})     one record; an array makes several in one commit
  %[1]s.find(id)               %[1]s.first()  %[1]s.last()  %[1]s.all()  %[1]s.count()
  %[1]s.where({%[2]s: …})      narrower; {gt, gte, lt, lte, in, not, contains, exists}
    .asc("%[2]s") .desc("%[2]s") .limit(n) .offset(n)
    .all() .first() .last() .count() .pluck("%[2]s") .map(fn) .filter(fn) .forEach(fn)
  %[1]s.update(id, {…})        %[1]s.delete(id)
  record.update({…})  record.delete()  record.reload()`, m.name, field)
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
