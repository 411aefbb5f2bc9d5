// Package wire is the language that tower's processes speak: the frames between
// a browser and the server, and the lines between a console and the server. It
// holds types and their encoding, and does no I/O.
//
// # Frames
//
// A connection carries JSON text messages. Each message is one frame, an
// object, or several frames, an array, that the receiver applies in one turn
// and in order.
//
// A client's first frame is hello; the server answers with its own hello:
//
//	→ {"hello":1}
//	← {"hello":1,"epoch":"01J8…","seq":812,"build":"9f2c…","user":"01J7…","actions":["POST /posts"],"cursors":["posts.published"]}
//
// A client that doubts whether the server is there pings it at any time, also
// before hello, and is answered:
//
//	→ {"ping":true}
//	← {"status":200}
//
// epoch names the store's history and build the application's code: a client
// that kept records from another epoch, from another build or for another user
// starts again.
//
// A frame with an id is a request, and is answered by exactly one frame with
// the same id. Requests on a connection are handled in the order they came.
//
//	→ {"id":1,"open":"posts.published","in":{},"where":{"likes":{"gte":3}},"order":["-createdAt"],"limit":10,"since":"01J8…:790"}
//	← {"id":1,"status":200,"at":"01J8…:812","cursor":17,"model":"posts","ids":["01JB…","01JA…"],"posts":[{…},{…}]}
//	→ {"id":2,"close":17}
//	← {"id":2,"status":200}
//	→ {"id":3,"call":"POST /posts","in":{"title":"Hi"},"key":"01JC…"}
//	← {"id":3,"status":201,"at":"01J8…:813","out":{…}}
//	← {"id":3,"status":422,"error":{"code":"invalid","message":"…","problems":{"title":["is required"]}}}
//
// A call with a key, a ULID that the client made for it, takes effect once: a
// client that lost its connection before the answer sends it again, as it was,
// and is given the answer of the first time. Where that is not known any more,
// it is status 200 with "out":null.
//
//	→ {"id":1,"call":"POST /posts","in":{"title":"Hi"},"key":"01JC…"}
//	← {"id":1,"status":201,"at":"01J8…:813","out":{…},"repeated":true}
//
// A page's own lists are opened with the sealed text that the page carries, and
// travel as HTML: the items hold the rendered partial of each record.
//
//	→ {"id":4,"live":"MTcz…","since":"01J8…:812"}
//	← {"id":4,"status":200,"at":"01J8…:812","cursor":18,"model":"posts","since":"01J8…:812","delta":{}}
//	← {"id":4,"status":200,"at":"01J8…:812","cursor":18,"model":"posts","items":[{"id":"01JB…","html":"<li …>"}]}
//
// A cursor may carry a value instead of records: a count, whether there is one,
// or a sum, least, greatest or average. Its answers hold the value, null where
// there is none, whatever since the client has; a page opens it as it does a list.
//
//	→ {"id":5,"open":"posts.howMany"}
//	← {"id":5,"status":200,"at":"01J8…:812","cursor":19,"model":"posts","value":12}
//
// An open with "scope":true is answered with the cursor's scope besides, so that a
// client can judge by itself what its own writes do to the cursor before the server
// says so: the shapes of the model's fields, the conditions in the form in which it
// narrows, the order and the window.
//
//	→ {"id":6,"open":"posts.published","scope":true}
//	← {"id":6,"status":200,"at":"01J8…:812","cursor":17,"model":"posts","scope":{"fields":{"title":"string",…},"where":{"published":true},"order":["-createdAt"],"limit":20},"ids":[…],"posts":[…]}
//
// A shape is "bool", "int", "uint", "float", "string", "time", "ref" (whose "" is
// null) or "[]" and one of them, with "?" where the field may be null; "object" is
// tested only for null, and "any" not at all. A whole number beyond 2^53 that is a
// value of a condition is the text of its digits; a client may send such a number
// so, in conditions and in inputs, and must take care of its digits in records. A
// scope says nothing of private fields, of their values, and of ids that the client
// has not named and that are not its user's own. Where it is more than it says,
// "rule" is true: what the conditions hold for may be in the cursor, what they do
// not hold for is not. With "ranked" the order is one that is not said.
//
// An open that names a since is answered by the delta that leads from there to
// at, or, where that cannot be known, by everything, with resync saying why:
// "epoch" (it is of another store), "expired" (the log does not reach back to it),
// "overflow" (so many records have left the cursor that all it holds is less to
// tell) or "rules" (what the client might see then is not known). The answer comes
// before every commit that follows at. A cursor that is opened again as it was, with the same
// input and narrowing, may have the same number on a connection; then one close
// ends it for all that have it.
//
// An answer may carry a session: a ticket that is good once. The client posts
// it, as text/plain, to /_tower/session, which sets the cookie of the new user
// (or takes it away), and then connects anew.
//
// # Commits
//
// One commit is one frame for each connection that holds a cursor it touches:
// the records, once, under the name of their model, and what became of each
// cursor. Seq only grows; a connection that may see none of it gets no frame.
//
//	← {"seq":813,"posts":[{…}],"cursors":{"17":{"enter":[{"id":"01JC…","after":""}],"leave":["01JA…"]}}}
//
// A delta is applied in the order leave, enter, change. An ordered cursor's
// enter says after which record the new one stands ("" for first), in the list
// as it stands when the entries before it have been applied; a change that
// moves a record says so in the same way. A cursor without an order has no
// "after": its records are ordered by id. Records that entered or changed are
// in the model's list of the same frame; those of an HTML cursor are in the
// entry as html.
//
// Commits that had to wait for a client are merged: the frame has the seq of
// the last and, as from, that of the first. It holds only the newest image of
// each record, and leads from before the first commit to after the last. An
// answer or a push is never overtaken, nor a "to" or a "closed". A delta in it
// may have others in "then", which are applied after it, one by one; a record in
// it may be there for no longer than until it leaves in the last of them, so
// that others find their places.
//
//	← {"from":814,"seq":829,"posts":[{…}],"cursors":{"17":{"enter":[{"id":"01JD…","after":"01JC…"}],"then":[{"leave":["01JC…"]}]}}}
//
// A cursor whose scope depends on the user is opened anew when the user
// changes; "to" is the number that it has from then on, and the delta leads
// from what it held to what it holds; who asked for the scope gets the new one. "closed" says that it is no longer
// allowed; its records have left. A close that crossed a "to" on its way names a
// number that is no more: the client closes the new one when it hears of it.
//
//	← {"seq":815,"cursors":{"17":{"to":23,"leave":["01JC…"]}}}
//	← {"seq":816,"cursors":{"23":{"leave":["01JB…"],"closed":{"code":"forbidden","message":"…"}}}}
//
// A cursor that carries a value says what it is when it is another:
//
//	← {"seq":817,"cursors":{"19":{"value":13}}}
//
// A cursor may include the records that its own refer to: what becomes of them is
// under "include", by model, in the delta of the cursor. They have no order, and
// may have entered or left while the cursor's own records stayed as they were. An
// answer that holds everything has their ids in "include". Where a model includes
// records of its own, one list of the frame holds both.
//
//	← {"seq":818,"posts":[{…}],"users":[{…}],"cursors":{"17":{"enter":[{"id":"01JD…","after":""}],"include":{"users":{"enter":[{"id":"01J7…"}]}}}}}
//	← {"id":6,"status":200,"at":"01J8…:818","cursor":17,"model":"posts","ids":["01JD…"],"include":{"users":["01J7…"]},"posts":[{…}],"users":[{…}]}
//
// When the user may call other routes or open other cursors from a commit on than
// the server said before, in its hello or since, the frame of that commit lists
// them anew, all of them:
//
//	← {"seq":819,"allowed":{"actions":["POST /posts"],"cursors":["posts.published","posts.drafts"]},"cursors":{…}}
//
// Such a frame is not merged with others.
//
// A frame with "ack":true asks the client to say that it has applied it:
//
//	→ {"applied":813}
//	→ {"applied":829,"from":814}
//
// The server may push what an action produced for this connection:
//
//	← {"push":"POST /announce","status":200,"out":{…}}
//
// # Rules
//
// Unknown fields are ignored. A frame that cannot be understood is answered
// with {"error":{"code":"bad_frame",…}} that names it. A form sent over the
// socket travels as "form", URL-encoded, in place of "in".
//
// A connection ends with a close code and a reason, and the client comes back,
// sooner or later; at once after 1012, a restart. Only when the reason begins
// with [UnsupportedVersion] does it stay away.
//
// # Transports
//
// A connection is a WebSocket at /_tower/socket, each message one of its own. Where
// that does not get through it is a link, which is carried by requests: its id is
// known to the client alone, and works with the cookie of the user who opened it
// only. The frames are the same, and so is what may be relied on.
//
// The messages of a stream are the events of an answer to POST /_tower/stream. The
// first event names the link. A comment, each 15 seconds in which there is nothing
// else, says that it lives.
//
//	← data: {"link":"6WQK…"}
//	← data: {"number":1,"message":{"hello":1,…}}
//	← :
//
// Without a stream, each POST to /_tower/poll opens a link or asks for the message
// that follows the last one that the client has: a message that was lost on its way
// comes again. Where there is none within wait seconds, the answer is empty.
//
//	→ {}
//	← {"link":"6WQK…"}
//	→ {"link":"6WQK…","have":12,"wait":25}
//	← {"number":13,"message":[{…},{…}]}
//
// The client's frames go in batches to POST /_tower/send, which is answered with
// status 204 when they have been handled. Batches are numbered from 1, and sent one
// at a time: one that is sent again is not handled again.
//
//	→ {"link":"6WQK…","number":4,"frames":[{"id":7,"call":"POST /posts",…}]}
//	→ {"link":"6WQK…","end":true}
//
// A link ends with a close code and a reason, as a socket does: in an event, or in
// the answer to a poll. It ends when its stream breaks, when it is not polled for
// half a minute, or when the client of a stream sends nothing for five minutes. A
// request for a link that has ended is answered with status 404, and the client
// connects anew, as after the loss of a socket. Requests need the Content-Type
// application/json, but for that of a stream.
//
//	← {"end":{"code":1012,"reason":"the server restarts; connect again"}}
//
// A client that has found a better transport says hello on it in the stead of its
// link. The server takes the link from among the connections, which then ends when
// all that was sent over it has come:
//
//	→ {"hello":1,"instead":"6WQK…"}
//
// # The control socket
//
// A console speaks to a running application over a unix socket in lines of
// JSON: a [ControlRequest] each way out, a [ControlReply] each way back, and
// after "watch" a [ControlEvent] for what happens. "schema" is answered by a
// [Schema], from which types for clients are generated:
//
//	→ {"id":9,"do":"schema"}
//	← {"id":9,"ok":{"types":[{"name":"blog/models.Post","fields":[{"name":"id","is":"id"},…]}],"models":[{"name":"posts","record":{"is":"blog/models.Post"}}],"routes":[{"kind":"action","name":"POST /posts","in":{"is":"blog/controllers.NewPost"},"out":{"is":"blog/models.Post","null":true}}]}}
//
// Requests are answered in the order they came. What each of them does is said
// beside its name, [DoHello] and those that follow it; these fields mean the same
// in all of them:
//
//   - With as, and the name of an action or a cursor, the request takes the way of
//     that user's browser: connect, controller, rules, validation. The user's own
//     clients are not involved.
//   - With tx it reads and writes an open transaction: an overlay that holds no
//     lock. What it has read must be the same when it is committed, but for what
//     was read with look.
//   - With at it reads the state after that commit, as long as the log reaches back
//     to it, and writes nothing.
//
// A console that thinks before it commits says:
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
// What a watching console is told:
//
//	→ {"id":1,"do":"watch"}
//	← {"id":1,"ok":null}
//	← {"event":{"commit":{"seq":813,"by":"POST /posts by ada","changes":[{…}],"reached":[{"connection":7,"user":"ada","cursor":"posts.published","enter":1}],…}}}
//	← {"event":{"applied":{"seq":813,"connection":7,"micros":4100}}}
//	← {"event":{"skipped":{"commits":998,"seq":1811,"changes":[{"op":"create","model":"posts","n":998}]}}}
//
// It is told as much as a person can follow: commits beyond some twenty a second,
// and those that come while it does not read, are counted in "skipped", ten times a
// second at most. Other events that come meanwhile are counted in "missed". The
// application asks clients for their word on a commit only while somebody watches,
// and not of more than some thousand a second; "asked" says whether it did.
//
// A console may hold cursors as a browser does. It opens each as a stream, with a
// number of its own choice: a declared cursor, as a user or a visitor, or a query of
// the console's own, which no rule narrows. The reply to the open comes first; then
// what a browser would be sent, from the hello on, in messages of one frame or an
// array of frames:
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
// What a stream has held may be named in "since", in the application's same epoch
// and build. Frames that wait for a console that reads slowly are merged; where that
// is too much the stream is closed with a reason, and may be opened again.
package wire
