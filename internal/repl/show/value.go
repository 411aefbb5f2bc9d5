// Package show lays out values, failures and tables as lines of text. A [Value] is a
// JavaScript value that has been copied out of its engine; a [Failure] is an error with
// the place it points at. The package also splits code into tokens, for coloring and for
// reading along while it is typed.
package show

import (
	"time"
)

// A Kind is what a [Value] is.
type Kind uint8

// The kinds of values.
const (
	Undefined Kind = iota
	Null
	Bool
	Number
	String
	Time
	List
	Object
	Record
	Function
	Error
	Symbol // and whatever else is known by its text alone
	Text   // prose, for example of help()
)

// A Value is a JavaScript value as it was when it was looked at. Unlike the
// engine's own it can be kept, and read by another goroutine.
type Value struct {
	Kind   Kind
	Text   string  // of a scalar; a function's name; an error's message
	Label  string  // the record's type, the object's class, the error's name
	Items  []Value // of a list
	Fields []Field // of an object or a record
	Data   *Value  // what a text tells of, if it is more than a text
	Total  int     // how many items or fields there are; items or fields may hold the first of them
}

// A Field is a member of an object or a record.
type Field struct {
	Name  string
	Value Value
}

// Scalar returns a value that is known by its text alone.
func Scalar(kind Kind, text string) Value { return Value{Kind: kind, Text: text} }

// TextOrTime is a string, which may be a time as JSON has it.
func TextOrTime(s string) Value {
	if len(s) >= 20 && len(s) <= 35 && s[4] == '-' && s[10] == 'T' {
		if _, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return Scalar(Time, s)
		}
	}
	return Scalar(String, s)
}
