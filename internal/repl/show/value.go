// Package show formats values, failures and tables as lines of text. A [Value] is a
// JavaScript value copied out of its engine; a [Failure] is an error with its position
// in the source. The package also splits code into tokens, for coloring and for
// completion while it is being typed.
package show

import (
	"time"
)

// A Kind is the kind of a [Value].
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
	Symbol // and other values shown only as text
	Text   // prose, such as the result of help()
)

// A Value is a copy of a JavaScript value. Unlike the engine's value, it may be kept
// and read by another goroutine.
type Value struct {
	Kind   Kind    // determines which other fields are set
	Text   string  // of a scalar; the name of a function; the message of an error
	Label  string  // the type of a record, the class of an object, the name of an error
	Items  []Value // of a list
	Fields []Field // of an object or a record
	Data   *Value  // the data a text describes, or nil
	Total  int     // the number of items or fields; Items or Fields may contain only the first
}

// A Field is a member of an object or a record.
type Field struct {
	Name  string
	Value Value
}

// Scalar returns a value that consists only of its text.
func Scalar(kind Kind, text string) Value { return Value{Kind: kind, Text: text} }

// TextOrTime returns a string value, or a time if s is a time in JSON notation.
func TextOrTime(s string) Value {
	if len(s) >= 20 && len(s) <= 35 && s[4] == '-' && s[10] == 'T' {
		if _, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return Scalar(Time, s)
		}
	}
	return Scalar(String, s)
}
