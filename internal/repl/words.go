package repl

// Words are the tokens of a code, with their texts.
type tokenList struct {
	text   string
	tokens []token
}

func (w tokenList) word(i int) string {
	if i < 0 || i >= len(w.tokens) {
		return ""
	}
	return w.text[w.tokens[i].start:w.tokens[i].end]
}

// enclosing is the index of the bracket that is still open before i.
func (w tokenList) enclosing(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		if w.tokens[i].kind != punctToken {
			continue
		}
		switch w.word(i) {
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
