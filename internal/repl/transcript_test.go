package repl

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestALongResultIsFolded(t *testing.T) {
	rows := decoded(json.RawMessage("[" + strings.Repeat(`{"title":"n"},`, 99) + `{"title":"n"}]`))
	e := entry{shown: &rows}
	f := formatter{styles: theme("none"), width: 80, page: 20}
	lines := e.draw(f)
	if len(lines) != 16 || strings.TrimSpace(lines[15]) != "… 87 more lines, ^O shows them" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	f.page = 200
	if lines := e.draw(f); len(lines) != 102 {
		t.Errorf("%d lines on a large screen", len(lines))
	}
}
