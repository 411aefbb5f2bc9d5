package script

import (
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
)

// suggestName is a hint at a global name that may have been meant.
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
		return "there is nothing here but the application: help()"
	case redacted:
		return "a secret stood here, which is not kept: type it again"
	}
	return show.DidYouMean(name, append(names, e.globals()...))
}
