package show

import (
	"slices"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/repl/term"
)

// branches reports whether a value contains others and does not fit on a line.
func (f Formatter) branches(v Value) bool {
	holds := len(v.Items) > 0 || len(v.Fields) > 0
	return holds && f.Width > 0 && term.Width(Inline(v)) > f.Width
}

// nested reports whether an element of a value contains further values.
func nested(v Value) bool {
	holds := func(v Value) bool { return len(v.Items) > 0 || len(v.Fields) > 0 }
	return slices.ContainsFunc(v.Items, holds) || slices.ContainsFunc(v.Fields, func(f Field) bool { return holds(f.Value) })
}

// tree formats nested values with one line for each. Values that fit on one line stay
// on it.
func (f Formatter) tree(v Value) []string {
	children := v.Fields
	if v.Kind == List {
		children = nil
		for i, item := range v.Items {
			children = append(children, Field{strconv.Itoa(i), item})
		}
	}
	longest := 0
	for _, child := range children {
		longest = max(longest, term.Width(term.Clean(child.Name)))
	}
	longest = min(longest, max(f.Width/3, 4))
	hidden := v.Total - len(children)
	var lines []string
	for i, child := range children {
		last := i == len(children)-1 && hidden <= 0
		lines = append(lines, f.branch(child, longest, last)...)
	}
	if hidden > 0 {
		lines = append(lines, term.Paint(f.Styles.Rule, "└ ")+term.Paint(f.Styles.Dim, "… "+Grouped(hidden)+" more"))
	}
	return lines
}

// branch formats one element of a nested value.
func (f Formatter) branch(child Field, longest int, last bool) []string {
	mark, below := "├ ", "│ "
	if last {
		mark, below = "└ ", "  "
	}
	name := term.Paint(f.Styles.Dim, term.Pad(term.Cut(term.Clean(child.Name), longest), longest))
	inner := f
	inner.Width = max(f.Width-len(Indent)-longest-len(Indent), 4)
	if inner.branches(child.Value) {
		inner.Width = max(f.Width-len(Indent), 4)
		lines := []string{term.Paint(f.Styles.Rule, mark) + strings.TrimRight(name, " ")}
		for _, line := range inner.tree(child.Value) {
			lines = append(lines, term.Paint(f.Styles.Rule, below)+line)
		}
		return lines
	}
	var lines []string
	for i, line := range inner.field(child.Value) {
		if i == 0 {
			lines = append(lines, term.Paint(f.Styles.Rule, mark)+name+Indent+line)
		} else {
			lines = append(lines, term.Paint(f.Styles.Rule, below)+strings.Repeat(" ", longest+len(Indent))+line)
		}
	}
	return lines
}
