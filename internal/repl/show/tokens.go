package show

// Code is a piece of JavaScript, split into tokens.
type Code struct {
	Text   string
	Tokens []Token
}

// Word returns the text of token i, "" if there is none.
func (c Code) Word(i int) string {
	if i < 0 || i >= len(c.Tokens) {
		return ""
	}
	return c.Text[c.Tokens[i].Start:c.Tokens[i].End]
}

// Enclosing is the index of the bracket that is still open before i.
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
