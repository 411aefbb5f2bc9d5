package repl

import (
	"strings"
	"testing"
)

func TestWhenARecordWasWrittenComesLast(t *testing.T) {
	record := value{kind: recordValue, fields: []field{{"id", scalar(stringValue, "a")}, {"createdAt", scalar(stringValue, "b")}, {"title", scalar(stringValue, "c")}}, total: 3}
	if got := strings.Join((formatter{}).lines(record), "|"); got != "id         a|title      c|createdAt  b" {
		t.Errorf("got %s", got)
	}
	if got := (formatter{}).lines(value{kind: listValue, items: []value{record}, total: 1})[0]; got != "id  title  createdAt" {
		t.Errorf("got %s", got)
	}
}
