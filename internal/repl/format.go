package repl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// A formatter lays values out for reading.
type formatter struct {
	styles styles
	width  int  // cells in a line; 0 is as many as it takes
	raw    bool // a string that stands alone is written as it is, for a pipe
	page   int  // lines of the screen that a result may take; 0: as many as it needs
}

const (
	indent      = "  "
	longestText = 12 // lines of one field's text
	inlineItems = 20
)

// lines shows a value as the result of a statement.
func (f formatter) lines(v value) []string {
	switch {
	case v.kind == textValue:
		return f.prose(v)
	case v.kind == stringValue && f.raw:
		return []string{v.text}
	case v.kind == recordValue:
		return f.block(v)
	case isTable(v):
		return f.table(v)
	case v.kind == stringValue && v.text != "":
		return f.wrapped(f.styles.text, cleanLines(v.text))
	case f.branches(v) && nested(v):
		return f.tree(v)
	case v.kind == objectValue && f.branches(v):
		return f.block(v)
	case v.kind == listValue && len(v.items) > 0 && (len(v.items) > inlineItems || f.width > 0 && width(inline(v)) > f.width):
		return f.list(v)
	}
	return []string{f.limit(f.inline(v))}
}

func (f formatter) limit(line string) string {
	if f.width > 0 {
		return cut(line, f.width)
	}
	return line
}

func (f formatter) wrapped(style lipgloss.Style, text string) []string {
	lines := wrap(text, f.width)
	for i, line := range lines {
		lines[i] = paint(style, line)
	}
	return lines
}

// prose is text to be read: paragraphs where it is that alone, else a line each.
func (f formatter) prose(v value) []string {
	var lines []string
	for i, line := range strings.Split(cleanLines(v.text), "\n") {
		style := f.styles.plain
		if i == 0 {
			style = f.styles.strong
		} else if marked, ok := f.marked(line); ok {
			style = marked
		}
		cells := f.width
		if paragraph := v.data == nil && !strings.HasPrefix(line, " "); paragraph && (cells == 0 || cells > readable) {
			cells = readable
		}
		for _, part := range hang(line, cells) {
			lines = append(lines, paint(style, part))
		}
	}
	return lines
}

// readable is how wide a paragraph is at most.
const readable = 88

// marked is the style of a line that begins with a mark: of what came or holds,
// what went or does not, and what changed.
func (f formatter) marked(line string) (lipgloss.Style, bool) {
	mark, _, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	switch mark {
	case "+", "✓":
		return f.styles.good, true
	case "-", "✗":
		return f.styles.bad, true
	case "~":
		return f.styles.changed, true
	case "→":
		return f.styles.warn, true
	}
	return lipgloss.Style{}, false
}

// timesLast is the fields of a record as a person reads them: what it is, then
// when it was written.
func timesLast(v value) []field {
	if v.kind != recordValue {
		return v.fields
	}
	isTime := func(f field) bool { return f.name == "createdAt" || f.name == "updatedAt" }
	own := slices.DeleteFunc(slices.Clone(v.fields), isTime)
	times := slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return !isTime(f) })
	return append(own, times...)
}

// block is a record or an object, a field to a line.
func (f formatter) block(v value) []string {
	fields, longest := timesLast(v), 0
	for _, field := range fields {
		longest = max(longest, width(clean(field.name)))
	}
	if f.width > 0 {
		longest = min(longest, max(f.width/3, 6))
	}
	var lines []string
	for _, field := range fields {
		name := f.styles.dim.Render(pad(cut(clean(field.name), longest), longest)) + indent
		inner := f
		if f.width > 0 {
			inner.width = max(f.width-longest-len(indent), 4)
		}
		for i, line := range inner.field(field.value) {
			if i > 0 {
				name = strings.Repeat(" ", longest+len(indent))
			}
			lines = append(lines, name+line)
		}
	}
	if hidden := v.total - len(v.fields); hidden > 0 {
		lines = append(lines, f.styles.dim.Render(fmt.Sprintf("%d more fields", hidden)))
	}
	return lines
}

// field is a value beside its name: text over several lines, the rest on one.
func (f formatter) field(v value) []string {
	if f.branches(v) {
		return f.tree(v)
	}
	if v.kind != stringValue || v.text == "" {
		return []string{f.limit(f.inline(v))}
	}
	lines := f.wrapped(f.styleOf(v), cleanLines(v.text))
	if hidden := len(lines) - longestText; hidden > 0 && f.width > 0 {
		lines = append(lines[:longestText], f.limit(f.styles.dim.Render(fmt.Sprintf("… %d more lines", hidden))))
	}
	return lines
}

// list is a list of anything, an item to a line.
func (f formatter) list(v value) []string {
	var lines []string
	for _, item := range v.items {
		lines = append(lines, f.limit(f.inline(item)))
	}
	return append(lines, f.styles.dim.Render(shownOf(len(v.items), v.total, "items")))
}

