package scaffolds

import (
	"maps"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ text, goName, camel, snake, human string }{
		{"Post", "Post", "post", "post", "post"},
		{"post", "Post", "post", "post", "post"},
		{"BlogPost", "BlogPost", "blogPost", "blog_post", "blog post"},
		{"blogPost", "BlogPost", "blogPost", "blog_post", "blog post"},
		{"blog_post", "BlogPost", "blogPost", "blog_post", "blog post"},
		{"blog-post", "BlogPost", "blogPost", "blog_post", "blog post"},
		{"APIKey", "APIKey", "apiKey", "api_key", "API key"},
		{"api_key", "APIKey", "apiKey", "api_key", "API key"},
		{"url", "URL", "url", "url", "URL"},
		{"URLs", "URLs", "urls", "urls", "urls"},
		{"HTTPServer2", "HTTPServer2", "httpServer2", "http_server2", "HTTP server2"},
		{"ABTest", "AbTest", "abTest", "ab_test", "ab test"},
	} {
		n, err := parseName("model", c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := [4]string{n.goName(), n.camel(), n.snake(), n.human()}; got != [4]string{c.goName, c.camel, c.snake, c.human} {
			t.Errorf("%s is %q", c.text, got)
		}
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "contains letters",
		"_":                     "contains letters",
		"1post":                 "begins with a letter",
		"Größe":                 `'ö' cannot be part`,
		"../post":               `'.' cannot be part`,
		"blog post":             `' ' cannot be part`,
		strings.Repeat("a", 61): "at most 60",
		"func":                  "keyword in Go",
		"Type":                  "keyword in Go",
		"string":                "predeclared identifier in Go",
		"Error":                 "predeclared identifier in Go",
		"PostTest":              "only for tests",
		"PostLinux":             "only for linux",
		"Con":                   "disallowed",
		"BlogAmd64":             "only for amd64",
		"Item":                  `would be called "items"`,
		"Cursor":                `would be called "cursors"`,
		"ID":                    `would be called "ids"`,
	} {
		if n, err := modelName([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, n, err, want)
		}
	}
}

// A collection must not be taken for a part of a message.
func TestFrameKeysAreTheProtocols(t *testing.T) {
	if !maps.Equal(reservedCollections, wire.Reserved) {
		t.Errorf("frameKeys are %v, the protocol's are %v", reservedCollections, wire.Reserved)
	}
}

func TestPlurals(t *testing.T) {
	for one, many := range map[string]string{
		"post": "posts", "category": "categories", "day": "days", "box": "boxes", "bus": "buses", "status": "statuses",
		"address": "addresses", "class": "classes", "church": "churches", "wish": "wishes", "tax": "taxes",
		"person": "people", "salesperson": "salespeople", "child": "children", "grandchild": "grandchildren",
		"man": "men", "woman": "women", "fireman": "firemen", "human": "humans", "housewife": "housewives", "bookshelf": "bookshelves",
		"photo": "photos", "video": "videos", "hero": "heroes", "potato": "potatoes", "quiz": "quizzes", "leaf": "leaves",
		"house": "houses", "horse": "horses", "course": "courses", "cause": "causes", "case": "cases", "base": "bases",
		"cache": "caches", "drive": "drives", "archive": "archives", "curve": "curves", "roof": "roofs", "movie": "movies",
		"cookie": "cookies", "size": "sizes", "response": "responses", "invoice": "invoices", "license": "licenses",
		"virus": "viruses", "bonus": "bonuses", "campus": "campuses", "gas": "gases", "lens": "lenses", "canvas": "canvases",
		"analysis": "analyses", "index": "indices", "matrix": "matrices", "menu": "menus", "key": "keys", "url": "urls",
		"user": "users", "shoe": "shoes", "specimen": "specimens", "match": "matches", "axe": "axes",
		"news": "news", "equipment": "equipment", "series": "series", "sheep": "sheep", "data": "data", "feedback": "feedback",
		"staff": "staff", "wildlife": "wildlife", "information": "information",
	} {
		if got := pluralize(one); got != many {
			t.Errorf("more than one %s are %s, not %s", one, many, got)
		}
		if got := singularize(many); got != one && one != "axe" {
			t.Errorf("one of the %s is %s, not %s", many, one, got)
		}
		if got := singularize(one); got != one {
			t.Errorf("%s became %s", one, got)
		}
	}
}
