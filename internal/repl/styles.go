package repl

import "github.com/charmbracelet/lipgloss"

// styles are the few colors of the console, by what they mean.
type styles struct {
	plain   lipgloss.Style
	strong  lipgloss.Style // names, headings
	accent  lipgloss.Style // what has the focus
	prompt  lipgloss.Style // red where one is in production
	dim     lipgloss.Style // what can be overlooked
	rule    lipgloss.Style // lines between panes
	good    lipgloss.Style // created, entered, applied
	changed lipgloss.Style
	bad     lipgloss.Style // deleted, left, wrong
	warn    lipgloss.Style

	text    lipgloss.Style // strings
	number  lipgloss.Style
	keyword lipgloss.Style // true, null, and the words of the language
	time    lipgloss.Style
	id      lipgloss.Style
}

// A palette gives each meaning its color.
type palette struct {
	accent, dim, rule, good, changed, bad, warn, text, number, keyword lipgloss.TerminalColor
}

// screenPalette is for the full screen, where the background is known.
var screenPalette = palette{
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

// linePalette is for lines among others in a terminal, whose background is not
// asked for: the terminal's own colors.
var linePalette = palette{
	accent: lipgloss.Color("5"), dim: lipgloss.Color("8"), rule: lipgloss.Color("8"),
	good: lipgloss.Color("2"), changed: lipgloss.Color("4"), bad: lipgloss.Color("1"), warn: lipgloss.Color("3"),
	text: lipgloss.Color("2"), number: lipgloss.Color("6"), keyword: lipgloss.Color("5"),
}

func newStyles(r *lipgloss.Renderer, p palette) styles {
	in := func(c lipgloss.TerminalColor) lipgloss.Style { return r.NewStyle().Foreground(c) }
	return styles{
		plain: r.NewStyle(), strong: r.NewStyle().Bold(true), accent: in(p.accent).Bold(true), prompt: in(p.accent).Bold(true), dim: in(p.dim), rule: in(p.rule),
		good: in(p.good), changed: in(p.changed), bad: in(p.bad), warn: in(p.warn),
		text: in(p.text), number: in(p.number), keyword: in(p.keyword), time: in(p.changed), id: in(p.dim),
	}
}

// inEnv are the styles of a console in an environment.
func (st styles) inEnv(env string) styles {
	if env == "production" {
		st.prompt = st.bad.Bold(true)
	}
	return st
}

// paint styles text, which holds no line breaks. An empty text stays empty.
func paint(style lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	return style.Render(text)
}
