package repl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	spaceToken tokenKind = iota
	wordToken
	keywordToken
	numberToken
	stringToken
	templateToken // a piece of a template literal, with its delimiters
	regexpToken
	commentToken
	punctToken
)

// A token is a piece of JavaScript at text[start:end] of the scanned text.
type token struct {
	kind       tokenKind
	start, end int
}

var (
	keywords = set(`async await break case catch class const continue debugger default delete do else extends false finally for
		function if in instanceof let new null of return static super switch this throw true try typeof undefined var void while
		with yield`)
	valueWords = set(`this null true false undefined super`)
)

func set(words string) map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		all[word] = true
	}
	return all
}

// A lexer splits JavaScript into tokens. It is made for reading along: it
// takes any text, line by line, and knows what is still open at the end of it.
type lexer struct {
	open    []byte // unclosed brackets; '`' is a template literal, '$' the code in one
	comment bool   // within a block comment
	quote   byte   // within a string that a backslash carries over the end of the line
	operand bool   // the last token ends a value, so a slash divides
	deepest int    // how many brackets were open at once
}

// unfinished tells whether what was scanned cannot be the whole.
func (s *lexer) unfinished() bool { return len(s.open) > 0 || s.comment || s.quote != 0 }

func (s *lexer) inTemplate() bool { return len(s.open) > 0 && s.open[len(s.open)-1] == '`' }

// scan returns the tokens of text, which continues what was scanned before.
func (s *lexer) scan(text string) []token {
	var tokens []token
	for at := 0; at < len(text); {
		kind, end := s.token(text, at)
		tokens = append(tokens, token{kind, at, end})
		at = end
	}
	return tokens
}

func (s *lexer) token(text string, at int) (tokenKind, int) {
	rest := text[at:]
	first, size := utf8.DecodeRuneInString(rest)
	switch {
	case s.comment:
		return commentToken, at + s.blockComment(rest)
	case s.quote != 0:
		return stringToken, at + s.str(rest, 0)
	case s.inTemplate():
		return templateToken, at + s.template(rest)
	case unicode.IsSpace(first):
		return spaceToken, at + span(rest, unicode.IsSpace)
	case strings.HasPrefix(rest, "//"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		return commentToken, at + end
	case strings.HasPrefix(rest, "/*"):
		s.comment = true
		return commentToken, at + 2 + s.blockComment(rest[2:])
	case first == '"' || first == '\'':
		s.quote, s.operand = byte(first), true
		return stringToken, at + s.str(rest, 1)
	case first == '`':
		s.push('`')
		return templateToken, at + 1 + s.template(rest[1:])
	case unicode.IsDigit(first):
		s.operand = true
		return numberToken, at + span(rest, func(r rune) bool { return wordRune(r) || r == '.' })
	case wordRune(first):
		end := at + span(rest, wordRune)
		if keywords[text[at:end]] {
			s.operand = valueWords[text[at:end]]
			return keywordToken, end
		}
		s.operand = true
		return wordToken, end
	case first == '/' && !s.operand:
		s.operand = true
		return regexpToken, at + regexpEnd(rest)
	}
	s.punct(first)
	return punctToken, at + size
}

func wordRune(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func span(text string, in func(rune) bool) int {
	if end := strings.IndexFunc(text, func(r rune) bool { return !in(r) }); end >= 0 {
		return end
	}
	return len(text)
}

func (s *lexer) punct(r rune) {
	s.operand = r == ')' || r == ']' || r == '}'
	switch r {
	case '(', '[', '{':
		s.push(byte(r))
	case ')', ']', '}':
		if len(s.open) > 0 && s.open[len(s.open)-1] != '`' {
			s.open = s.open[:len(s.open)-1]
		}
	}
}

func (s *lexer) push(bracket byte) {
	s.open = append(s.open, bracket)
	s.deepest = max(s.deepest, len(s.open))
}

func (s *lexer) blockComment(rest string) int {
	end := strings.Index(rest, "*/")
	if end < 0 {
		return len(rest)
	}
	s.comment = false
	return end + 2
}

// str scans a string from rest[from:] to its quote or the end of its line.
func (s *lexer) str(rest string, from int) int {
	for i := from; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
			if i+1 < len(rest) && rest[i] == '\r' && rest[i+1] == '\n' {
				i++
			}
			if i >= len(rest)-1 && (i >= len(rest) || rest[i] == '\n') {
				return len(rest) // the next line continues it
			}
		case '\n', s.quote:
			s.quote = 0
			return i + 1
		}
	}
	s.quote = 0
	return len(rest)
}

// template scans a template literal to its end, or to the code within it.
func (s *lexer) template(rest string) int {
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\\':
			i++
		case rest[i] == '`':
			s.open = s.open[:len(s.open)-1]
			s.operand = true
			return i + 1
		case strings.HasPrefix(rest[i:], "${"):
			s.push('$')
			s.operand = false
			return i + 2
		}
	}
	return len(rest)
}

func regexpEnd(rest string) int {
	class := false
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\':
			i++
		case c == '\n':
			return i
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			return i + 1 + span(rest[i+1:], wordRune)
		}
	}
	return len(rest)
}
