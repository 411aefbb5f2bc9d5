package term

import "github.com/charmbracelet/lipgloss"

// Styles are the console's colors, named by meaning. They are read-only after
// [NewStyles].
type Styles struct {
	Plain   lipgloss.Style // no color
	Strong  lipgloss.Style // names, headings
	Accent  lipgloss.Style // the focused element
	Prompt  lipgloss.Style // red in production
	Dim     lipgloss.Style // secondary text
	Rule    lipgloss.Style // lines between panes
	Good    lipgloss.Style // created, entered, applied
	Changed lipgloss.Style // changed, moved
	Bad     lipgloss.Style // deleted, left, errors
	Warn    lipgloss.Style // attention needed

	Text    lipgloss.Style // strings
	Number  lipgloss.Style // numbers
	Keyword lipgloss.Style // true, null and JavaScript keywords
	Time    lipgloss.Style // times
	ID      lipgloss.Style // ids of records
}

// A Palette assigns a color to each meaning.
type Palette struct {
	accent, dim, rule, good, changed, bad, warn, text, number, keyword lipgloss.TerminalColor
}

// ScreenPalette is for the full screen, where the console knows the background color.
var ScreenPalette = Palette{
	accent:  lipgloss.AdaptiveColor{Light: "#5b4bc4", Dark: "#a99cff"},
	dim:     lipgloss.AdaptiveColor{Light: "#73737d", Dark: "#858a99"},
	rule:    lipgloss.AdaptiveColor{Light: "#d0d0d8", Dark: "#3b3f4c"},
	good:    lipgloss.AdaptiveColor{Light: "#1b7f3b", Dark: "#84d39a"},
	changed: lipgloss.AdaptiveColor{Light: "#1f6fb8", Dark: "#82b4ff"},
	bad:     lipgloss.AdaptiveColor{Light: "#c2362b", Dark: "#ff8f88"},
	warn:    lipgloss.AdaptiveColor{Light: "#94620a", Dark: "#e8c47c"},
	text:    lipgloss.AdaptiveColor{Light: "#1b7f3b", Dark: "#a8d8a0"},
	number:  lipgloss.AdaptiveColor{Light: "#0d7680", Dark: "#7cd3d8"},
	keyword: lipgloss.AdaptiveColor{Light: "#8a3fa8", Dark: "#d3a2ec"},
}

// LinePalette is for lines in a terminal whose background color is unknown. It uses the
// terminal's own colors.
var LinePalette = Palette{
	accent: lipgloss.Color("5"), dim: lipgloss.Color("8"), rule: lipgloss.Color("8"),
	good: lipgloss.Color("2"), changed: lipgloss.Color("4"), bad: lipgloss.Color("1"), warn: lipgloss.Color("3"),
	text: lipgloss.Color("2"), number: lipgloss.Color("6"), keyword: lipgloss.Color("5"),
}

// NewStyles returns the styles of p as r renders them.
func NewStyles(r *lipgloss.Renderer, p Palette) Styles {
	in := func(c lipgloss.TerminalColor) lipgloss.Style { return r.NewStyle().Foreground(c) }
	return Styles{
		Plain: r.NewStyle(), Strong: r.NewStyle().Bold(true), Accent: in(p.accent).Bold(true), Prompt: in(p.accent).Bold(true), Dim: in(p.dim), Rule: in(p.rule),
		Good: in(p.good), Changed: in(p.changed), Bad: in(p.bad), Warn: in(p.warn),
		Text: in(p.text), Number: in(p.number), Keyword: in(p.keyword), Time: in(p.changed), ID: in(p.dim),
	}
}

// InEnv returns the styles of a console attached to an application in env. The prompt
// is red in production.
func (st Styles) InEnv(env string) Styles {
	if env == "production" {
		st.Prompt = st.Bad.Bold(true)
	}
	return st
}

// Paint applies style to text, which must not contain line breaks. An empty text stays
// empty.
func Paint(style lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	return style.Render(text)
}
