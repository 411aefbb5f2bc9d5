package spelling

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	fields := []string{"id", "title", "body", "authorId", "createdAt", "größe"}
	for word, want := range map[string]string{
		"titel": "title", "tilte": "title", "tite": "title", "Titles": "title", "authorid": "authorId", "creatdAt": "createdAt",
		"groesse": "", "grösse": "größe", "bdy": "body", "x": "", "di": "id", "title": "", "nothing": "", "": "",
		strings.Repeat("title", 1000): "",
	} {
		if got := Closest(word, fields); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
	if got := Closest("as", []string{"at", "is"}); got != "at" {
		t.Errorf("of two equally close: got %q, want the first", got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "ab", 0}, {"ab", "ba", 1}, {"title", "titel", 1}, {"kitten", "sitting", 3}, {"öl", "ol", 1}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
