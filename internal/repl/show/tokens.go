package show

// Tokens are the tokens of a piece of code, with its text.
type Tokens struct {
	Text string
	List []Token
}

// Word returns the text of token i, "" if there is none.
func (w Tokens) Word(i int) string {
	if i < 0 || i >= len(w.List) {
		return ""
	}
	return w.Text[w.List[i].Start:w.List[i].End]
}

// Enclosing is the index of the bracket that is still open before i.
func (w Tokens) Enclosing(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		if w.List[i].Kind != PunctToken {
			continue
		}
		switch w.Word(i) {
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
