// Package conformance holds a server of the protocol of package wire against scripts of
// frames.
//
// A script is text. Each line is one act, and the first word of most is the name of a client:
//
//	# A record enters a cursor.
//	ada connect
//	ada → {"hello":1}
//	ada ← {"hello":1,"epoch":"$epoch","seq":"$seq"}
//	ada → {"id":1,"open":"notes.all"}
//	ada ← {"id":1,"status":200,"cursor":"$all","ids":"*"}
//	ada close
//	ada ← close 1002
//	http → POST /notes {"title":"a"}
//	http ← 201 {"title":"a"}
//
// The frames of a message that is an array are separate acts, in order. A frame from the
// server must have the fields that the script names, with equal values, and may have more.
// "$name" stands for any value the first time, and for the same value afterwards, also in
// what a client sends. "*" stands for any value, and "!field":true for a field that must not
// be there. "$ulid" is a new id in each run. A script expects a server without records, and
// leaves none behind.
package conformance
