// Package record describes records: structs of an application that embed [Record].
//
// A [Model] holds what the tags of one struct declare: a [Field] for each stored
// field, with its name in JSON, its kind, and whether it is indexed, unique,
// private or a reference. Reflection runs once, in [NewModel]; afterwards a field
// is read at its offset.
//
// An [Image] is a frozen record, as one commit stored it: JSON for clients, the
// private fields beside it, and a decoded struct that is made on first use. A
// [Value] is one field of it, comparable and with an order that an index keeps.
//
// The package also validates records and inputs, see [Validate], and makes IDs.
// All of the module's unsafe code is in unsafe.go.
package record
