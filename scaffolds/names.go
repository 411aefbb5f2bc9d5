package scaffolds

import (
	"fmt"
	"go/build"
	"go/token"
	"go/types"
	"io"
	"strings"

	"golang.org/x/mod/module"
)

// A name is a noun of one or more words, in lower case. Its methods return the
// forms that code needs.
type name []string

// parseName reads BlogPost, blogPost, blog_post and blog-post alike. what is the
// thing that is named, for the error.
func parseName(what, text string) (name, error) {
	var n name
	word := ""
	flush := func() {
		if word != "" {
			n = append(n, strings.ToLower(word))
		}
		word = ""
	}
	for i, r := range text {
		switch {
		case r == '_' || r == '-':
			flush()
			continue
		case r >= 'A' && r <= 'Z':
			// A capital begins a word, but API in APIKey is one word.
			afterSmall := i > 0 && !isUpper(text[i-1])
			beforeSmall := i+1 < len(text) && isLower(text[i+1])
			if afterSmall || beforeSmall && i > 0 && !pluralOfCapitals(text[i+1:]) {
				flush()
			}
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		default:
			return nil, fmt.Errorf("%s %q: %q cannot be part of a name; use letters, digits and _", what, text, r)
		}
		word += string(r)
	}
	flush()
	switch {
	case len(n) == 0:
		return nil, fmt.Errorf("%s %q: a name contains letters, as in BlogPost or blog_post", what, text)
	case n[0][0] <= '9':
		return nil, fmt.Errorf("%s %q: a name begins with a letter, as in %s", what, text, "Post"+n[0])
	case len(text) > 60:
		return nil, fmt.Errorf("%s %q: a name has at most 60 letters", what, text)
	}
	return n, nil
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isLower(b byte) bool { return b >= 'a' && b <= 'z' }

// pluralOfCapitals reports whether rest begins with the plural s of capitals, as in
// URLs, and not with a word.
func pluralOfCapitals(rest string) bool {
	return rest == "s" || len(rest) > 1 && rest[0] == 's' && !isLower(rest[1])
}

// initialisms are words that Go writes in capitals.
var initialisms = wordSet("acl api ascii cpu css csv dns eof gps html http https id ip json pdf rpc sku sla sms smtp sql ssh svg tcp tls ttl udp ui uid uri url utf8 uuid vat vm xml")

// goName returns BlogPost, APIKey, URLs.
func (n name) goName() string {
	var b strings.Builder
	for _, w := range n {
		one := strings.TrimSuffix(w, "s")
		switch {
		case initialisms[w]:
			b.WriteString(strings.ToUpper(w))
		case one != w && initialisms[one]:
			b.WriteString(strings.ToUpper(one) + "s")
		default:
			b.WriteString(capital(w))
		}
	}
	return b.String()
}

// camel returns blogPost, apiKey.
func (n name) camel() string {
	var b strings.Builder
	for i, w := range n {
		if i > 0 {
			w = capital(w)
		}
		b.WriteString(w)
	}
	return b.String()
}

// snake returns blog_post.
func (n name) snake() string { return strings.Join(n, "_") }

// title returns "Blog post".
func (n name) title() string { return capital(n.human()) }

// human returns "blog post", "API key".
func (n name) human() string {
	shown := make([]string, len(n))
	for i, w := range n {
		if initialisms[w] {
			w = strings.ToUpper(w)
		}
		shown[i] = w
	}
	return strings.Join(shown, " ")
}

func (n name) plural() name   { return n.withLast(pluralize(n[len(n)-1])) }
func (n name) singular() name { return n.withLast(singularize(n[len(n)-1])) }

func (n name) withLast(word string) name {
	return append(n[:len(n)-1:len(n)-1], word)
}

func capital(w string) string { return strings.ToUpper(w[:1]) + w[1:] }

// local returns the name of a variable in generated code: camel, with the suffix if
// that is a keyword or one of the taken names.
func (n name) local(suffix, taken string) string {
	v := n.camel()
	if wordSet(taken)[v] || token.IsKeyword(v) {
		return v + suffix
	}
	return v
}

// reservedCollections are the keys of tower's messages. A message holds a collection
// under its name, so the name cannot be one of these keys.
var reservedCollections = wordSet("seq from to epoch ack cursors id status at out location session error cursor model since delta resync ids items hello push value include scope allowed")

// checkWord refuses a name that generated code could not use.
func (n name) checkWord(what, text string) error {
	if err := n.checkReserved(what, text); err != nil {
		return err
	}
	return n.checkFile(what, text)
}

// checkReserved refuses keywords and predeclared identifiers of Go.
func (n name) checkReserved(what, text string) error {
	v := n.camel()
	switch {
	case token.IsKeyword(v):
		return fmt.Errorf("%s %q: %s is a keyword in Go; choose another name, as in %s", what, text, v, name{"my", v}.goName())
	case types.Universe.Lookup(v) != nil:
		return fmt.Errorf("%s %q: %s is a predeclared identifier in Go; choose another name, as in %s", what, text, v, name{"my", v}.goName())
	}
	return nil
}

// checkFile refuses names whose file go build would ignore, such as _test.go and
// _linux.go, or that some systems do not allow, such as con.go.
func (n name) checkFile(what, text string) error {
	file := n.snake() + ".go"
	if err := module.CheckFilePath(file); err != nil {
		return fmt.Errorf("%s %q: %w; choose another name, as in %s", what, text, err, append(n[:len(n):len(n)], "entry").goName())
	}
	anywhere := build.Context{GOOS: "none", GOARCH: "none", Compiler: "gc", OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package none\n")), nil
	}}
	if built, err := anywhere.MatchFile(".", file); err == nil && built && !strings.HasSuffix(file, "_test.go") {
		return nil
	}
	last := n[len(n)-1]
	return fmt.Errorf("%s %q: Go builds %s only for %s; choose another last word, as in %s",
		what, text, file, map[bool]string{true: "tests", false: last}[last == "test"], append(n[:len(n):len(n)], "entry").goName())
}
