package show

import (
	"strings"
	"testing"
)

func TestWhenARecordWasWrittenComesLast(t *testing.T) {
	record := Value{Kind: Record, Fields: []Field{{"id", Scalar(String, "a")}, {"createdAt", Scalar(String, "b")}, {"title", Scalar(String, "c")}}, Total: 3}
	if got := strings.Join((Formatter{}).Lines(record), "|"); got != "id         a|title      c|createdAt  b" {
		t.Errorf("got %s", got)
	}
	if got := (Formatter{}).Lines(Value{Kind: List, Items: []Value{record}, Total: 1})[0]; got != "id  title  createdAt" {
		t.Errorf("got %s", got)
	}
}
