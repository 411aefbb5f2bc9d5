package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/term"
)

// A Formatter formats values as lines of text. It does not change while it formats, so
// copies of it may be used concurrently.
type Formatter struct {
	Styles term.Styles // colors
	Width  int         // cells in a line; 0 means no limit
	Raw    bool        // write a string result without quotes, for a pipe
	Page   int         // lines of the screen a result may use; 0 means no limit
	Whole  string      // how to get all of a list that is shown in part; "" says nothing
}

// Indent is the indentation of lines that belong to the line above, and the gap between
// columns of names and texts.
const Indent = "  "

const (
	longestText = 12 // lines of a field's text
	inlineItems = 20
)

// Lines formats a value as the result of a statement.
func (f Formatter) Lines(v Value) []string {
	switch {
	case v.Kind == Text:
		return f.prose(v)
	case v.Kind == String && f.Raw:
		return []string{v.Text}
	case v.Kind == Record:
		return f.block(v)
	case isTable(v):
		return f.Table(v)
	case v.Kind == String && v.Text != "":
		return f.Wrapped(f.Styles.Text, term.CleanLines(v.Text))
	case f.branches(v) && nested(v):
		return f.tree(v)
	case v.Kind == Object && f.branches(v):
		return f.block(v)
	case v.Kind == List && len(v.Items) > 0 && (len(v.Items) > inlineItems || f.Width > 0 && term.Width(Inline(v)) > f.Width):
		return f.list(v)
	}
	return []string{f.Limit(f.Inline(v))}
}

// Limit cuts a line to the width.
func (f Formatter) Limit(line string) string {
	if f.Width > 0 {
		return term.Cut(line, f.Width)
	}
	return line
}

// Wrapped breaks text into styled lines that fit the width.
func (f Formatter) Wrapped(style lipgloss.Style, text string) []string {
	lines := term.Wrap(text, f.Width)
	for i, line := range lines {
		lines[i] = term.Paint(style, line)
	}
	return lines
}

// prose formats text for reading: as wrapped paragraphs, or line by line if it
// describes data.
func (f Formatter) prose(v Value) []string {
	var lines []string
	for i, line := range strings.Split(term.CleanLines(v.Text), "\n") {
		style := f.Styles.Plain
		if i == 0 {
			style = f.Styles.Strong
		} else if marked, ok := f.marked(line); ok {
			style = marked
		}
		cells := f.Width
		if paragraph := v.Data == nil && !strings.HasPrefix(line, " "); paragraph && (cells == 0 || cells > readable) {
			cells = readable
		}
		for _, part := range term.Hang(line, cells) {
			lines = append(lines, term.Paint(style, part))
		}
	}
	return lines
}

// readable is the maximum width of a paragraph.
const readable = 88

// marked returns the style of a line that begins with a mark: added or true, removed or
// false, or changed.
func (f Formatter) marked(line string) (lipgloss.Style, bool) {
	mark, _, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	switch mark {
	case "+", "✓":
		return f.Styles.Good, true
	case "-", "✗":
		return f.Styles.Bad, true
	case "~":
		return f.Styles.Changed, true
	case "→":
		return f.Styles.Warn, true
	}
	return lipgloss.Style{}, false
}

// timesLast returns the fields of a record with createdAt and updatedAt last.
func timesLast(v Value) []Field {
	if v.Kind != Record {
		return v.Fields
	}
	isTime := func(f Field) bool { return f.Name == "createdAt" || f.Name == "updatedAt" }
	own := slices.DeleteFunc(slices.Clone(v.Fields), isTime)
	times := slices.DeleteFunc(slices.Clone(v.Fields), func(f Field) bool { return !isTime(f) })
	return append(own, times...)
}

// block formats a record or an object with one field to a line.
func (f Formatter) block(v Value) []string {
	fields, longest := timesLast(v), 0
	for _, field := range fields {
		longest = max(longest, term.Width(term.Clean(field.Name)))
	}
	if f.Width > 0 {
		longest = min(longest, max(f.Width/3, 6))
	}
	var lines []string
	for _, field := range fields {
		name := f.Styles.Dim.Render(term.Pad(term.Cut(term.Clean(field.Name), longest), longest)) + Indent
		inner := f
		if f.Width > 0 {
			inner.Width = max(f.Width-longest-len(Indent), 4)
		}
		for i, line := range inner.field(field.Value) {
			if i > 0 {
				name = strings.Repeat(" ", longest+len(Indent))
			}
			lines = append(lines, name+line)
		}
	}
	if hidden := v.Total - len(v.Fields); hidden > 0 {
		lines = append(lines, f.Styles.Dim.Render(fmt.Sprintf("%d more fields", hidden)))
	}
	return lines
}

// field formats a value beside its name: text on several lines, other values on one.
func (f Formatter) field(v Value) []string {
	if f.branches(v) {
		return f.tree(v)
	}
	if v.Kind != String || v.Text == "" {
		return []string{f.Limit(f.Inline(v))}
	}
	lines := f.Wrapped(f.styleOf(v), term.CleanLines(v.Text))
	if hidden := len(lines) - longestText; hidden > 0 && f.Width > 0 {
		lines = append(lines[:longestText], f.Limit(f.Styles.Dim.Render(fmt.Sprintf("… %d more lines", hidden))))
	}
	return lines
}

// list formats a list with one item to a line.
func (f Formatter) list(v Value) []string {
	var lines []string
	for _, item := range v.Items {
		lines = append(lines, f.Limit(f.Inline(item)))
	}
	return append(lines, f.Styles.Dim.Render(f.shownOf(len(v.Items), v.Total, "items")))
}