func shownOf(shown, total int, what string) string {
	if shown < total {
		return fmt.Sprintf("%s of %s %s", grouped(shown), grouped(total), what)
	}
	if total == 1 {
		what = strings.TrimSuffix(what, "s")
	}
	return grouped(total) + " " + what
}

func (f formatter) styleOf(v value) lipgloss.Style {
	switch v.kind {
	case undefinedValue, nullValue, symbolValue:
		return f.styles.dim
	case boolValue, functionValue:
		return f.styles.keyword
	case numberValue:
		return f.styles.number
	case timeValue:
		return f.styles.time
	case errorValue:
		return f.styles.bad
	case stringValue:
		if isID(v.text) {
			return f.styles.id
		}
		return f.styles.text
	}
	return f.styles.plain
}

// isID recognizes the ids that the application makes, which sort by time.
func isID(text string) bool {
	if len(text) != 26 || text[0] > '7' {
		return false
	}
	for _, c := range []byte(text) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// shortID is the end of an id, which tells it from its neighbors.
func shortID(id string) string {
	if !isID(id) {
		return cut(clean(id), 12)
	}
	return "…" + id[len(id)-4:]
}

// inline is a value on one line, without color.
func inline(v value) string { return formatter{}.inline(v) }

// inline is a value on one line, as a program would write it.
func (f formatter) inline(v value) string {
	style := f.styleOf(v)
	switch v.kind {
	case undefinedValue:
		return paint(style, "undefined")
	case stringValue:
		return paint(style, quoted(v.text))
	case functionValue:
		return paint(style, strings.TrimRight("ƒ "+clean(v.text), " "))
	case errorValue:
		return paint(style, clean(v.label+": "+v.text))
	case listValue:
		return f.inlineList(v)
	case objectValue, recordValue:
		return f.inlineObject(v)
	}
	return paint(style, clean(v.text))
}

func quoted(text string) string {
	return string(appendText(nil, cleaned(text, "\n")))
}

func (f formatter) inlineList(v value) string {
	var items []string
	for i, item := range v.items {
		if i == inlineItems {
			break
		}
		items = append(items, f.inline(item))
	}
	if hidden := v.total - len(items); hidden > 0 {
		items = append(items, paint(f.styles.dim, fmt.Sprintf("… %s more", grouped(hidden))))
	}
	label := ""
	if v.label != "" {
		label = clean(v.label) + " "
	}
	return label + "[" + strings.Join(items, ", ") + "]"
}

func (f formatter) inlineObject(v value) string {
	var fields []string
	for _, field := range v.fields {
		fields = append(fields, paint(f.styles.dim, clean(field.name)+":")+" "+f.inline(field.value))
	}
	if v.total > len(v.fields) {
		fields = append(fields, "…")
	}
	label := ""
	if v.label != "" {
		label = clean(v.label) + " "
	}
	return label + "{" + strings.Join(fields, ", ") + "}"
}

// printed is what print and console.log show: strings as they are, the rest inline.
func (f formatter) printed(values []value) []string {
	parts := make([]string, len(values))
	for i, v := range values {
		switch {
		case v.kind == textValue:
			parts[i] = cleanLines(v.text)
		case v.kind == stringValue && f.raw:
			parts[i] = v.text
		case v.kind == stringValue:
			parts[i] = cleanLines(v.text)
		default:
			parts[i] = f.inline(v)
		}
	}
	return wrap(strings.Join(parts, " "), f.width)
}

// failure shows what went wrong, where, and what to do next.
func (f formatter) failure(err *failure) []string {
	st := f.styles
	message := cleanLines(err.message)
	if err.title != "" {
		message = clean(err.title) + ": " + message
	}
	if err.at.name != "" {
		message = err.at.String() + ": " + message
	}
	lines := f.wrapped(st.bad, message)
	if err.excerpt != "" {
		lines = append(lines, f.pointer(err)...)
	}
	longest := 0
	for _, p := range err.problems {
		longest = max(longest, width(clean(p.field)))
	}
	for _, p := range err.problems {
		lines = append(lines, f.limit(indent+st.strong.Render(pad(clean(p.field), longest))+indent+clean(p.text)))
	}
	if err.hint != "" {
		for _, line := range wrap(clean(err.hint), max(f.width-len(indent), 0)) {
			lines = append(lines, indent+paint(st.warn, line))
		}
	}
	return lines
}

// pointer is the line that is wrong, with a mark below the place; of a long
// line, the part around it.
func (f formatter) pointer(err *failure) []string {
	line, before := err.excerpt, err.before
	if room := f.width - len(indent); f.width > 0 && width(line) > room {
		skip := min(max(before-room*2/3, 0), max(width(line)-room, 0))
		line, before = cutLeft(line, skip), before-skip
		line = cut(line, room)
	}
	return []string{indent + paint(f.styles.dim, line), indent + strings.Repeat(" ", max(before, 0)) + paint(f.styles.bad, "^")}
}
