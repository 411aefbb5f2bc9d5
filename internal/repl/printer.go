package repl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Printer prints the contents of a cursor and the steps that change them, as text or
// as lines of JSON. It is not safe for concurrent use.
type Printer struct {
	out    io.Writer
	json   bool
	f      show.Formatter
	models []wire.ModelInfo
}

// NewPrinter returns a printer for records of the application that hello describes.
// With asJSON it prints JSON; otherwise, if out is a terminal, it uses colors and fits
// lines to the width.
func NewPrinter(out io.Writer, hello wire.ControlHello, asJSON bool) *Printer {
	o := Options{Output: out}
	return &Printer{out: out, json: asJSON, f: o.lineFormatter(out), models: hello.Models}
}

// Steps prints the steps, one to a line. It fails if writing fails.
func (p *Printer) Steps(steps []replica.Step) error {
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
		out.Write(append(term.CleanJSON(line), '\n'))
	}
	if _, err := p.out.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// All prints the records of a cursor, or its value. It fails if writing fails.
func (p *Printer) All(h *control.Replica) error {
	var lines []string
	switch {
	case p.json && h.Value != nil:
		lines = append(lines, string(term.CleanJSON(h.Value)))
	case p.json:
		for _, record := range h.Records() {
			lines = append(lines, string(term.CleanJSON(record)))
		}
	case h.Value != nil:
		lines = p.f.Lines(show.Decode(h.Value))
	default:
		v := show.Value{Kind: show.List, Total: h.Len()}
		for _, record := range h.Records() {
			one := show.Decode(record)
			one.Kind, one.Label = show.Record, h.Model
			v.Items = append(v.Items, one)
		}
		lines = []string{p.f.Styles.Dim.Render("no records")}
		if h.Len() > 0 {
			lines = p.f.Table(v)
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// line formats a step as text.
func (p *Printer) line(s replica.Step) string {
	st := p.f.Styles
	switch s.Op {
	case "value":
		return term.Paint(st.Changed, "=") + " " + p.f.Inline(show.Decode(s.Value))
	case "current":
		return term.Paint(st.Dim, fmt.Sprintf("%s, up to #%d", show.Counted(*s.Count, "record"), s.Seq))
	case "resync":
		return term.Paint(st.Warn, "read again:  "+term.Clean(s.Reason))
	}
	mark := map[string]string{"enter": term.Paint(st.Good, "+ enter "), "change": term.Paint(st.Changed, "~ change"), "leave": term.Paint(st.Bad, "− leave ")}[s.Op]
	text := mark + " " + term.Clean(s.Model) + term.Paint(st.Dim, "/"+term.Clean(s.ID))
	if name := p.name(s); name != "" {
		text += " " + term.Paint(st.Text, show.Quoted(name))
	}
	return p.f.Limit(text)
}

// name returns the name a person knows a step's record by, or "".
func (p *Printer) name(s replica.Step) string {
	i := slices.IndexFunc(p.models, func(m wire.ModelInfo) bool { return m.Name == s.Model })
	var record map[string]any
	if i < 0 || json.Unmarshal(s.Record, &record) != nil {
		return ""
	}
	return show.RecordName(p.models[i], record)
}
