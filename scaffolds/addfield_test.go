package scaffolds

import (
	"strings"
	"testing"
)

// A field that is added is where the scaffold would have put it, for every type, and
// destroy takes back exactly that.
func TestAddedFieldsAreThoseOfAScaffold(t *testing.T) {
	fields := []string{"due:time", "state:enum(open,done):index", "tags:list", "notes:text:private", "stars:int", "rank:int:optional", "price:float", "done:bool", "body:text", "api_url:string", "owner:ref=users", "parent:ref=tasks:clear", "watcher:ref=users:private", "password:password", "label:ref=marks", "reviewer:ref=users"}
	dir, other := newApp(t), newApp(t)
	for _, app := range []string{dir, other} {
		generate(t, app, "scaffold User name:string")
		generate(t, app, "model Mark weight:int")
	}
	generate(t, dir, "scaffold Task title:string")
	generate(t, other, "scaffold Task title:string "+strings.Join(fields, " "))
	want := tree(t, other)
	trees := []map[string]string{tree(t, dir)}
	for _, field := range fields {
		generate(t, dir, "field Task "+field)
		trees = append(trees, tree(t, dir))
	}
	// A test of the scaffold sends the refs that it began with.
	const test = "tasks_test.go"
	got := tree(t, dir)
	checkFiles(t, got)
	got["go.mod"], got[manifestName], got[test] = want["go.mod"], want[manifestName], want[test]
	sameTree(t, got, want)

	for i := len(fields) - 1; i >= 0; i-- {
		name, _, _ := strings.Cut(fields[i], ":")
		destroy(t, dir, "field Task "+name)
		sameTree(t, tree(t, dir), trees[i])
	}

	// Several at once, and the scaffold with them.
	generate(t, dir, "field Task "+strings.Join(fields, " "))
	got = tree(t, dir)
	got["go.mod"], got[manifestName], got[test] = want["go.mod"], want[manifestName], want[test]
	sameTree(t, got, want)
	destroy(t, dir, "field Task due")
	destroy(t, dir, "field Task tags")
	checkFiles(t, tree(t, dir))
	destroy(t, dir, "scaffold Task")
	destroy(t, dir, "model Mark")
	destroy(t, dir, "scaffold User")
	fresh := tree(t, newApp(t))
	fresh["go.mod"] = get(t, dir, "go.mod")
	sameTree(t, tree(t, dir), fresh)
}

// The choices of a ref do not have the name of the page's record.
func TestAddedRefsNameTheirChoices(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, "scaffold Sheep name:string")
	for _, field := range []string{"owner:ref=users", "sheep:ref=sheep"} {
		generate(t, dir, "field Sheep "+field)
	}
	checkFiles(t, tree(t, dir))
	contains(t, get(t, dir, "controllers/sheep.go"), "// the choices for ownerId", "// the choices for sheepId")
	contains(t, get(t, dir, "views/sheep/_form.html"), ".Data.Owners", ".Data.SheepChoices")
	_, err := Generate(dir, "field", []string{"Sheep", "owner:ref=users"}, false)
	if err == nil || !strings.Contains(err.Error(), "Sheep already has a field ownerId") {
		t.Errorf("the second time: %v", err)
	}
}

// A controller whose methods were edited has no place for the lines of a ref: the error
// has them, and nothing is changed.
func TestAddedRefsKeepEdits(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, "scaffold Task title:string")
	const name = "controllers/tasks.go"
	text := get(t, dir, name)
	for _, c := range []struct{ old, new, want string }{
		{"return list, nil", "return list.Desc(nil), nil", "Tasks.All should end with a line return list, nil"},
		{"return one, nil", "{ return one, nil }", "Tasks.One should end with a line return one, nil"},
		{"return out, nil", "panic(1)", "Tasks.form should end with a line return out, nil"},
		{"(c *Tasks) form(", "(c *Tasks) choices(", "has no func Tasks.form"},
		{"(c *Tasks) All(", "(c *Job) All(", "has no func Tasks.All"},
		{"type TaskPage struct", "type TasksPage struct", "declares no struct TaskPage"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%q is not in\n%s", c.old, text)
		}
		put(t, dir, name, strings.ReplaceAll(text, c.old, c.new))
		before := tree(t, dir)
		_, err := Generate(dir, "field", []string{"Task", "owner:ref=users"}, false)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "add this to "+name+" by hand, and try again:\n\t") {
			t.Errorf("%s: %v", c.new, err)
		}
		sameTree(t, tree(t, dir), before)
	}

	// Lines that were edited stay, and so do those that make no sense without them.
	put(t, dir, name, text)
	generate(t, dir, "field Task owner:ref=users")
	put(t, dir, name, strings.Replace(get(t, dir, name), "Limit(500)); err != nil {\n", "Limit(500)); err != nil {\n\t\tlog.Print(err)\n", 1))
	plan, err := Destroy(dir, "field", []string{"Task", "owner"}, false)
	if err != nil || verbs(plan)[name] != Keep {
		t.Errorf("the plan is\n%s\n%v", plan, err)
	}
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
		"Task password:string":          "password:password stores its hash",
		"Task password:password:index":  "a password has no options",
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
