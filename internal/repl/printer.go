package repl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// A Printer prints what a cursor holds, and what becomes of it: for people, or in
// lines of JSON.
type Printer struct {
	out    io.Writer
	json   bool
	f      formatter
	models []wire.ModelInfo
}

// NewPrinter returns a printer of records of the application that hello describes.
// Without JSON, and to a terminal, it prints colors and fits lines to the width.
func NewPrinter(out io.Writer, hello wire.ControlHello, asJSON bool) *Printer {
	o := Options{Output: out}
	return &Printer{out: out, json: asJSON, f: o.lineFormatter(out), models: hello.Models}
}

// Steps prints what became of the cursor, a line each.
func (p *Printer) Steps(steps []Step) error {
	var out bytes.Buffer
	for _, step := range steps {
		if !p.json {
			out.WriteString(p.line(step) + "\n")
			continue
		}
		line, err := wire.Encode(step)
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
	}
	if _, err := p.out.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// All prints the records of a cursor, or its value.
func (p *Printer) All(h *Replica) error {
	var lines []string
	switch {
	case p.json && h.Value != nil:
		lines = append(lines, string(h.Value))
	case p.json:
		for _, record := range h.Records() {
			lines = append(lines, string(record))
		}
	case h.Value != nil:
		lines = p.f.lines(decoded(h.Value))
	default:
		v := value{kind: listValue, total: h.Len()}
		for _, record := range h.Records() {
			one := decoded(record)
			one.kind, one.label = recordValue, h.Model
			v.items = append(v.items, one)
		}
		lines = []string{p.f.styles.dim.Render("no records")}
		if h.Len() > 0 {
			lines = p.f.table(v)
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// line is a step for a person.
func (p *Printer) line(s Step) string {
	st := p.f.styles
	switch s.Op {
	case "value":
		return paint(st.changed, "=") + " " + p.f.inline(decoded(s.Value))
	case "current":
		return paint(st.dim, fmt.Sprintf("%s, up to #%d", counted(*s.Count, "record"), s.Seq))
	case "resync":
		return paint(st.warn, "anew, because of: "+clean(s.Reason))
	}
	mark := map[string]string{"enter": paint(st.good, "+ enter "), "change": paint(st.changed, "~ change"), "leave": paint(st.bad, "− leave ")}[s.Op]
	text := mark + " " + clean(s.Model) + paint(st.dim, "/"+clean(s.ID))
	if name := p.name(s); name != "" {
		text += " " + paint(st.text, quoted(name))
	}
	return p.f.limit(text)
}

// name is what a person knows a step's record by.
func (p *Printer) name(s Step) string {
	i := slices.IndexFunc(p.models, func(m wire.ModelInfo) bool { return m.Name == s.Model })
	var record map[string]any
	if i < 0 || json.Unmarshal(s.Record, &record) != nil {
		return ""
	}
	return recordName(p.models[i], record)
}
