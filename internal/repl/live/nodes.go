package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A client is a connection: its node, 0 for the only one, and its number there.
type client struct {
	node   int
	number uint64
}

// nodeKey names something by its number on a node.
func nodeKey(node int, number uint64) string {
	key := strconv.FormatUint(number, 10)
	if node != 0 {
		key = strconv.Itoa(node) + "/" + key
	}
	return key
}

// newNodeGrid returns a grid for rows that are on one of several nodes, or on the only one.
func newNodeGrid(nodes bool, columns ...gridColumn) *grid {
	if nodes {
		columns = slices.Insert(columns, 0, numberColumn("node", 4, 4, 1))
	}
	return newGrid(columns...)
}

// withNode puts the node before the cells of a row, unless it is the only one.
func withNode(node int, st *term.Styles, cells []cell) []cell {
	if node == 0 {
		return cells
	}
	return slices.Insert(cells, 0, cell{strconv.Itoa(node), st.Dim})
}

// onNode returns where something happened, "" for the only node.
func onNode(node int) string {
	if node == 0 {
		return ""
	}
	return fmt.Sprintf(" on node %d", node)
}

// separate lets a view have a column for the nodes, or not.
func (p *Pane) separate(view View, nodes bool, make func(nodes bool) *grid) {
	if p.ofNodes[view] != nodes {
		p.ofNodes[view], p.grids[view] = nodes, make(nodes)
	}
}

// setNodes shows which nodes have come and gone since it was called last, and which do not
// answer.
func (p *Pane) setNodes(nodes []wire.NodeInfo) {
	before := p.nodes
	p.nodes = map[int]wire.NodeInfo{}
	for _, n := range nodes {
		p.nodes[n.Number] = n
	}
	for _, number := range slices.Sorted(maps.Keys(before)) {
		if now, lives := p.nodes[number]; !lives || !now.Started.Equal(before[number].Started) {
			maps.DeleteFunc(p.users, func(c client, _ string) bool { return c.node == number })
			p.Count = len(p.users)
			p.addActivity(&activity{note: fmt.Sprintf("− node %d left", number)})
		}
	}
	for _, n := range nodes {
		was, known := before[n.Number]
		known = known && was.Started.Equal(n.Started)
		switch {
		case n.Silent != was.Silent && n.Silent != "":
			p.addActivity(&activity{note: n.Silent})
		case known && was.Silent != n.Silent:
			p.addActivity(&activity{note: fmt.Sprintf("node %d answers", n.Number)})
		case !known && before != nil:
			p.addActivity(&activity{note: fmt.Sprintf("+ node %d joined", n.Number)})
		}
	}
}

// isOthers reports whether a node is not the one that the console is attached to.
func (p *Pane) isOthers(node int) bool { return node != 0 && !p.nodes[node].Here }

// merge adds what a commit reached on another node.
func (h *activity) merge(node int, c *wire.CommitEvent) {
	h.nodes[node] = c.ReachedAll
	h.commit.Connections += c.Connections
	h.commit.ReachedAll += c.ReachedAll
	h.commit.Micros = max(h.commit.Micros, c.Micros)
	h.commit.Asked = h.commit.Asked || c.Asked
	h.commit.Reached = append(h.commit.Reached, c.Reached...)
	slices.SortStableFunc(h.commit.Reached, func(a, b wire.Reach) int { return cmp.Compare(a.Node, b.Node) })
	h.lines = nil
}

// reached describes how many connections a commit reached, and on how many nodes.
func (h *activity) reached() string {
	text := reachedOf(h.commit)
	if len(h.nodes) > 1 && h.commit.Connections > 0 {
		on := 0
		for _, n := range h.nodes {
			if n > 0 || h.commit.ReachedAll == 0 {
				on++
			}
		}
		text += fmt.Sprintf(" on %d nodes", on)
		if on == 1 {
			text = strings.TrimSuffix(text, "s")
		}
	}
	return text
}
