package tower

import "time"

// Limits bounds what clients may make an application hold and do. A limit of zero is its
// default. A limit cannot be switched off: set a large one. The guide docs/guide/limits.md
// lists them with what a client receives that reaches one.
type Limits struct {
	// MaxFrame is the size of one message of a connected client, in bytes. Over a
	// socket, a larger one ends the connection; over HTTP, it is refused.
	//
	// Default: 65,536 (64 KiB).
	MaxFrame int64

	// MaxBody is the size of the body of one HTTP request, in bytes. A larger one is
	// refused with status 413.
	//
	// Default: 1,048,576 (1 MiB).
	MaxBody int64

	// MaxQueue is how much may wait to be sent to one client, in bytes. A client that
	// lags further behind reads its cursors again instead.
	//
	// Default: 1,048,576 (1 MiB).
	MaxQueue int

	// MaxRate is the number of frames a second over one connection. It may send four
	// times as many at once. Further frames are refused. Every frame counts, but for the
	// acknowledgements that the server has asked for. A client that goes on regardless, or
	// sends what is no frame, loses its connection.
	//
	// Default: 200.
	MaxRate int

	// MaxInflow is the number of bytes a second over one connection. It may send four times
	// as many at once. Further bytes are read more slowly.
	//
	// Default: 1,048,576 (1 MiB).
	MaxInflow int

	// MaxCursors is the number of cursors open on one connection.
	//
	// Default: 200.
	MaxCursors int

	// MaxQueries is the number of different queries that one user, or all visitors at one
	// address, hold open: cursors that differ in their input, conditions, order or limit,
	// or in what the user may see of them. Equal cursors on several connections are one.
	//
	// Default: 4,000.
	MaxQueries int

	// MaxAllQueries is the number of different queries that all clients hold open. Visitors
	// take at most half of them; the rest is for signed-in users.
	//
	// Default: 400,000.
	MaxAllQueries int

	// MaxConnections is the number of connections of one signed-in user, to all nodes.
	//
	// Default: 100.
	MaxConnections int

	// MaxAddress is the number of connections from one address, over any transport. Visitors
	// take at most half of them; the rest is for signed-in users. The 2^64 addresses of an
	// IPv6 network count as one. Behind a proxy, see [Config].TrustedProxies.
	//
	// Default: 2,000.
	MaxAddress int

	// MaxVisitors is the number of connections of all visitors together.
	//
	// Default: 10,000.
	MaxVisitors int

	// MaxClients is the number of all connections. What visitors may not take of them is for
	// signed-in users.
	//
	// Default: 20,000.
	MaxClients int

	// MaxReading is how much of a processor's time one user, or all visitors at one
	// address, may take up in each second by opening cursors, loading pages and reading
	// cursors over HTTP. The time is estimated from the records that are read and the bytes
	// that are made of them. Who reads more waits for a turn, in a line that all who read too
	// much share, and is refused if that takes too long. Behind a proxy, see
	// [Config].TrustedProxies.
	//
	// The reading that commits cause for open cursors is counted apart, with a minute's worth at once. A
	// client that has used that up is disconnected when a commit would read many records for it again.
	//
	// Default: 10 milliseconds.
	MaxReading time.Duration

	// MaxOutflow is the number of bytes a second that one user, or all visitors at one
	// address, are answered with: by opened cursors, pages, cursors read over HTTP, and
	// actions, before compression. Four times as many may be answered at once. Who has been
	// answered with more is refused until the second is over. The changes of open cursors,
	// files, streams, and what a handler writes do not count.
	//
	// Default: 8,388,608 (8 MiB).
	MaxOutflow int

	// Timeout is how long one request may take. Its context ends then.
	//
	// Default: 30 seconds.
	Timeout time.Duration

	// Patience is how long a client may pause while it sends the body of one request or
	// receives the answer, all pauses together. The time in which the application works
	// does not count. A body that arrives more slowly is refused with status 408; an
	// answer that is received more slowly ends with the connection.
	//
	// A connection that does not say hello within this time ends.
	//
	// Default: 20 seconds.
	Patience time.Duration

	// MinSpeed is how fast a client must send and receive beyond its pauses, in bytes a
	// second. So a body of n bytes may take Patience and n/MinSpeed seconds.
	//
	// Default: 4,096 (4 KiB).
	MinSpeed int
}
