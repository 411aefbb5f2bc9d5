package dev

import "fmt"

// A Note is what a build that serves says to its developers: how its models differ from
// what is stored.
type Note struct {
	Title   string   `json:"title"`
	Lines   []string `json:"lines"`             // what has changed
	Misfits []string `json:"misfits,omitempty"` // records that do not fit
	Hint    string   `json:"hint,omitempty"`    // what to do
	Build   int      `json:"build"`             // of the program, from 1
}

// print prints the note. What does not fit is in the log of the application.
func (n *Note) print(t *terminal) {
	t.printLine(n.Title)
	for _, line := range n.Lines {
		t.printDetail(line)
	}
	if n.Hint != "" {
		t.printDetail(fmt.Sprintf("→ %s", n.Hint))
	}
}
