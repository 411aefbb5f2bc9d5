package upgrade

import (
	"slices"
	"strings"
)

// An entry is one item of a changelog.
type entry struct {
	section string // the headings that it stands under: "Unreleased, Added"
	text    string // with its lines
}

// entries returns the items of a changelog in the form of Keep a Changelog. A paragraph is
// an item, too.
func entries(changelog string) (found []entry) {
	var release, section string
	var text []string
	end := func() {
		if len(text) > 0 && release != "" {
			found = append(found, entry{strings.TrimSuffix(release+", "+section, ", "), strings.Join(text, "\n")})
		}
		text = nil
	}
	for line := range strings.Lines(changelog) {
		line = strings.TrimRight(line, " \r\n")
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			end()
			release, section = heading, ""
		} else if heading, ok := strings.CutPrefix(line, "### "); ok {
			end()
			section = heading
		} else if line == "" {
			end()
		} else {
			if strings.HasPrefix(line, "- ") {
				end()
			}
			text = append(text, line)
		}
	}
	end()
	return found
}

// newEntries returns the items of a changelog that another one lacks, but for those about
// tower's own code. Where an item stands does not count: a release moves it from Unreleased
// to its own heading.
func newEntries(changelog, than string) (found []entry) {
	known := entries(than)
	for _, e := range entries(changelog) {
		if !strings.HasSuffix(e.section, ", Internal") && !slices.ContainsFunc(known, func(k entry) bool { return k.text == e.text }) {
			found = append(found, e)
		}
	}
	return found
}
