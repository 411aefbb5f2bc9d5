package smtp

import (
	"fmt"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Text returns the text of a mail that is HTML: its blocks on lines of their own, lists with
// dashes, and the addresses of links behind their texts. What is hidden is left out.
func (Driver) Text(source string) (string, error) {
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return "", fmt.Errorf("derive the text: %w", err)
	}
	t := &texter{}
	t.node(root)
	return strings.TrimSpace(t.out.String()) + "\n", nil
}

// A texter writes the text of HTML. It keeps white space until there is a word behind it.
type texter struct {
	out     strings.Builder
	breaks  int    // lines to end before the next word
	space   bool   // a space stands before the next word
	prefix  string // of lines
	pre     bool   // white space is kept
	marked  bool   // the mark of an item stands before the next word
	numbers []int  // of the lists that the node is in: the last number, -1 for dashes
}

// blocks are the elements that stand on lines of their own, with the number of lines that
// they end.
var blocks = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2, atom.Ul: 2, atom.Ol: 2, atom.Dl: 2, atom.Blockquote: 2, atom.Pre: 2,
	atom.Table: 2, atom.Hr: 2, atom.Section: 2, atom.Article: 2, atom.Header: 2, atom.Footer: 2, atom.Main: 2, atom.Figure: 2,
	atom.Div: 1, atom.Li: 1, atom.Tr: 1, atom.Dt: 1, atom.Dd: 1, atom.Center: 1, atom.Address: 1, atom.Figcaption: 1,
}

func (t *texter) node(n *html.Node) {
	if n.Type == html.TextNode {
		t.text(n.Data)
		return
	}
	if n.Type == html.ElementNode && hidden(n) {
		return
	}
	lines := blocks[n.DataAtom]
	t.end(lines)
	switch n.DataAtom {
	case atom.Br:
		t.breaks++
		t.space = false
	case atom.Hr:
		t.word("---")
	case atom.Img:
		t.text(attr(n, "alt"))
	case atom.A:
		t.link(n)
	case atom.Ul, atom.Ol:
		t.list(n)
	case atom.Li:
		t.item(n)
	case atom.Blockquote:
		t.prefixed("> ", n)
	case atom.Pre:
		t.pre = true
		t.children(n)
		t.pre = false
	case atom.Td, atom.Th:
		t.children(n)
		t.space = true
	default:
		t.children(n)
	}
	t.end(lines)
}

func (t *texter) children(n *html.Node) {
	for child := range n.ChildNodes() {
		t.node(child)
	}
}

// link writes a link: its text and its address, or one if they are the same.
func (t *texter) link(n *html.Node) {
	before := t.out.Len()
	t.children(n)
	href := attr(n, "href")
	shown := strings.TrimSpace(t.out.String()[before:])
	bare := strings.TrimPrefix(href, "mailto:")
	if href == "" || strings.HasPrefix(href, "#") || shown == href || shown == bare {
		return
	}
	t.space = true
	if shown == "" {
		t.word(bare)
		return
	}
	t.word("<" + bare + ">")
}

func (t *texter) list(n *html.Node) {
	number := -1
	if n.DataAtom == atom.Ol {
		number = 0
	}
	t.numbers = append(t.numbers, number)
	t.children(n)
	t.numbers = t.numbers[:len(t.numbers)-1]
}

func (t *texter) item(n *html.Node) {
	mark := "- "
	if last := len(t.numbers) - 1; last >= 0 && t.numbers[last] >= 0 {
		t.numbers[last]++
		mark = fmt.Sprintf("%d. ", t.numbers[last])
	}
	t.word(mark)
	t.marked = true
	t.prefixed(strings.Repeat(" ", len(mark)), n)
}

// prefixed writes the children of a node with a prefix before each line that they begin.
func (t *texter) prefixed(prefix string, n *html.Node) {
	outer := t.prefix
	t.prefix += prefix
	t.children(n)
	t.prefix = outer
}

// text writes text, whose white space is one space.
func (t *texter) text(text string) {
	if t.pre {
		for i, line := range strings.Split(text, "\n") {
			if i > 0 {
				t.breaks++
			}
			if line != "" {
				t.word(line)
			}
		}
		return
	}
	words := strings.FieldsFunc(text, isSpace)
	if text != "" && isSpace(rune(text[0])) {
		t.space = true
	}
	for i, word := range words {
		t.space = t.space || i > 0
		t.word(word)
	}
	if len(words) > 0 && isSpace(rune(text[len(text)-1])) {
		t.space = true
	}
}

// isSpace reports whether HTML collapses a character. A no-break space it keeps.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

// end ends the line before the next word, and leaves a line empty for two.
func (t *texter) end(lines int) {
	if lines > 0 && !t.marked {
		t.breaks, t.space = max(t.breaks, lines), false
	}
}

func (t *texter) word(word string) {
	switch {
	case t.out.Len() == 0:
		t.out.WriteString(t.prefix)
	case t.breaks > 0:
		t.out.WriteString(strings.Repeat("\n"+strings.TrimRight(t.prefix, " "), t.breaks-1))
		t.out.WriteString("\n" + t.prefix)
	case t.space && !t.marked:
		t.out.WriteByte(' ')
	}
	t.breaks, t.space, t.marked = 0, false, false
	t.out.WriteString(word)
}

// hidden reports whether a reader does not see an element.
func hidden(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Head, atom.Script, atom.Style, atom.Title, atom.Template:
		return true
	}
	style := strings.ToLower(strings.ReplaceAll(attr(n, "style"), " ", ""))
	return has(n, "hidden") || strings.Contains(style, "display:none")
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}
