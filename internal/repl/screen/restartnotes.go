package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// whatChanged describes how a restarted application differs from the previous one.
func whatChanged(before, after wire.ControlHello) []string {
	what := "The application was restarted."
	if after.Build != before.Build {
		what = "The application was rebuilt. Variables are kept."
	}
	if after.Epoch != before.Epoch {
		what += " It has a different store."
	}
	notes := []string{what}
	for _, m := range after.Models {
		i := slices.IndexFunc(before.Models, func(old wire.ModelInfo) bool { return old.Name == m.Name })
		if i < 0 {
			notes = append(notes, "Model "+term.Clean(m.Type)+" was added.")
		} else if changed := fieldsChanged(before.Models[i], m); changed != "" {
			notes = append(notes, term.Clean(m.Type)+" "+changed+".")
		}
	}
	for _, m := range before.Models {
		if !slices.ContainsFunc(after.Models, func(now wire.ModelInfo) bool { return now.Name == m.Name }) {
			notes = append(notes, "Model "+term.Clean(m.Type)+" was removed.")
		}
	}
	return notes
}

func fieldsChanged(before, after wire.ModelInfo) string {
	types := func(m wire.ModelInfo) map[string]string {
		out := map[string]string{}
		for _, f := range m.Fields {
			out[f.Name] = f.Type
		}
		return out
	}
	was, is := types(before), types(after)
	var gained, other, lost []string
	for _, f := range after.Fields {
		if old, known := was[f.Name]; !known {
			gained = append(gained, term.Clean(f.Name))
		} else if old != f.Type {
			other = append(other, fmt.Sprintf("%s (%s)", term.Clean(f.Name), term.Clean(f.Type)))
		}
	}
	for _, f := range before.Fields {
		if _, known := is[f.Name]; !known {
			lost = append(lost, term.Clean(f.Name))
		}
	}
	var parts []string
	for _, part := range []struct {
		does  string
		names []string
	}{{"gained ", gained}, {"changed ", other}, {"lost ", lost}} {
		if len(part.names) > 0 {
			parts = append(parts, part.does+strings.Join(part.names, ", "))
		}
	}
	return strings.Join(parts, ", ")
}
