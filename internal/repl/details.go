package repl

import (
	"cmp"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
)

// detail is all that is known of a commit.
func (h *activity) detail(f formatter) []string {
	c := h.commit
	if c == nil {
		return f.wrapped(f.styles.plain, clean(h.note))
	}
	facts := []fact{{"by", maker(c.By)}, {"reached", reachedOf(c)}}
	if c.ReachedAll > 0 {
		facts = append(facts, fact{"sent", "in " + duration(c.Micros)}, fact{"applied", h.confirmed()})
	}
	head := paint(f.styles.strong, fmt.Sprintf("#%d", c.Seq)) + "  " + paint(f.styles.dim, c.At.Local().Format("2006-01-02 15:04:05.000000"))
	lines := append([]string{cut(head, f.width)}, factLines(f, facts)...)
	for _, change := range c.Changes {
		lines = append(lines, "", cut(changeText(f, change, false), f.width))
		lines = append(lines, indented(f, indent, allValues(f, change))...)
	}
	if more := changesOf(c) - len(c.Changes); more > 0 {
		lines = append(lines, "", paint(f.styles.dim, fmt.Sprintf("… %s more changes", grouped(more))))
	}
	if len(c.Reached) > 0 {
		lines = append(append(lines, ""), h.reaches(f, len(c.Reached))...)
	}
	return lines
}

// confirmed says who has applied the commit, and when the last did.
func (h *activity) confirmed() string {
	if len(h.applied) == 0 {
		if !h.commit.Asked {
			return "the clients were not asked: there are too many at once"
		}
		return "nobody has said so yet"
	}
	var last int64
	for _, micros := range h.applied {
		last = max(last, micros)
	}
	return fmt.Sprintf("by %s of %s, the last after %s", grouped(len(h.applied)), grouped(h.commit.ReachedAll), duration(last))
}

// allValues are the fields of a change: of an update before and after, of others
// those that hold something.
func allValues(f formatter, c wire.ChangeInfo) []string {
	named := map[string]bool{}
	longest := 0
	for _, v := range c.Values {
		named[v.Name] = true
		longest = max(longest, width(clean(v.Name)))
	}
	longest = min(longest, f.width/3)
	var lines []string
	for _, v := range c.Values {
		name := paint(f.styles.dim, pad(cut(clean(v.Name), longest), longest)) + indent
		room := f.width - len(indent)*2 - longest
		switch held := cmp.Or(v.After, v.Before); {
		case c.Op == "update":
			lines = append(lines, name+fromTo(f, v, room))
		case held != `""` && held != "null" && held != "[]":
			lines = append(lines, name+paint(jsonStyle(f, held), cut(clean(held), room)))
		}
	}
	for _, name := range c.Fields {
		if !named[name] && len(c.Values) < len(c.Fields) {
			lines = append(lines, paint(f.styles.dim, pad(clean(name), longest)+indent+"private"))
		}
	}
	return lines
}

// A fact is a line of what is known of something.
type fact struct{ name, text string }

// factLines are lines of names and texts; texts that are too long are wrapped.
func factLines(f formatter, facts []fact) []string {
	longest := 0
	for _, one := range facts {
		longest = max(longest, width(one.name))
	}
	var lines []string
	for _, one := range facts {
		for i, line := range wrap(one.text, max(f.width-longest-len(indent), 8)) {
			name := one.name
			if i > 0 {
				name = ""
			}
			lines = append(lines, paint(f.styles.dim, pad(name, longest))+indent+line)
		}
	}
	return lines
}
