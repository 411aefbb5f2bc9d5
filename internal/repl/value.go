package repl

import (
	"time"
)

type valueKind uint8

const (
	undefinedValue valueKind = iota
	nullValue
	boolValue
	numberValue
	stringValue
	timeValue
	listValue
	objectValue
	recordValue
	functionValue
	errorValue
	symbolValue // and whatever else is known by its text alone
	textValue   // prose, for example of help()
)

// A value is a JavaScript value as it was when it was looked at. Unlike the
// engine's own it can be kept, and read by another goroutine.
type value struct {
	kind   valueKind
	text   string  // of a scalar; a function's name; an error's message
	label  string  // the record's type, the object's class, the error's name
	items  []value // of a list
	fields []field // of an object or a record
	data   *value  // what a text tells of, if it is more than a text
	total  int     // how many items or fields there are; items or fields may hold the first of them
}

type field struct {
	name  string
	value value
}

func scalar(kind valueKind, text string) value { return value{kind: kind, text: text} }

// textOrTime is a string, which may be a time as JSON has it.
func textOrTime(s string) value {
	if len(s) >= 20 && len(s) <= 35 && s[4] == '-' && s[10] == 'T' {
		if _, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return scalar(timeValue, s)
		}
	}
	return scalar(stringValue, s)
}
