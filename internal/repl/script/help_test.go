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
		t.Chdir(t.TempDir()) // some write files
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

func TestFilesAreWritten(t *testing.T) {
	d := newDesk(t)
	folder := t.TempDir()
	d.must(`let folder = ` + strconv.Quote(folder+"/"))
	d.expect(`csv([])`, `""`)
	d.expect(`csv([{a: 1, "b,c": "x\"y"}, {a: null, z: [1, {q: 2}]}, {}])`, `"a,\"b,c\",z\n1,\"x\"\"y\",\n,,\"[1,{\"\"q\"\":2}]\"\n,,\n"`)
	d.expect(`csv([{a: new Date(0), b: true, c: -1.5, d: "-1.5", e: "=1+1", f: "\ta", g: "＝1", h: "'x"}], {safe: true})`,
		`"a,b,c,d,e,f,g,h\n1970-01-01T00:00:00.000Z,true,-1.5,'-1.5,'=1+1,'\ta,'＝1,'x\n"`)
	d.expect(`csv([{"=a": "=b"}])`, `"=a\n=b\n"`)
	d.expect(`csv(Note) === csv(Note.all()) && csv(Note.where({text: "none"})) === ""`, "true")
	// What is read back is what was written.
	d.expect(`let odd = [{n: "a\nb", m: ""}, {n: " ", m: "\\."}, {n: "日本,\"'", m: "\u202e\u0007"}]; JSON.stringify(parseCSV(csv(odd))) === JSON.stringify(odd)`, "true")
	d.expect(`let ends = [{n: "a\rb", m: "a\r\nb"}, {n: "\r", m: "\r\n"}, {n: "\n\r", m: "\n"}]; JSON.stringify(parseCSV(csv(ends))) === JSON.stringify(ends)`, "true")
	d.expect(`JSON.stringify(parseCSV("\ufeffa,b\r\n1,\"2\r\n3\"\r\n"))`, `"[{\"a\":\"1\",\"b\":\"2\\r\\n3\"}]"`)
	d.expect(`JSON.stringify(parseCSV(csv([{n: ""}, {n: "x"}, {n: ""}])))`, `"[{\"n\":\"\"},{\"n\":\"x\"},{\"n\":\"\"}]"`)
	d.expect(`writeFile(folder + "a.csv", csv([{a: 1}]))`, strconv.Quote("wrote 4 B to "+folder+"/a.csv"))
	d.expect(`readFile(folder + "a.csv")`, `"a\n1\n"`)
	for code, want := range map[string]string{
		`writeFile(folder + "a.csv", "x")`:                       "exists: " + folder + "/a.csv exists; nothing was written\n  to replace it: writeFile(path, text, {overwrite: true})",
		`writeFile(folder + "a.csv", "x", {overwrite: false})`:   "exists: ",
		`writeFile(folder, "x", {overwrite: true})`:              folder + "/ is not a file",
		`writeFile("/dev/null", "x", {overwrite: true})`:         "/dev/null is not a file",
		`writeFile(folder + "no/a.csv", "x")`:                    "open " + folder + "/no/a.csv: no such file or directory",
		`writeFile(folder + "no/a.csv", "x", {overwrite: true})`: "open " + folder + "/no/.tower-",
		`writeFile(folder + "b.csv", Note.all())`:                "TypeError: writeFile takes a path and a text",
		`writeFile(folder + "b.csv", "x", {force: true})`:        "TypeError: writeFile takes the options {overwrite: true}",
		`csv(Note.count())`:                                      "TypeError: csv takes a list of records or objects: csv(",
		`csv([1])`:                                               "TypeError: csv takes a list",
		`csv({a: 1})`:                                            "TypeError: csv takes a list",
		`csv([{}], {bom: 1})`:                                    "TypeError: csv takes the options {safe: true}",
	} {
		if _, failed := d.run(code); !strings.HasPrefix(failed, want) {
			t.Errorf("%s: %q", code, failed)
		}
	}
	d.expect(`readFile(folder + "a.csv")`, `"a\n1\n"`)
	d.must(`writeFile(folder + "a.csv", "new", {overwrite: true})`)
	d.expect(`readFile(folder + "a.csv")`, `"new"`)
	left, err := os.ReadDir(folder)
	if info, statErr := os.Stat(folder + "/a.csv"); err != nil || statErr != nil || len(left) != 1 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v %v", left, err, statErr)
	}
}

func TestARedactedSecretIsNotWritten(t *testing.T) {
	s := newSession(t)
	_, failed := s.run(`User.create({name: "ada", passwordHash: REDACTED})`)
	if want := "ReferenceError: REDACTED is not defined\n  User.create({name: \"ada\", passwordHash: REDACTED})\n                                          ^\n  the history does not store secrets: type it again"; failed != want {
		t.Errorf("got %s\nwant %s", failed, want)
	}
}
