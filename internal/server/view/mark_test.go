package view

import (
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	for _, test := range []struct{ html, want string }{
		{"<li>a</li>", `<li data-id="1">a</li>`},
		{"\ufeff<li>a</li>", `<li data-id="1">a</li>`},
		{" \r\n\t\ufeff \ufeff<li>a</li>\n\ufeff", `<li data-id="1">a</li>`},
		{"<!-- a > b --><!---->\n<li>a</li>", `<li data-id="1">a</li>`},
		{"<li\nclass=x>a</li>", "<li data-id=\"1\"\nclass=x>a</li>"},
		{"<input/>", `<input data-id="1"/>`},
		{"<linearGradient></linearGradient>", `<linearGradient data-id="1"></linearGradient>`},
		{"<x-a.b_c-é>a</x-a.b_c-é>", `<x-a.b_c-é data-id="1">a</x-a.b_c-é>`},
	} {
		if got, err := mark("_a.html", test.html, "1"); err != nil || got != test.want {
			t.Errorf("mark(%q) is %q, %v; want %q", test.html, got, err, test.want)
		}
	}
	for _, html := range []string{"", " \ufeff", "text<li>", "<", "<>", "</li>", "<!-- no end <li>", "<!doctype html><li>", "<li", "\u00a0<li>"} {
		got, err := mark("posts/_a.html", html, "1")
		if err == nil || !strings.Contains(err.Error(), "views/posts/_a.html") {
			t.Errorf("mark(%q) is %q, %v", html, got, err)
		}
	}
}
