package repl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// A connectionRow is an open connection in the live pane.
type connectionRow struct {
	wire.ConnectionInfo
	seq   uint64    // of the application, when this was asked
	at    time.Time // when that was
	grid  *grid
	drawn drawn
}

func newConnectionGrid() *grid {
	return newGrid(textColumn("user", 8, 26, 0), textColumn("via", 9, 12, 4), gridColumn{name: "cursors", least: 12, most: 60, drop: 3, names: true},
		numberColumn("seq", 5, 12, 5), numberColumn("lag", 7, 9, 1), numberColumn("queued", 6, 9, 2),
		numberColumn("for", 6, 8, 6), textColumn("remote", 15, 24, 7))
}

func (r *connectionRow) key() string { return strconv.FormatUint(r.ID, 10) }

func (r *connectionRow) text() string {
	return strings.Join(append([]string{r.User, r.UserID, r.Transport, r.Remote}, r.Cursors...), " ")
}

func (r *connectionRow) value() (what, whole string) {
	return copied("connection "+r.key(), r.ConnectionInfo)
}

func copied(what string, v any) (string, string) {
	encoded, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", ""
	}
	return what, string(encoded)
}

func (r *connectionRow) cells(st *styles) []cell {
	lag, lagging := "—", st.dim
	if r.Applied > 0 {
		lag, lagging = duration(r.Lag), st.plain
	}
	queued := cell{"0", st.dim}
	if r.Queued > 0 {
		queued = cell{bytesOf(r.Queued), st.warn}
	}
	return []cell{
		{clean(r.User), st.strong}, {clean(r.Transport), st.plain}, {clean(strings.Join(r.Cursors, ", ")), st.dim},
		{strconv.FormatUint(r.Seq, 10), st.number}, {lag, lagging}, queued,
		{elapsed(r.at.Sub(r.Since)), st.dim}, {clean(r.Remote), st.dim},
	}
}

func (r *connectionRow) draw(f formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.styles) })
}

func (r *connectionRow) detail(f formatter) []string {
	user := clean(r.User)
	if r.UserID != "" && r.UserID != r.User {
		user += " (" + clean(r.UserID) + ")"
	}
	applied := "it has not been asked yet"
	if r.Applied > 0 {
		applied = fmt.Sprintf("#%d, %s after the commit", r.Applied, duration(r.Lag))
	}
	facts := []fact{
		{"user", user}, {"via", clean(r.Transport) + " from " + clean(r.Remote)},
		{"since", r.Since.Local().Format("2006-01-02 15:04:05") + ", for " + elapsed(r.at.Sub(r.Since))},
		{"sent", fmt.Sprintf("up to #%d; the application is at #%d", r.Seq, r.seq)},
		{"applied", applied},
		{"queued", bytesOf(r.Queued)},
	}
	for i, name := range r.Cursors {
		facts = append(facts, fact{map[bool]string{true: "cursors"}[i == 0], clean(name)})
	}
	lines := []string{paint(f.styles.strong, cut(clean(r.User), f.width))}
	return append(lines, factLines(f, facts)...)
}
