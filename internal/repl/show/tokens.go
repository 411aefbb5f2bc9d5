package show

// Code is JavaScript text with its tokens.
type Code struct {
	Text   string
	Tokens []Token // as [Lexer.Scan] returns them
}

// Word returns the text of token i, or "" if there is no such token.
func (c Code) Word(i int) string {
	if i < 0 || i >= len(c.Tokens) {
		return ""
	}
	return c.Text[c.Tokens[i].Start:c.Tokens[i].End]
}

// Enclosing returns the index of the innermost bracket that is open before token i, or
// -1.
func (c Code) Enclosing(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		if c.Tokens[i].Kind != PunctToken {
			continue
		}
		switch c.Word(i) {
		case ")", "]", "}":
			depth++
		case "(", "[", "{":
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}
