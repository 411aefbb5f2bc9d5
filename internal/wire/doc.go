// Package wire defines the protocol of tower's processes: the frames between a browser
// and the server, and the lines between a console and the server. It holds types and
// their encoding, and does no I/O.
//
// # Frames
//
// A connection carries JSON text messages. Each message is one frame, an object, or
// several frames, an array, which the receiver applies in order and in one turn.
//
// A client's first frame is hello. The server answers with its own hello:
//
//	→ {"hello":1,"zone":"Europe/Berlin"}
//	← {"hello":1,"epoch":"01J8…","seq":812,"build":"9f2c…","user":"01J7…","actions":["POST /posts"],"cursors":["posts.published"]}
//
// The zone is the IANA name of the client's time zone. It may be left out, and one that the
// server does not know is ignored.
//
// A client that wants to know whether the server is there can send a ping at any time,
// also before hello, and gets an answer:
//
//	→ {"ping":true}
//	← {"status":200}
//
// A client that the application refuses gets the error, and then the connection ends
// with a code of 4000 plus the error's status. It may connect again later, after
// growing waits:
//
//	→ {"hello":1}
//	← {"status":403,"error":{"code":"forbidden","message":"this account is suspended"}}
//
// epoch names the store's history, and build the application's code. A client that has
// kept records from another epoch, from another build or for another user must start
// again.
//
// A frame with an id is a request. Exactly one frame with the same id answers it. The
// server handles the requests of a connection in order.
//
//	→ {"id":1,"open":"posts.published","in":{},"where":{"likes":{"gte":3}},"order":["-createdAt"],"limit":10,"since":"01J8…:790"}
//	← {"id":1,"status":200,"at":"01J8…:812","cursor":17,"model":"posts","ids":["01JB…","01JA…"],"posts":[{…},{…}]}
//	→ {"id":2,"close":17}
//	← {"id":2,"status":200}
//	→ {"id":3,"call":"POST /posts","in":{"title":"Hi"},"key":"01JC…"}
//	← {"id":3,"status":201,"at":"01J8…:813","out":{…}}
//	← {"id":3,"status":422,"error":{"code":"invalid","message":"…","problems":{"title":["is required"]}}}
//
// A call with a key, a ULID that the client chose for it, takes effect once. A client
// that lost its connection before the answer sends the call again, unchanged, and gets
// the answer of the first time. If the server no longer has that answer, it answers
// with status 200 and "out":null.
//
//	→ {"id":1,"call":"POST /posts","in":{"title":"Hi"},"key":"01JC…"}
//	← {"id":1,"status":201,"at":"01J8…:813","out":{…},"repeated":true}
//
// A page's own lists are opened with the sealed text in the page, and travel as HTML:
// items hold the rendered partial of each record.
//
//	→ {"id":4,"live":"MTcz…","since":"01J8…:812"}
//	← {"id":4,"status":200,"at":"01J8…:812","cursor":18,"model":"posts","since":"01J8…:812","delta":{}}
//	← {"id":4,"status":200,"at":"01J8…:812","cursor":18,"model":"posts","items":[{"id":"01JB…","html":"<li …>"}]}
//
// A cursor may carry a value instead of records: a count, whether there are any
// records, or a sum, minimum, maximum or average. Its answers always hold the value,
// also if the client names a since; null means that there is none. A page opens such a
// cursor as it does a list.
//
//	→ {"id":5,"open":"posts.howMany"}
//	← {"id":5,"status":200,"at":"01J8…:812","cursor":19,"model":"posts","value":12}
//
// A page may also open a region: a part of it that is rendered for this connection's user.
// A region carries a value, its HTML, and is closed as a cursor is. If nothing has changed
// since the client's since, the answer has a delta without a value.
//
//	→ {"id":5,"live":"MTcz…","since":"01J8…:812"}
//	← {"id":5,"status":200,"at":"01J8…:812","cursor":20,"since":"01J8…:812","delta":{}}
//	← {"id":5,"status":200,"at":"01J8…:812","cursor":20,"value":"<h1>…</h1>"}
//
// The answer to an open with "scope":true also holds the cursor's scope, so that a
// client can predict what its own writes do to the cursor before the server reports it.
// The scope has the shapes of the model's fields, the conditions in the form that a
// client narrows a cursor with, the order and the window.
//
//	→ {"id":6,"open":"posts.published","scope":true}
//	← {"id":6,"status":200,"at":"01J8…:812","cursor":17,"model":"posts","scope":{"fields":{"title":"string",…},"where":{"published":true},"order":["-createdAt"],"limit":20},"ids":[…],"posts":[…]}
//
// A shape is "bool", "int", "uint", "float", "string", "time", "ref" (where "" is null)
// or "[]" and one of these, followed by "?" if the field may be null. An "object" can
// only be compared with null, and an "any" not at all. In a condition, an integer
// beyond 2^53 is a string of its digits. A client may send such integers as strings
// too, in conditions and in inputs, and must keep their digits in records. A
// scope does not contain private fields or their values, nor ids that the client has
// not named and that are not its user's own. If the cursor has further restrictions,
// "rule" is true: records that satisfy the conditions may be in the cursor, and others
// are not. If "ranked" is true, the cursor has an order that the scope does not show.
//
// If an open names a since, the answer holds the delta from there to at. If that delta
// cannot be computed, the answer holds everything, and resync is the reason: "epoch"
// (since belongs to another store), "expired" (the log does not reach back to it),
// "overflow" (so many records have left the cursor that all its records take less) or
// "rules" (it is not known what the client was allowed to see then). The answer comes
// before every commit that follows at. A cursor that is opened again on a connection
// with the same input and narrowing may get the same number; one close then ends it for
// all that have this number.
//
// The answer 401 to a call with a form may name, as its location, the page where one
// signs in. A client goes there with its own path and query as the value "return" of a
// query, and sends that value with the form that signs in. The answer to that form leads
// back.
//
// In an answer, at is the position of the newest commit that the client has after it: what
// an open holds is the state after that commit, and the frames of commits up to it have
// come before. A since may be the at of an earlier answer, or the hello's epoch and the
// seq of a commit's frame, if the client has applied that frame, and if the cursor was
// open then with the same input and narrowing, for the same user and build. A since that
// is not a position gets status 400. An application may run on several nodes, which have
// the same epoch and the same commits: a client may resume on any of them. A node that
// does not have the commit yet waits for it, for five seconds at most, and then ends the
// connection with 1013.
//
// If a cursor has no records, the answer has an empty list of its model and no ids. A
// record that several cursors hold is in a frame once.
//
// An error has a code, for programs, a message, for people, and, if an input was not
// valid, the problems of each field. The codes of the protocol, with the status that
// comes with each:
//
//	bad_frame, bad_request  400  the frame or the request cannot be understood
//	unauthenticated         401  the client must sign in first
//	forbidden               403  the user may not do or see this
//	not_found               404  there is no such route, cursor or record
//	method                  405  the path exists, with other methods
//	too_slow                408  the body of a request came too slowly
//	conflict                409  another change came first
//	expired                 410  the log does not reach back that far
//	too_large               413  a message or a body is larger than the limit
//	misdirected             421  the site is not served under this host
//	invalid                 422  see the problems
//	too_many                429  a limit is reached; try again later
//	internal                500  the reason is in the server's log
//	unavailable             503  the server starts or stops, or cannot save anything; try again
//
// An error may say as "retryAfter" after how many seconds the request can succeed. A client
// that repeats requests or connects again by itself waits at least that long. Over HTTP the
// header Retry-After says the same.
//
//	← {"id":4,"status":429,"error":{"code":"too_many","message":"…; try again in 3s","retryAfter":3}}
//
// An internal error has as "request" the id of the request, by which the server's log names
// it. Over HTTP every answer has the id of its request in the header X-Request-Id.
//
// An application may add codes of its own, which come with status 400. A frame of which a
// field has the wrong type, such as a "key" that is a number, is a bad_frame.
//
// An answer may carry a session, a ticket that is valid once. The client posts it, as
// text/plain, to /_tower/session, which sets the cookie of the new user or removes it,
// and sets the cookies of the application that the call set, and then connects again.
//
// # Commits
//
// One commit is one frame for each connection with a cursor that it touches. The frame
// holds the records, each once, under the name of their model, and the changes of each
// cursor. Seq only grows. A connection that may see none of a commit gets no frame.
//
//	← {"seq":813,"posts":[{…}],"cursors":{"17":{"enter":[{"id":"01JC…","after":""}],"leave":["01JA…"]}}}
//
// A delta is applied in the order leave, enter, change. In an ordered cursor, an enter
// names the record after which the new one goes ("" is first), in the list as the
// preceding entries have left it; a change that moves a record does the same. A cursor
// without an order has no "after": its records are ordered by id. Records that entered
// or changed are in the model's list of the same frame; an HTML cursor has them as html
// in the entries.
//
// Commits that had to wait for a client are merged. The frame has the seq of the last
// commit and, as from, the seq of the first. It holds only the newest image of each
// record, and its deltas start before the first commit and end after the last. No frame
// overtakes an answer, a push, a "to" or a "closed". A delta in a merged frame may have
// further deltas in "then", which are applied after it, one by one. A record may be in
// the frame although it leaves again in the last of them, so that other records find
// their positions.
//
//	← {"from":814,"seq":829,"posts":[{…}],"cursors":{"17":{"enter":[{"id":"01JD…","after":"01JC…"}],"then":[{"leave":["01JC…"]}]}}}
//
// A cursor whose scope depends on the user is opened again when the user changes. "to"
// is its number from then on, and the delta turns the old records into the new ones; a
// client that asked for the scope gets the new one. "closed" means that the cursor is
// no longer allowed; its records have left, and so have the records that it included,
// under "include". If a client's close crosses a "to", it
// names a number that no longer exists: the client then closes the new number.
//
//	← {"seq":815,"cursors":{"17":{"to":23,"leave":["01JC…"]}}}
//	← {"seq":816,"cursors":{"23":{"leave":["01JB…"],"closed":{"code":"forbidden","message":"…"}}}}
//
// A cursor that carries a value sends the value when it changes:
//
//	← {"seq":817,"cursors":{"19":{"value":13}}}
//
// A region sends its HTML in each commit that changes it.
//
// A cursor may include the records that its own records refer to. Their changes are in
// the cursor's delta under "include", by model. They have no order, and may enter or
// leave while the cursor's own records stay unchanged. An answer that holds everything
// has their ids in "include". If a model includes records of its own, one list of the
// frame holds both.
//
//	← {"seq":818,"posts":[{…}],"users":[{…}],"cursors":{"17":{"enter":[{"id":"01JD…","after":""}],"include":{"users":{"enter":[{"id":"01J7…"}]}}}}}
//	← {"id":6,"status":200,"at":"01J8…:818","cursor":17,"model":"posts","ids":["01JD…"],"include":{"users":["01J7…"]},"posts":[{…}],"users":[{…}]}
//
// If a commit changes which routes the user may call or which cursors it may open, the
// frame of that commit lists all of them again. The list replaces the one in the hello
// or in an earlier frame:
//
//	← {"seq":819,"allowed":{"actions":["POST /posts"],"cursors":["posts.published","posts.drafts"]},"cursors":{…}}
//
// Such a frame is not merged with others.
//
// A frame with "ack":true asks the client to confirm that it has applied the frame:
//
//	→ {"applied":813}
//	→ {"applied":829,"from":814}
//
// If the hello says "audit", a number of seconds, the server wants to know now and then
// whether the client holds what it should. About that often, a client that has applied all
// that it received, and has no open unanswered, chooses one of its cursors and sends the
// checksum of what the cursor holds, without the client's own unanswered writes, with the
// seq of the last commit that it has applied. The frame has no answer. The server compares
// it with a fresh reading of the cursor at that seq. It does not compare regions.
//
//	← {"hello":1,"epoch":"01J8…",…,"audit":300}
//	→ {"audit":17,"seq":829,"sum":3735928559,"rows":[2309737967,19088743]}
//
// For a cursor that carries a value, sum is the checksum of the value, and there are no
// rows. Else rows are the checksums of the cursor's first records, at most 200, in the list
// of a page those of their ids, and sum is the
// checksum of the array [rows, included], with all rows. included is the sum of the
// checksums of the included records, each with the checksum of its model's name as the
// seed. Sums are modulo 2^32. The checksum of a text is FNV-1a, 32 bits, over its UTF-8,
// which starts from 2166136261 xor the seed, followed by the finalizer of MurmurHash3; the
// seed is 0 unless something else is said. A number counts as the text in which JavaScript
// writes it, but a whole number with all its digits, and true, false and null count as
// these words. The checksum of an array is that of the text "]" after its elements: each has
// the checksum of what is before it as the seed, the first that of the text "[". In an
// object, the seed is the checksum of the text "{". Each member has the checksum of its name
// as the seed, and the checksum of the object is that of the digits of their sum.
//
// The server may push what an action produced for this connection:
//
//	← {"push":"POST /announce","status":200,"out":{…}}
//
// # What the numbers say
//
// The number of a cursor says nothing: neither how many cursors others have opened, nor
// whether they hold the same one. A client gets the same number whenever it opens the
// same cursor while the server runs.
//
// seq counts the commits of the whole application. So a client that compares two
// positions knows how many commits were made between them, by anybody. It learns nothing
// else of those that it may not see: not what they changed, nor who made them. This is
// deliberate. With one count for all, connections share the bytes of a frame, and a client
// resumes from its position on any connection, after a restart of the server and after
// its own. A count for each client would have to be kept for as long as the client may
// come back. An application to which the number of its writes is a secret must not let
// strangers hold a connection.
//
// # Rules
//
// Unknown fields are ignored. The answer to a frame that cannot be read is
// {"error":{"code":"bad_frame",…}}, which names the frame. A form that is sent over the
// socket travels as "form", URL-encoded, instead of "in".
//
// A connection ends with a close code and a reason. The client connects again after a
// while, or at once after 1012, a restart. It does not connect again if the reason
// begins with [UnsupportedVersion].
//
//	1000  another connection of the same client has replaced this one
//	1002  the client speaks another version of the protocol
//	1008  a rule of the protocol or a limit was broken
//	1009  a message was larger than the limit
//	1011  the server failed
//	1012  the server restarts
//	1013  more waited for the client than the server keeps, a cursor cannot be kept
//	      current (the reason says why), or this node lacks commits that the client has
//	4401  the client's session has ended
//	4000 plus a status  the application has refused the client
//
// # HTTP
//
// An action is also a request with the method and path of its name. Its input is a JSON
// object with the Content-Type application/json, the values of a form, or, with GET and
// HEAD, of the query; values in the path win. The header Idempotency-Key is the key of a
// call, and Idempotency-Replayed: true marks an answer that is repeated. The body of the
// answer is the output of the action, or {"error":{…}} with the status of the error.
//
// A cursor is read with GET /_tower/read/posts/published. The inputs are values of the
// query; where, order and limit narrow the cursor. The answer holds the records, or the
// value, with the position "at", and an ETag:
//
//	{"at":"01J8…:812","cursor":"posts.published","model":"posts","records":[{…},{…}]}
//
// With since and wait, a number of seconds, the answer comes when the cursor holds
// something else than after since, or when the time is over. With Accept:
// text/event-stream the changes follow as events, whose ids are positions.
//
// The cookie of a client names a session, which ends when its user signs out or has all
// sessions ended, for example by a change of the password. Then every connection of the
// session ends with 4401, the one whose call did it after the answer to that call.
// Nothing that was queued for the others is sent, and none of their frames is handled any
// more. The old cookie is a visitor's. A client that connects again at once would be one,
// so a client that has a ticket exchanges it first.
//
// # Transports
//
// A connection is a WebSocket at /_tower/socket, where each message is a message of the
// socket. If a WebSocket does not get through, the connection is a link, which requests
// carry. Only the client knows the link's id, and it works only with the cookie of the
// user who opened the link. The frames and the guarantees are the same.
//
// The messages of a stream are the events of an answer to POST /_tower/stream. The
// first event names the link. If nothing else comes for 15 seconds, a comment shows
// that the stream is alive.
//
//	← data: {"link":"6WQK…"}
//	← data: {"number":1,"message":{"hello":1,…}}
//	← :
//
// Without a stream, each POST to /_tower/poll opens a link or asks for the message
// after the last one that the client has, so a message that was lost is sent again. If
// there is no message within wait seconds, the answer is empty.
//
//	→ {}
//	← {"link":"6WQK…"}
//	→ {"link":"6WQK…","have":12,"wait":25}
//	← {"number":13,"message":[{…},{…}]}
//
// The client's frames go in batches to POST /_tower/send, which answers with status 204
// when they have been handled. Batches are numbered from 1, and are sent one at a time.
// A batch that is sent again is not handled again.
//
//	→ {"link":"6WQK…","number":4,"frames":[{"id":7,"call":"POST /posts",…}]}
//	→ {"link":"6WQK…","end":true}
//
// A link ends with a close code and a reason, as a socket does: in an event, or in the
// answer to a poll. It ends when its stream breaks, when it is not polled for half a
// minute, or when the client of a stream sends nothing for five minutes. A request for
// a link that has ended, or that another node has, gets status 404, and the client connects
// again, as after the loss of a socket. Requests need the Content-Type application/json, except for the one
// that opens a stream.
//
//	← {"end":{"code":1012,"reason":"the server restarts; connect again"}}
//
// A client that has found a better transport sends a hello on it that names its link
// under "instead". The server then removes the link from its connections, and the link
// ends when all that was sent over it has arrived:
//
//	→ {"hello":1,"instead":"6WQK…"}
//
// # The control socket
//
// A console and a running application exchange lines of JSON over a unix socket. The
// console sends a [ControlRequest] on each line, and the application a [ControlReply];
// after "watch" it also sends a [ControlEvent] for each thing that happens. The reply
// to "schema" is a [Schema], the source of generated types for clients:
//
//	→ {"id":9,"do":"schema"}
//	← {"id":9,"ok":{"types":[{"name":"blog/models.Post","fields":[{"name":"id","is":"id"},…]}],"models":[{"name":"posts","record":{"is":"blog/models.Post"}}],"routes":[{"kind":"action","name":"POST /posts","in":{"is":"blog/controllers.NewPost"},"out":{"is":"blog/models.Post","null":true}}]}}
//
// Requests are answered in order. The comments of [DoHello] and
// the other names describe the requests. These fields mean the same in all of them:
//
//   - With as, and the name of an action or a cursor, the request does what that user's
//     browser would cause: connect, controller, rules, validation. The user's own
//     clients are not involved.
//   - With tx, it reads and writes an open transaction: an overlay that holds no lock.
//     What it has read must be unchanged when it is committed, except for what was read
//     with look.
//   - With at, it reads the state after that commit, as far as the log reaches back, and
//     writes nothing.
//
// A console that previews a commit before it makes it sends:
//
//	→ {"id":7,"do":"begin"}
//	← {"id":7,"ok":3}
//	→ {"id":8,"do":"call","name":"POST /posts","in":{"title":"Hi"},"as":"01J7…","tx":3}
//	← {"id":8,"ok":{"status":200,"out":{…}}}
//	→ {"id":9,"do":"impact","tx":3}
//	← {"id":9,"ok":{"seq":812,"changes":1,"connections":2,"reached":[{"connection":1,"user":"ada","cursor":"posts.mine","deltas":[{"op":"enter",…}]}],"reachedAll":1,"moved":[]}}
//	→ {"id":10,"do":"commit","tx":3}
//	← {"id":10,"ok":{"seq":813,"changes":1}}
//
// What a watching console receives:
//
//	→ {"id":1,"do":"watch"}
//	← {"id":1,"ok":null}
//	← {"event":{"commit":{"seq":813,"by":"POST /posts by ada","changes":[{…}],"reached":[{"connection":7,"user":"ada","cursor":"posts.published","enter":1}],…}}}
//	← {"event":{"applied":{"seq":813,"connection":7,"micros":4100}}}
//	← {"event":{"skipped":{"commits":998,"seq":1811,"changes":[{"op":"create","model":"posts","n":998}]}}}
//
// The console receives as much as a person can follow. Commits beyond about twenty a
// second, and those that come while the console does not read, are counted in
// "skipped", at most ten times a second. Other events that come meanwhile are counted
// in "missed". The application asks clients to confirm a commit only while a console
// watches, and not for more than about a thousand commits a second; "asked" reports
// whether it did.
//
// If the application has several nodes, the console sees the connections, cursors and
// events of all of them, each with the number of its node. A commit is an event of each
// node, with what it reached there. "nodes" comes first, and whenever a node has come,
// gone, or does not answer; "silent" in a reply says which nodes the answer lacks. What is
// evaluated, transactions and streams are those of the node that the console is attached
// to:
//
//	← {"event":{"nodes":{"nodes":[{"number":1,"address":"10.0.0.5:7000",…,"here":true},{"number":2,…}]}}}
//	← {"event":{"node":1,"commit":{"seq":813,…,"reached":[{"node":1,"connection":7,"user":"ada",…}]}}}
//	← {"event":{"node":2,"commit":{"seq":813,…,"reached":[{"node":2,"connection":4,"user":"bob",…}]}}}
//	← {"event":{"node":2,"applied":{"seq":813,"connection":4,"micros":5200}}}
//
// A console may hold cursors as a browser does. It opens each of them as a stream,
// under a number of its own choice: a declared cursor, as a user or as a visitor, or a
// query of the console's own, without any rule. The reply to the open comes
// first. Then come the messages that a browser would receive, starting with the hello,
// each one frame or an array of frames:
//
//	→ {"id":2,"do":"open","stream":1,"name":"posts.published","in":{},"as":"01J7…"}
//	→ {"id":3,"do":"open","stream":2,"model":"posts","where":{"likes":{"gte":3}},"order":["-createdAt"],"limit":10}
//	← {"id":2,"ok":null}
//	← {"event":{"stream":{"stream":1,"frames":{"id":2,"status":200,"at":"01J8…:812","cursor":17,"model":"posts","ids":[…],"posts":[…]}}}}
//	← {"event":{"stream":{"stream":1,"frames":{"seq":813,"posts":[{…}],"cursors":{"17":{"enter":[{"id":"01JC…","after":""}]}}}}}}
//	→ {"id":4,"do":"close","stream":1}
//	← {"event":{"stream":{"stream":1,"closed":{"code":1000,"reason":"it was closed"}}}}
//	← {"id":4,"ok":null}
//
// A "since" may name the position of an earlier stream, in the same epoch and build of
// the application. Frames that wait for a slow console are merged. If they become too
// many, the stream is closed with a reason, and the console may open it again.
package wire
