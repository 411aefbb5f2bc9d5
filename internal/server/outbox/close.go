package outbox

// The WebSocket close codes that the server ends a connection with. Streams and polls
// carry the same codes. A reason in words comes with each.
const (
	CloseNormal   = 1000
	CloseDone     = 1000 // another connection has replaced this one
	CloseVersion  = 1002 // the client speaks another version and must not connect again
	ClosePolicy   = 1008
	CloseInternal = 1011
	CloseRestart  = 1012 // the client should connect again at once
	CloseSlow     = 1013 // too much waited for this client
	CloseBehind   = 1013 // this node lacks commits that the client has
	CloseSession  = 4401 // the session of the client has ended; it is a visitor now
)

// CloseRefused returns the code for a connection that is refused with an error of this
// HTTP status.
func CloseRefused(status int) int { return 4000 + status }
