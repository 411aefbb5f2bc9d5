package script

import (
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
)

// suggestName returns a hint for an undefined global name, or "".
func (e *Evaluator) suggestName(name string) string {
	var names []string
	for _, m := range e.models {
		if strings.EqualFold(name, m.info.Name) || strings.EqualFold(name, m.name) {
			return "did you mean " + m.name + "?"
		}
		names = append(names, m.name)
	}
	switch name {
	case "require", "module", "process", "fetch", "window", "document", "setTimeout":
		return "only the application is available here: help()"
	case redacted:
		return "the history does not store secrets: type it again"
	}
	return show.DidYouMean(name, append(names, e.globals()...))
}
