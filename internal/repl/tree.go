package repl

import (
	"slices"
	"strconv"
	"strings"
)

// branches tells whether a value holds others and does not fit on a line.
func (f formatter) branches(v value) bool {
	holds := len(v.items) > 0 || len(v.fields) > 0
	return holds && f.width > 0 && width(inline(v)) > f.width
}

// nested tells whether what a value holds holds something itself.
func nested(v value) bool {
	holds := func(v value) bool { return len(v.items) > 0 || len(v.fields) > 0 }
	return slices.ContainsFunc(v.items, holds) || slices.ContainsFunc(v.fields, func(f field) bool { return holds(f.value) })
}

// tree shows what a value holds, and what that holds, a line each. What fits on
// one line stays on it.
func (f formatter) tree(v value) []string {
	children := v.fields
	if v.kind == listValue {
		children = nil
		for i, item := range v.items {
			children = append(children, field{strconv.Itoa(i), item})
		}
	}
	longest := 0
	for _, child := range children {
		longest = max(longest, width(clean(child.name)))
	}
	longest = min(longest, max(f.width/3, 4))
	hidden := v.total - len(children)
	var lines []string
	for i, child := range children {
		last := i == len(children)-1 && hidden <= 0
		lines = append(lines, f.branch(child, longest, last)...)
	}
	if hidden > 0 {
		lines = append(lines, paint(f.styles.rule, "└ ")+paint(f.styles.dim, "… "+grouped(hidden)+" more"))
	}
	return lines
}

// branch is one of the values that another holds.
func (f formatter) branch(child field, longest int, last bool) []string {
	mark, below := "├ ", "│ "
	if last {
		mark, below = "└ ", "  "
	}
	name := paint(f.styles.dim, pad(cut(clean(child.name), longest), longest))
	inner := f
	inner.width = max(f.width-len(indent)-longest-len(indent), 4)
	if inner.branches(child.value) {
		inner.width = max(f.width-len(indent), 4)
		lines := []string{paint(f.styles.rule, mark) + strings.TrimRight(name, " ")}
		for _, line := range inner.tree(child.value) {
			lines = append(lines, paint(f.styles.rule, below)+line)
		}
		return lines
	}
	var lines []string
	for i, line := range inner.field(child.value) {
		if i == 0 {
			lines = append(lines, paint(f.styles.rule, mark)+name+indent+line)
		} else {
			lines = append(lines, paint(f.styles.rule, below)+strings.Repeat(" ", longest+len(indent))+line)
		}
	}
	return lines
}
