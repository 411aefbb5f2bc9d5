package scaffolds

import (
	"strings"
	"testing"
)

// A field that is added is where the scaffold would have put it, for every type, and
// destroy takes back exactly that.
func TestAddedFieldsAreThoseOfAScaffold(t *testing.T) {
	fields := []string{"due:time", "state:enum(open,done):index", "tags:list", "notes:text:private", "stars:int", "rank:int:optional", "price:float", "done:bool", "body:text", "api_url:string"}
	dir, other := newApp(t), newApp(t)
	generate(t, dir, "scaffold Task title:string")
	generate(t, other, "scaffold Task title:string "+strings.Join(fields, " "))
	want := tree(t, other)
	trees := []map[string]string{tree(t, dir)}
	for _, field := range fields {
		generate(t, dir, "field Task "+field)
		trees = append(trees, tree(t, dir))
	}
	got := tree(t, dir)
	checkFiles(t, got)
	got["go.mod"], got[manifestName] = want["go.mod"], want[manifestName]
	sameTree(t, got, want)

	for i := len(fields) - 1; i >= 0; i-- {
		name, _, _ := strings.Cut(fields[i], ":")
		destroy(t, dir, "field Task "+name)
		sameTree(t, tree(t, dir), trees[i])
	}

	// Several at once, and the scaffold with them.
	generate(t, dir, "field Task "+strings.Join(fields, " "))
	got = tree(t, dir)
	got["go.mod"], got[manifestName] = want["go.mod"], want[manifestName]
	sameTree(t, got, want)
	destroy(t, dir, "field Task due")
	destroy(t, dir, "field Task tags")
	checkFiles(t, tree(t, dir))
	destroy(t, dir, "scaffold Task")
	fresh := tree(t, newApp(t))
	fresh["go.mod"] = get(t, dir, "go.mod")
	sameTree(t, tree(t, dir), fresh)
}

// A model without a scaffold has no controller and no pages. A file that a person wrote
// keeps its own lines.
func TestAddedFieldsOfAModel(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "model User name:string")
	put(t, dir, "models/task.go", "package models\n\nimport \"github.com/towerkit/tower\"\n\ntype Task struct {\n\ttower.Record\n\tTitle string `json:\"title\"` // mine\n}\n\nvar Tasks = tower.NewModel[Task](\"tasks\")\n")
	for _, ending := range []string{"\n", "\r\n"} {
		put(t, dir, "models/task.go", strings.ReplaceAll(strings.ReplaceAll(get(t, dir, "models/task.go"), "\r\n", "\n"), "\n", ending))
		before := tree(t, dir)
		generate(t, dir, "field Task due:time")
		if text := get(t, dir, "models/task.go"); ending == "\r\n" && strings.Count(text, "\n") != strings.Count(text, "\r\n") {
			t.Errorf("the line endings are mixed: %q", text)
		}
		destroy(t, dir, "field Task due")
		sameTree(t, tree(t, dir), before)
	}
	put(t, dir, "models/task.go", strings.ReplaceAll(get(t, dir, "models/task.go"), "\r\n", "\n"))
	before := tree(t, dir)
	generate(t, dir, "field Task due:time author:ref=users")
	checkFiles(t, tree(t, dir))
	contains(t, get(t, dir, "models/task.go"), "// mine\n", "\tAuthorID tower.ID  `json:\"authorId\" tower:\"ref=users,delete=refuse,index\"`\n}", "\t\"time\"\n")
	destroy(t, dir, "field Task author")
	destroy(t, dir, "field Task due")
	sameTree(t, tree(t, dir), before)
}

func TestAddedFieldsKeepEdits(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold Task title:string")
	generate(t, dir, "field Task due:time")
	form := get(t, dir, "views/tasks/_form.html")
	put(t, dir, "views/tasks/_form.html", strings.Replace(form, `{{.Input "due" .Data.Task}}`, `{{.Input "due" .Data.Task "label" "Until"}}`, 1))
	plan, err := Destroy(dir, "field", []string{"Task", "due"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if v := verbs(plan); v["views/tasks/_form.html"] != Keep || v["models/task.go"] != Update {
		t.Fatalf("the plan is\n%s", plan)
	}
}

func TestAddedFieldsThatCannotBe(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, "scaffold Task title:string")
	before := tree(t, dir)
	for line, want := range map[string]string{
		"Task":                          "the field is missing",
		"Job due:time":                  "tower generate scaffold Job due:time",
		"Task due":                      "a field is NAME:TYPE",
		"Task title:text":               "Task already has a field title",
		"Task due:time due:int":         "Task already has a field due",
		"Task due:time:required":        "records that are stored have no value",
		"Task code:string:unique":       "records that are stored have no value",
		"Task password:string":          "stored and sent as plain text",
		"Task user:ref":                 "\tUserID *tower.ID `json:\"userId\"`\n",
		"Task created_at:time":          "every record already has",
		"Task state:enum(open,done):no": "there is no option",
	} {
		if _, err := Generate(dir, "field", strings.Fields(line), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", line, err, want)
		}
	}
	if _, err := Destroy(dir, "field", []string{"Task", "due"}, false); err == nil || !strings.Contains(err.Error(), "was not generated here") {
		t.Errorf("destroyed: %v", err)
	}
	sameTree(t, tree(t, dir), before)

	// A place that is not there any more: the error has the lines, and what was added by
	// hand is found.
	for name, text := range map[string]string{
		"models/task.go":            strings.Replace(before["models/task.go"], "\n}\n\nvar", "}\n\nvar", 1),
		"controllers/tasks.go":      strings.Replace(before["controllers/tasks.go"], "type TaskInput struct", "type TaskInputs struct", 1),
		"views/tasks/_form.html":    "<p>mine</p>\n",
		"views/tasks/_detail.html":  "<p>mine</p>\n",
		"views/tasks/_task.html":    "<li>{{.Title}}</li>\n",
		"controllers/tasks_mine.go": "package controllers\n\nfunc {\n",
	} {
		put(t, dir, name, text)
		edited := tree(t, dir)
		_, err := Generate(dir, "field", []string{"Task", "due:time"}, false)
		switch {
		case err == nil || !strings.Contains(err.Error(), name):
			t.Errorf("%s: %v", name, err)
		case !strings.HasSuffix(name, "_mine.go") && !strings.Contains(err.Error(), "by hand, and try again:\n"):
			t.Errorf("%s: the error has no lines: %v", name, err)
		}
		sameTree(t, tree(t, dir), edited)
		if before[name] != "" {
			put(t, dir, name, before[name])
		} else {
			put(t, dir, name, "package controllers\n")
		}
	}
	put(t, dir, "views/tasks/_form.html", "<p>mine</p>\n{{.Input \"due\" .Data.Task}}\n")
	plan, err := Generate(dir, "field", []string{"Task", "due:time"}, false)
	if err != nil || verbs(plan)["views/tasks/_form.html"] != Identical {
		t.Errorf("the plan is\n%s\n%v", plan, err)
	}
}
