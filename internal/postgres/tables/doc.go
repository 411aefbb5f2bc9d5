// Package tables keeps the records of models in tables of PostgreSQL that other programs
// read, join and write: a table for each model, with a typed column for each field.
//
// A column holds what the field's Go value is, and not how its JSON was spelled. A record
// whose JSON does not follow from its columns to the byte is kept in the table tower.exact
// as well. A record that does not fit its model is kept there alone.
package tables
