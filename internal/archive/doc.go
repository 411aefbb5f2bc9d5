// Package archive keeps backups of a store: single files, and places to which the log
// is copied as it is written, from which a store can be restored to any commit.
//
// # Backups
//
// A backup is a tar compressed with zstd. It holds info.json, an [Info], and then
// store.db, a copy of the store's file. Readers skip members that they do not know.
//
// # Archives
//
// An archive is a [Place], a folder or a bucket, with these names:
//
//	EPOCH/SEQ.backup    a backup as of the commit SEQ
//	EPOCH/FROM-TO.log   the commits FROM to TO
//
// Numbers have twenty digits, so that names sort. An epoch is one history of a store;
// its name begins with the time at which it began. Restoring a store begins another
// epoch. Log files may overlap: the commits that two of them have are the same.
//
// A log file is compressed with zstd. It begins with the line "tower log 1". Each
// commit follows as its number, its log entry, the key of its call and what is stored
// for that call. The number is a uvarint; the others are preceded by their length as a
// uvarint.
package archive
