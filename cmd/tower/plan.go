package main

import (
	"fmt"
	"io"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/scaffolds"
)

// applyPlan prints a plan and applies it, unless dryRun is set. It returns an error for a
// plan with conflicts, and writes nothing.
func applyPlan(out io.Writer, plan *scaffolds.Plan, dryRun bool) error {
	if err := plan.Print(out, planStyle(out)); err != nil {
		return err
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 && !dryRun {
		return cli.Hinted(fmt.Errorf("%s differs from the generated file; nothing was written", conflicts[0].Path),
			"move it, or overwrite it with --force")

	}
	if dryRun {
		return nil
	}
	return plan.Apply()
}

// planStyle returns the colors of a printed plan, or nil if out is no terminal.
func planStyle(out io.Writer) scaffolds.Style {
	if !cli.HasColor(out) {
		return nil
	}
	colors := map[string]string{"create": "32", "insert": "32", "identical": "90", "overwrite": "33", "conflict": "31", "remove": "31", "keep": "33", "+": "32", "-": "31", "@": "36"}
	return func(what, text string) string {
		if code, ok := colors[what]; ok {
			return "\x1b[" + code + "m" + text + "\x1b[0m"
		}
		return text
	}
}
