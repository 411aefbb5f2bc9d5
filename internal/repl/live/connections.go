package live

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A connectionRow is an open connection in the live pane.
type connectionRow struct {
	wire.ConnectionInfo
	seq   uint64    // the application's last commit at that time
	at    time.Time // when the application was asked
	grid  *grid
	drawn drawn
}

func newConnectionGrid(nodes bool) *grid {
	return newNodeGrid(nodes, textColumn("user", 8, 26, 0), textColumn("via", 9, 12, 4), gridColumn{name: "cursors", least: 12, most: 60, drop: 3, names: true},
		numberColumn("seq", 5, 12, 5), numberColumn("lag", 7, 9, 1), numberColumn("queued", 6, 9, 2),
		numberColumn("for", 6, 8, 6), textColumn("remote", 15, 24, 7))
}

func (r *connectionRow) key() string { return nodeKey(r.Node, r.ID) }

func (r *connectionRow) text() string {
	return strings.Join(append([]string{r.User, r.UserID, r.Transport, r.Remote, r.Device}, r.Cursors...), " ")
}

// Copy implements [Row].
func (r *connectionRow) Copy() (what, whole string) {
	return encoded("connection "+r.key(), r.ConnectionInfo)
}

func encoded(what string, v any) (string, string) {
	encoded, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", ""
	}
	return what, string(encoded)
}

func (r *connectionRow) cells(st *term.Styles) []cell {
	lag, lagging := "—", st.Dim
	if r.Applied > 0 {
		lag, lagging = show.Duration(r.Lag), st.Plain
	}
	queued := cell{"0", st.Dim}
	if r.Queued > 0 {
		queued = cell{term.Bytes(int64(r.Queued)), st.Warn}
	}
	return withNode(r.Node, st, []cell{
		{term.Clean(r.User), st.Strong}, {term.Clean(r.Transport), st.Plain}, {term.Clean(strings.Join(r.Cursors, ", ")), st.Dim},
		{strconv.FormatUint(r.Seq, 10), st.Number}, {lag, lagging}, queued,
		{show.Elapsed(r.at.Sub(r.Since)), st.Dim}, {term.Clean(r.Remote), st.Dim},
	})
}

func (r *connectionRow) draw(f show.Formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.Styles) })
}

func (r *connectionRow) detail(f show.Formatter) []string {
	user := term.Clean(r.User)
	if r.UserID != "" && r.UserID != r.User {
		user += " (" + term.Clean(r.UserID) + ")"
	}
	applied := "no commit confirmed yet"
	if r.Applied > 0 {
		applied = fmt.Sprintf("#%d, %s after the commit", r.Applied, show.Duration(r.Lag))
	}
	facts := []fact{
		{"user", user}, {"via", term.Clean(r.Transport) + " from " + term.Clean(r.Remote)},
		{"since", r.Since.Local().Format("2006-01-02 15:04:05") + ", for " + show.Elapsed(r.at.Sub(r.Since))},
		{"sent", fmt.Sprintf("up to #%d; the application is at #%d", r.Seq, r.seq)},
		{"applied", applied},
		{"queued", term.Bytes(int64(r.Queued))},
	}
	if r.Node != 0 {
		facts = append(facts, fact{"node", strconv.Itoa(r.Node)})
	}
	if r.Device != "" {
		facts = append(facts, fact{"device", term.Clean(r.Device)})
	}
	if r.Session != nil {
		facts = append(facts, fact{"session", "since " + r.Session.Since.Local().Format("2006-01-02 15:04:05")})
	}
	for i, name := range r.Cursors {
		facts = append(facts, fact{map[bool]string{true: "cursors"}[i == 0], term.Clean(name)})
	}
	lines := []string{term.Paint(f.Styles.Strong, term.Cut(term.Clean(r.User), f.Width))}
	return append(lines, factLines(f, facts)...)
}
