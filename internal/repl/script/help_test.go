package script

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// examplesOf returns the lines of a help text that are code.
func examplesOf(text string) []string {
	_, code, found := strings.Cut(text, "\n\n  ")
	for found {
		var more string
		if _, more, found = strings.Cut(code, "\n\n  "); found {
			code = more
		}
	}
	var all []string
	for line := range strings.SplitSeq(code, "\n") {
		for example := range strings.SplitSeq(strings.TrimSpace(line), "  ") {
			if example != "" {
				all = append(all, example)
			}
		}
	}
	return all
}

// Every example of every help text runs.
func TestExamplesOfHelpRun(t *testing.T) {
	run := func(t *testing.T, sandbox bool, name string) {
		d := newDesk(t)
		d.must(`Note.create([{postId: Post.first().id, text: "a"}, {postId: Post.first().id, text: "b"}])`)
		if sandbox {
			d.e.enterSandbox()
		}
		d.e.Confirm = func(context.Context, string) bool { return true }
		examples := examplesOf(strings.ReplaceAll(strings.Trim(d.must(`String(help("`+name+`"))`), `"`), `\n`, "\n"))
		for i, example := range examples {
			examples[i] = strings.ReplaceAll(example, `\"`, `"`)
		}
		if len(examples) == 0 {
			t.Error("there is no example")
		}
		for _, example := range examples {
			if _, failed := d.run(example); failed != "" {
				t.Errorf("%s\n%s", example, failed)
			}
		}
	}
	for _, topic := range topics {
		t.Run(topic.names[0], func(t *testing.T) { run(t, topic.names[0] == "commit", topic.names[0]) })
	}
	for _, model := range []string{"User", "Post", "Note"} {
		t.Run(model, func(t *testing.T) { run(t, false, model) })
	}
}

func TestAssignmentsAreRefused(t *testing.T) {
	d := newDesk(t)
	for code, want := range map[string]string{
		`let p = Post.first(); p.title = "x"`:       "TypeError: Post.title cannot be assigned: a record is a copy of what is stored\n  let p = Post.first(); p.title = \"x\"\n                          ^\n  to change what is stored: record.update({title: \"x\"})",
		`Post.first().likes++`:                      "TypeError: Post.likes cannot be assigned: a record is a copy of what is stored\n  Post.first().likes++\n               ^\n  to change what is stored: record.update({likes: 2})",
		`Post.first().author = bob`:                 "TypeError: Post.authorId cannot be assigned: a record is a copy of what is stored",
		`Object.assign(Post.first(), {title: "x"})`: "TypeError: Post.title cannot be assigned: a record is a copy of what is stored",
		`Post.first().save()`:                       "TypeError: Post has no method save\n  Post.first().save()\n               ^\n  a change is stored at once: record.update({authorId: …}), record.delete(), record.reload()",
	} {
		if _, failed := d.run(code); !strings.HasPrefix(failed, want) {
			t.Errorf("%s\n got %s\nwant %s", code, failed, want)
		}
	}
	d.expect(`let q = Post.first(), copy = {...q, title: "mine"}; [copy.title, q.title, Object.keys(q).length, JSON.parse(JSON.stringify(q)).title, "title" in q]`, `["mine","one",8,"one",true]`)
	d.expect(`q.update({title: "two"}); [q.title, q.reload().title]`, `["two","two"]`)
}

func TestFilesAreRead(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "notes.csv")
	if err := os.WriteFile(path, []byte("\ufefftext,postId\n\"a, \"\"b\"\"\",\nc,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.must(`let path = ` + strconv.Quote(path))
	d.expect(`Note.create(parseCSV(readFile(path))).map(n => n.text)`, `["a, \"b\"","c"]`)
	d.expect(`parseCSV("")`, `[]`)
	for code, want := range map[string]string{
		`readFile(path + "x")`:  "stat " + path + "x: no such file or directory",
		`readFile("/dev/zero")`: "/dev/zero is not a file of at most 64.0 MiB",
		`readFile()`:            "TypeError: readFile takes a path",
		`parseCSV()`:            "TypeError: parseCSV takes the text of a file",
		`parseCSV("a,b\n1")`:    "SyntaxError: this is not CSV",
	} {
		if _, failed := d.run(code); !strings.HasPrefix(failed, want) {
			t.Errorf("%s: %q", code, failed)
		}
	}
}
