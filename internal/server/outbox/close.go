package outbox

// The CloseSlowWebSocket close codes with which the server ends a connection. Each comes
// with a reason in words. Streams and polls carry the same codes.
const (
	CloseNormal   = 1000
	CloseDone     = 1000 // another connection has replaced this one
	CloseVersion  = 1002 // the client must not connect again
	ClosePolicy   = 1008
	CloseInternal = 1011
	CloseRestart  = 1012 // the client should connect again at once
	CloseSlow     = 1013 // too much waits for this client
)
