package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

// send changes a task over each way of sending.
var send = map[string]func(t *testing.T, app *towertest.App, id tower.ID, body string) (status int, problems string){
	"http": func(t *testing.T, app *towertest.App, id tower.ID, body string) (int, string) {
		response, text := do(t, http.DefaultClient, http.MethodPatch, app.URL+"/tasks/"+string(id), body, "Content-Type", "application/json")
		var answer struct {
			Error struct{ Problems map[string][]string } `json:"error"`
		}
		_ = json.Unmarshal([]byte(text), &answer)
		problems, _ := json.Marshal(answer.Error.Problems)
		return response.StatusCode, string(problems)
	},
	"socket": func(t *testing.T, app *towertest.App, id tower.ID, body string) (int, string) {
		answer := app.Connect(t, "").Call("PATCH /tasks/"+string(id), json.RawMessage(body))
		text, _ := json.Marshal(answer.Problems)
		return answer.Status, string(text)
	},
}

func TestNullClearsAndIsNotLost(t *testing.T) {
	for way, patch := range send {
		t.Run(way, func(t *testing.T) {
			app := towertest.Open(t, Config())
			code := "a"
			rank := 5
			task := &models.Task{Title: "x", Rank: &rank, Code: &code, Tags: []string{"a"}}
			if err := models.Tasks.Create(t.Context(), app, task); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				body   string
				status int
				want   string // rank, code and tags, or the problems
			}{
				{`{"title":"y"}`, 200, `[5,"a",["a"]]`},
				{`{"rank":null}`, 200, `[null,"a",["a"]]`},
				{`{"rank":7,"code":null}`, 200, `[7,null,["a"]]`},
				{`{"tags":null}`, 200, `[7,null,null]`},
				{`{"title":null}`, 422, `{"title":["cannot be null"]}`},
				{`{"done":null}`, 422, `{"done":["cannot be null"]}`},
				{`{"due":"9999-12-31T23:59:59-01:00"}`, 422, `{"due":["is out of range: the year is 0 to 9999 in UTC"]}`},
				{`{"tags":["x",null]}`, 422, `{"tags.1":["cannot be null"]}`},
			} {
				status, problems := patch(t, app, task.ID, c.body)
				got := problems
				if status == 200 {
					now, err := models.Tasks.Find(t.Context(), app, task.ID)
					if err != nil {
						t.Fatal(err)
					}
					text, _ := json.Marshal([]any{now.Rank, now.Code, now.Tags})
					got = string(text)
				}
				if status != c.status || got != c.want {
					t.Errorf("%s: %d %s, not %d %s", c.body, status, got, c.status, c.want)
				}
			}
		})
	}
}

func TestEmptyBoxes(t *testing.T) {
	app := towertest.Open(t, Config())
	for range 2 { // two empty boxes of a unique field do not clash
		if status, body := app.PostForm(t, "", "/tasks", "title=x&rank=&code=&due=&tags=a&tags=b"); status != http.StatusSeeOther {
			t.Fatalf("%d %s", status, body)
		}
	}
	task, err := models.Tasks.FindBy(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(task.Tags); task.Rank != nil || task.Code != nil || string(text) != `["a","b"]` {
		t.Errorf("%+v", task)
	}
	for _, body := range []string{"rank=NaN", "rank=0x10", "rank=1_0", "due=soon", "title="} {
		status, _ := app.PostForm(t, "", "/tasks/"+string(task.ID)+"?_method=PATCH", body)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d", body, status)
		}
	}
	if status, _ := app.PostForm(t, "", "/tasks/"+string(task.ID)+"?_method=PATCH", "tags="); status != http.StatusSeeOther {
		t.Errorf("a cleared list is answered %d", status)
	}
	if task, err = models.Tasks.Find(t.Context(), app, task.ID); err != nil || len(task.Tags) != 0 {
		t.Errorf("the list is %v: %v", task.Tags, err)
	}
}
