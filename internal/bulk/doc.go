// Package bulk imports records from files: a line of JSON for each, or CSV. It is the
// counterpart of an export.
//
// An import reads the files twice. First it checks each record as a create does, and that ids and
// unique values occur once, in the store and in the files together, and that references lead
// to records of either; it reports each problem with its line and changes nothing. Then it
// creates the records, in commits of some hundred, models that others refer to first.
//
// An import that ends halfway leaves the commits that it has made. It can be repeated: a record
// that exists with the values of the file is left alone. A record without an id gets one that
// depends on its file and its line.
//
// What must be remembered of the records is sorted on the disk, so memory does not grow with
// them.
package bulk
