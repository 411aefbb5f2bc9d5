// Package budget divides what a server can read and send among its clients. A client is
// whoever answers for requests: a user, or all visitors at an address, however many
// connections it has.
//
// Each client has an allowance of work. A client that has used up its allowance waits for
// one of a few lanes that all such clients share, and that rest most of the time, so the
// commits and reads of others do not wait for it. In a lane all clients are equal: of each,
// one request at a time stands in line. Work is estimated from what was read and answered.
// Unlike a time that was measured, it does not depend on how busy the machine is.
//
// Every client, with an allowance or without, takes turns for the parts of a long read.
//
// Each client also has an allowance of bytes that it is answered with. A client that has
// used up that one is refused, with the time after which it may ask again.
package budget
