// Package erase takes a record out of an application's data, with what belongs to it, and
// proves that it is gone: from the records, the log, the file's unused pages, the archive, and
// the files that tower has written beside the store.
//
// The record is deleted as deletions are: fields with delete=cascade take the records along
// that refer to it, delete=clear empties the fields, and delete=refuse prevents it. References
// without delete= are emptied as well, or they would keep the id.
//
// The content of the files that only those records had is removed, and that of uploads that the user
// has not used, from the archive too.
//
// Then the log is forgotten, whose commits have the records as they were. What others have done
// before cannot be undone after that, and the archive begins again with one backup: no state
// before it can be restored. Clients that are connected have received the deletion; one that
// comes back with an older state reads everything again.
//
// The proof reads the bytes of the file, and of what is archived, and finds in them neither an
// id of the erased records nor any of their texts. Texts that other records have too are left out
// and named; so are texts of less than four bytes.
//
// An erasure that was killed is completed by repeating it: what it has to look for is kept in a
// file beside the store, which is removed at the end.
package erase
