package show

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A TokenKind is the kind of a [Token].
type TokenKind uint8

// The kinds of tokens.
const (
	SpaceToken TokenKind = iota
	WordToken
	KeywordToken
	NumberToken
	StringToken
	TemplateToken // a part of a template literal, with its delimiters
	RegexpToken
	CommentToken
	PunctToken
)

// A Token is a token of JavaScript at text[Start:End] of the scanned text.
type Token struct {
	Kind  TokenKind
	Start int // offset of the first byte
	End   int // offset after the last byte
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

// A Lexer splits JavaScript into tokens while it is being typed: it accepts any text,
// line by line, and keeps track of open brackets, comments and strings. The zero value
// is ready to use. It is not safe for concurrent use.
type Lexer struct {
	Open    []byte // unclosed brackets; '`' is a template literal, '$' is code inside one
	Comment bool   // inside a block comment
	Quote   byte   // the quote of a string continued on the next line by a backslash, or 0
	operand bool   // the last token ends a value, so a slash is a division
	Deepest int    // the greatest number of brackets open at the same time
}

// Unfinished reports whether the text scanned so far is certainly incomplete.
func (s *Lexer) Unfinished() bool { return len(s.Open) > 0 || s.Comment || s.Quote != 0 }

// InTemplate reports whether the text of a template literal is open.
func (s *Lexer) InTemplate() bool { return len(s.Open) > 0 && s.Open[len(s.Open)-1] == '`' }

// Scan returns the tokens of text, which continues the text scanned before.
func (s *Lexer) Scan(text string) []Token {
	var tokens []Token
	for at := 0; at < len(text); {
		kind, end := s.Token(text, at)
		tokens = append(tokens, Token{kind, at, end})
		at = end
	}
	return tokens
}

// Token scans the token at text[at:] and returns its kind and its end.
func (s *Lexer) Token(text string, at int) (TokenKind, int) {
	rest := text[at:]
	first, size := utf8.DecodeRuneInString(rest)
	switch {
	case s.Comment:
		return CommentToken, at + s.blockComment(rest)
	case s.Quote != 0:
		return StringToken, at + s.str(rest, 0)
	case s.InTemplate():
		return TemplateToken, at + s.template(rest)
	case unicode.IsSpace(first):
		return SpaceToken, at + Span(rest, unicode.IsSpace)
	case strings.HasPrefix(rest, "//"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		return CommentToken, at + end
	case strings.HasPrefix(rest, "/*"):
		s.Comment = true
		return CommentToken, at + 2 + s.blockComment(rest[2:])
	case first == '"' || first == '\'':
		s.Quote, s.operand = byte(first), true
		return StringToken, at + s.str(rest, 1)
	case first == '`':
		s.push('`')
		return TemplateToken, at + 1 + s.template(rest[1:])
	case unicode.IsDigit(first):
		s.operand = true
		return NumberToken, at + Span(rest, func(r rune) bool { return IsWordRune(r) || r == '.' })
	case IsWordRune(first):
		end := at + Span(rest, IsWordRune)
		if keywords[text[at:end]] {
			s.operand = valueWords[text[at:end]]
			return KeywordToken, end
		}
		s.operand = true
		return WordToken, end
	case first == '/' && !s.operand:
		s.operand = true
		return RegexpToken, at + regexpEnd(rest)
	}
	s.punct(first)
	return PunctToken, at + size
}

// IsWordRune reports whether r may appear in an identifier.
func IsWordRune(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// Span returns the length in bytes of the longest prefix of text whose runes all
// satisfy in.
func Span(text string, in func(rune) bool) int {
	if end := strings.IndexFunc(text, func(r rune) bool { return !in(r) }); end >= 0 {
		return end
	}
	return len(text)
}

func (s *Lexer) punct(r rune) {
	s.operand = r == ')' || r == ']' || r == '}'
	switch r {
	case '(', '[', '{':
		s.push(byte(r))
	case ')', ']', '}':
		if len(s.Open) > 0 && s.Open[len(s.Open)-1] != '`' {
			s.Open = s.Open[:len(s.Open)-1]
		}
	}
}

func (s *Lexer) push(bracket byte) {
	s.Open = append(s.Open, bracket)
	s.Deepest = max(s.Deepest, len(s.Open))
}

func (s *Lexer) blockComment(rest string) int {
	end := strings.Index(rest, "*/")
	if end < 0 {
		return len(rest)
	}
	s.Comment = false
	return end + 2
}

// str scans a string from rest[from:] to its closing quote or the end of the line.
func (s *Lexer) str(rest string, from int) int {
	for i := from; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
			if i+1 < len(rest) && rest[i] == '\r' && rest[i+1] == '\n' {
				i++
			}
			if i >= len(rest)-1 && (i >= len(rest) || rest[i] == '\n') {
				return len(rest) // the string continues on the next line
			}
		case '\n', s.Quote:
			s.Quote = 0
			return i + 1
		}
	}
	s.Quote = 0
	return len(rest)
}

// template scans a template literal to its end, or to the code inside it.
func (s *Lexer) template(rest string) int {
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\\':
			i++
		case rest[i] == '`':
			s.Open = s.Open[:len(s.Open)-1]
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
			return i + 1 + Span(rest[i+1:], IsWordRune)
		}
	}
	return len(rest)
}
