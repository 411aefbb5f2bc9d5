package server

// The WebSocket close codes with which the server ends a connection. Each comes
// with a reason in words. Streams and polls carry the same codes.
const (
	closeNormal   = 1000
	closeDone     = 1000 // another connection has replaced this one
	closeVersion  = 1002 // the client must not connect again
	closePolicy   = 1008
	closeInternal = 1011
	closeRestart  = 1012 // the client should connect again at once
	closeSlow     = 1013 // too much waits for this client
)