// shownOf says how many of a list are shown, and how to see the others.
func (f Formatter) shownOf(shown, total int, what string) string {
	if shown < total {
		text := fmt.Sprintf("%s of %s %s", Grouped(shown), Grouped(total), what)
		if f.Whole != "" {
			text += " · " + f.Whole
		}
		return text
	}
	if total == 1 {
		what = strings.TrimSuffix(what, "s")
	}
	return Grouped(total) + " " + what
}

func (f Formatter) styleOf(v Value) lipgloss.Style {
	switch v.Kind {
	case Undefined, Null, Symbol:
		return f.Styles.Dim
	case Bool, Function:
		return f.Styles.Keyword
	case Number:
		return f.Styles.Number
	case Time:
		return f.Styles.Time
	case Error:
		return f.Styles.Bad
	case String:
		if IsID(v.Text) {
			return f.Styles.ID
		}
		return f.Styles.Text
	}
	return f.Styles.Plain
}

// IsID reports whether text has the form of an id that the application generates. Ids
// sort by time.
func IsID(text string) bool {
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

// ShortID returns the end of an id, which is enough to distinguish it from other recent
// ids.
func ShortID(id string) string {
	if !IsID(id) {
		return term.Cut(term.Clean(id), 12)
	}
	return "…" + id[len(id)-4:]
}

// Inline formats a value on one line, without color.
func Inline(v Value) string { return Formatter{}.Inline(v) }

// Inline formats a value on one line, in JavaScript notation.
func (f Formatter) Inline(v Value) string {
	style := f.styleOf(v)
	switch v.Kind {
	case Undefined:
		return term.Paint(style, "undefined")
	case String:
		return term.Paint(style, Quoted(v.Text))
	case Function:
		return term.Paint(style, strings.TrimRight("ƒ "+term.Clean(v.Text), " "))
	case Error:
		return term.Paint(style, term.Clean(v.Label+": "+v.Text))
	case List:
		return f.inlineList(v)
	case Object, Record:
		return f.inlineObject(v)
	}
	return term.Paint(style, term.Clean(v.Text))
}

// Quoted returns text in quotes, as in JSON and JavaScript.
func Quoted(text string) string {
	return string(term.CleanJSON(appendText(nil, text)))
}

func (f Formatter) inlineList(v Value) string {
	var items []string
	for i, item := range v.Items {
		if i == inlineItems {
			break
		}
		items = append(items, f.Inline(item))
	}
	if hidden := v.Total - len(items); hidden > 0 {
		items = append(items, term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more", Grouped(hidden))))
	}
	label := ""
	if v.Label != "" {
		label = term.Clean(v.Label) + " "
	}
	return label + "[" + strings.Join(items, ", ") + "]"
}

func (f Formatter) inlineObject(v Value) string {
	var fields []string
	for _, field := range v.Fields {
		fields = append(fields, term.Paint(f.Styles.Dim, term.Clean(field.Name)+":")+" "+f.Inline(field.Value))
	}
	if hidden := v.Total - len(v.Fields); hidden > 0 {
		fields = append(fields, term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more", Grouped(hidden))))
	}
	label := ""
	if v.Label != "" {
		label = term.Clean(v.Label) + " "
	}
	return label + "{" + strings.Join(fields, ", ") + "}"
}

// Printed formats the arguments of print and console.log: strings unchanged, other
// values inline.
func (f Formatter) Printed(values []Value) []string {
	parts := make([]string, len(values))
	for i, v := range values {
		switch {
		case v.Kind == Text:
			parts[i] = term.CleanLines(v.Text)
		case v.Kind == String && f.Raw:
			parts[i] = v.Text
		case v.Kind == String:
			parts[i] = term.CleanLines(v.Text)
		default:
			parts[i] = f.Inline(v)
		}
	}
	return term.Wrap(strings.Join(parts, " "), f.Width)
}

// Failure formats an error: what failed, where, and a hint.
func (f Formatter) Failure(err *Failure) []string {
	st := f.Styles
	message := term.CleanLines(err.Message)
	if err.Title != "" {
		message = term.Clean(err.Title) + ": " + message
	}
	if err.At.Name != "" {
		message = term.Clean(err.At.String()) + ": " + message
	}
	lines := f.Wrapped(st.Bad, message)
	if err.Excerpt != "" {
		lines = append(lines, f.pointer(err)...)
	}
	longest := 0
	for _, p := range err.Problems {
		longest = max(longest, term.Width(term.Clean(p.Field)))
	}
	for _, p := range err.Problems {
		lines = append(lines, f.Limit(Indent+st.Strong.Render(term.Pad(term.Clean(p.Field), longest))+Indent+term.Clean(p.Text)))
	}
	if err.Hint != "" {
		for _, line := range term.Wrap(term.Clean(err.Hint), max(f.Width-len(Indent), 0)) {
			lines = append(lines, Indent+term.Paint(st.Warn, line))
		}
	}
	return lines
}

// pointer returns the source line of the error with a mark below the position. It
// shortens a long line to the text around the position.
func (f Formatter) pointer(err *Failure) []string {
	line, before := err.Excerpt, err.Before
	if room := f.Width - len(Indent); f.Width > 0 && term.Width(line) > room {
		skip := min(max(before-room*2/3, 0), max(term.Width(line)-room, 0))
		line, before = term.CutLeft(line, skip), before-skip
		line = term.Cut(line, room)
	}
	return []string{Indent + term.Paint(f.Styles.Dim, line), Indent + strings.Repeat(" ", max(before, 0)) + term.Paint(f.Styles.Bad, "^")}
}
