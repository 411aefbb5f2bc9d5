package live

import (
	"cmp"
	"fmt"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// detail formats everything known about a commit.
func (h *activity) detail(f show.Formatter) []string {
	c := h.commit
	if c == nil {
		return f.Wrapped(f.Styles.Plain, term.Clean(h.note))
	}
	facts := []fact{{"by", authorOf(c.By)}, {"reached", h.reached()}}
	if c.Did != "" {
		facts = append(facts, fact{"did", term.Clean(c.Did)})
	}
	if c.ReachedAll > 0 {
		facts = append(facts, fact{"sent", "in " + show.Duration(c.Micros)}, fact{"applied", h.confirmed()})
	}
	head := term.Paint(f.Styles.Strong, fmt.Sprintf("#%d", c.Seq)) + "  " + term.Paint(f.Styles.Dim, c.At.Local().Format("2006-01-02 15:04:05.000000"))
	lines := append([]string{term.Cut(head, f.Width)}, factLines(f, facts)...)
	for _, change := range c.Changes {
		lines = append(lines, "", term.Cut(changeText(f, change, false), f.Width))
		lines = append(lines, indented(f, show.Indent, allValues(f, change))...)
	}
	if more := changesOf(c) - len(c.Changes); more > 0 {
		lines = append(lines, "", term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more changes", show.Grouped(more))))
	}
	if len(c.Reached) > 0 {
		lines = append(append(lines, ""), h.reaches(f, len(c.Reached))...)
	}
	return lines
}

// confirmed describes how many clients have applied the commit, and when the last one
// did.
func (h *activity) confirmed() string {
	if len(h.applied) == 0 {
		if !h.commit.Asked {
			return "not measured: too many commits at once"
		}
		return "no confirmation yet"
	}
	var last int64
	for _, micros := range h.applied {
		last = max(last, micros)
	}
	return fmt.Sprintf("by %s of %s, the last after %s", show.Grouped(len(h.applied)), show.Grouped(h.commit.ReachedAll), show.Duration(last))
}

// allValues formats the fields of a change: before and after for an update, otherwise
// the fields that have a value.
func allValues(f show.Formatter, c wire.ChangeInfo) []string {
	withValue := map[string]bool{}
	longest := 0
	for _, v := range c.Values {
		withValue[v.Name] = true
		longest = max(longest, term.Width(term.Clean(v.Name)))
	}
	longest = min(longest, f.Width/3)
	var lines []string
	for _, v := range c.Values {
		name := term.Paint(f.Styles.Dim, term.Pad(term.Cut(term.Clean(v.Name), longest), longest)) + show.Indent
		room := f.Width - len(show.Indent)*2 - longest
		switch text := cmp.Or(v.After, v.Before); {
		case c.Op == "update":
			lines = append(lines, name+fromTo(f, v, room))
		case text != `""` && text != "null" && text != "[]":
			lines = append(lines, name+term.Paint(jsonStyle(f, text), term.Cut(term.Clean(text), room)))
		}
	}
	for _, name := range c.Fields {
		if !withValue[name] && len(c.Values) < len(c.Fields) {
			lines = append(lines, term.Paint(f.Styles.Dim, term.Pad(term.Clean(name), longest)+show.Indent+"private"))
		}
	}
	return lines
}

// A fact is a labeled line in the details of a row.
type fact struct{ name, text string }

// factLines formats facts as labels and texts, wrapping long texts.
func factLines(f show.Formatter, facts []fact) []string {
	longest := 0
	for _, one := range facts {
		longest = max(longest, term.Width(one.name))
	}
	var lines []string
	for _, one := range facts {
		for i, line := range term.Wrap(one.text, max(f.Width-longest-len(show.Indent), 8)) {
			name := one.name
			if i > 0 {
				name = ""
			}
			lines = append(lines, term.Paint(f.Styles.Dim, term.Pad(name, longest))+show.Indent+line)
		}
	}
	return lines
}
