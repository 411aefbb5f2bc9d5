package screen

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/show"
)

func TestALongResultIsFolded(t *testing.T) {
	rows := show.Decode(json.RawMessage("[" + strings.Repeat(`{"title":"n"},`, 99) + `{"title":"n"}]`))
	e := entry{shown: &rows}
	f := show.Formatter{Styles: theme("none"), Width: 80, Page: 20}
	lines := e.draw(f)
	if len(lines) != 16 || strings.TrimSpace(lines[15]) != "… 87 more lines, ^O to show" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	f.Page = 200
	if lines := e.draw(f); len(lines) != 102 {
		t.Errorf("%d lines on a large screen", len(lines))
	}
}
