package main

import (
	"net/http"
	"testing"

	"github.com/towerkit/tower/towertest"
)

func open(t *testing.T, client *towertest.Client, column string) *towertest.Cursor {
	t.Helper()
	return client.Open("cards.in", map[string]any{"column": column})
}

func TestACardMovesForEveryone(t *testing.T) {
	app := towertest.Open(t, Config())
	visitor, other := app.Connect(t, ""), app.Connect(t, "")
	todo, done := open(t, other, "todo"), open(t, other, "done")

	if made := visitor.Call("POST /cards", map[string]any{"title": "Hello", "column": "todo"}); made.Status != http.StatusCreated {
		t.Fatalf("create answered %d %v", made.Status, made.Problems)
	}
	todo.AwaitLen(1)
	if moved := visitor.Call("PATCH /cards/"+string(todo.IDs()[0]), map[string]any{"column": "done"}); moved.Status != http.StatusOK {
		t.Fatalf("update answered %d %v", moved.Status, moved.Problems)
	}
	todo.AwaitLen(0)
	done.AwaitLen(1)
}

func TestACardIsOfAColumn(t *testing.T) {
	app := towertest.Open(t, Config())
	visitor := app.Connect(t, "")
	for _, input := range []map[string]any{{"title": "", "column": "todo"}, {"title": "Hello", "column": "later"}, {"title": "Hello"}} {
		if made := visitor.Call("POST /cards", input); made.Status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d %v", input, made.Status, made.Problems)
		}
	}
}

func TestTheBoardIsAPage(t *testing.T) {
	app := towertest.Open(t, Config())
	if status, body := app.Get(t, "/"); status != http.StatusOK {
		t.Errorf("the board is %d %s", status, body)
	}
}
