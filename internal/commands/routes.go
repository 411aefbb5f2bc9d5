package commands

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// Routes returns the command routes.
func (find Find) Routes() *cobra.Command {
	var asJSON, curl bool
	var pattern, as string
	var choice *Choice
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "List actions, pages, cursors and handlers",
		Long: `List the application's actions, pages, cursors, handlers and mounted handlers. If the
application is not running, tower routes starts it.`,
		Example: `  tower routes
  tower routes -g posts
  tower routes --as 01JZ8Y0K4N5Q6R7S8T9V0W1X2Y
  tower routes --as ''
  tower routes --json
  tower routes --curl -g 'POST /posts'`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			matching, err := regexp.Compile("(?im)" + pattern)
			if err != nil {
				return cli.Usage(fmt.Sprintf("--grep %q is not a pattern: %v", pattern, err), "it is a regular expression, for example: post|user")
			}
			routes, url, err := fetchRoutes(cmd, choice, as, cmd.Flags().Changed("as"))
			if err != nil {
				return err
			}
			shown := []wire.Route{}
			for _, route := range routes {
				if matching.MatchString(strings.Join([]string{route.Kind, route.Method + " " + route.Path, route.Name, route.Controller, route.Action}, "\n")) {
					shown = append(shown, route)
				}
			}
			if len(shown) == 0 && len(routes) > 0 {
				return cli.Hinted(errors.New("no route matches"), "see all routes: tower routes")
			}
			switch out := cmd.OutOrStdout(); {
			case asJSON:
				return printRoutesJSON(out, shown)
			case curl:
				printCurl(out, shown, url)
			default:
				printRoutes(out, shown)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each route as a line of JSON")
	cmd.Flags().BoolVar(&curl, "curl", false, "print curl commands that call the actions and pages")
	cmd.Flags().StringVarP(&pattern, "grep", "g", "", "list only routes that match this regular expression")
	cmd.Flags().StringVar(&as, "as", "", "list only what the user with this id may use; empty: what a visitor may use")
	choice = find.ChooseRunning(cmd, "environment in which to start an application that is not running")
	return cmd
}

func fetchRoutes(cmd *cobra.Command, choice *Choice, as string, allowed bool) (routes []wire.Route, url string, err error) {
	err = choice.with(cmd, func(d *dialer) error {
		connected, err := d.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer connected.Close()
		req := wire.ControlRequest{Do: wire.DoRoutes}
		if allowed {
			req = wire.ControlRequest{Do: wire.DoAllowed, As: as}
		}
		if url = connected.Hello().URL; d.started != nil {
			url = d.app.URL
		}
		return connected.Do(cmd.Context(), req, &routes)
	})
	return routes, url, err
}

func printRoutesJSON(out io.Writer, routes []wire.Route) error {
	for _, route := range routes {
		line, err := wire.Encode(route)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n", term.CleanJSON(line)); err != nil {
			return err
		}
	}
	return nil
}

// printRoutes prints a table. Each column is as wide as its longest cell, and no line is
// wrapped, so that a pipe can split the lines.
func printRoutes(out io.Writer, routes []wire.Route) {
	rows := [][]string{{"KIND", "METHOD", "PATH", "NAME", "ACTION", "INPUTS", "HELD"}}
	for _, route := range routes {
		held := ""
		if route.Kind == "cursor" {
			held = strconv.Itoa(route.Holders)
		}
		rows = append(rows, []string{route.Kind, route.Method, route.Path, route.Name, strings.TrimPrefix(route.Controller+"."+route.Action, "."), route.InputList(), held})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = term.Clean(cell)
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	color := cli.HasColor(out)
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(paint(color, n, i, row[0], cell))
			line.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

func paint(color bool, row, column int, kind, cell string) string {
	codes := map[string]string{"action": "35", "page": "36", "cursor": "32", "handler": "36", "mount": "2"}
	switch {
	case !color || cell == "":
		return cell
	case row == 0:
		return "\x1b[2m" + cell + "\x1b[0m"
	case column == 0:
		return "\x1b[" + codes[kind] + "m" + cell + "\x1b[0m"
	}
	return cell
}

func printCurl(out io.Writer, routes []wire.Route, url string) {
	for _, route := range routes {
		switch {
		case route.Kind == "cursor":
		case route.Kind == "handler" && route.Method != "":
			fmt.Fprintf(out, "curl -X %s '%s%s'\n", route.Method, url, route.Path)
		case route.Method == "GET" || route.Method == "":
			fmt.Fprintf(out, "curl '%s%s'\n", url, route.Path)
		default:
			fmt.Fprintf(out, "curl -X %s '%s%s' -H 'Content-Type: application/json' -d '%s'\n", route.Method, url, route.Path, ExampleInput(route, ""))
		}
	}
}

// ExampleInput returns an input in JSON with text as every string. It omits the inputs
// that are in the path.
func ExampleInput(route wire.Route, text string) string {
	values := map[string]string{"string": strconv.Quote(text), "id": `""`, "time": `"2026-01-31T12:00:00Z"`, "bool": "false", "object": "{}"}
	var parts []string
	for _, input := range route.Inputs {
		if strings.Contains(route.Path, "{"+input.Name+"}") {
			continue
		}
		value := values[input.Type]
		switch {
		case strings.HasPrefix(input.Type, "[]"):
			value = "[]"
		case value == "":
			value = "0"
		}
		parts = append(parts, strconv.Quote(input.Name)+":"+value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}
