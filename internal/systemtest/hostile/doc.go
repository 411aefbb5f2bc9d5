// Package hostile attacks a running application as a client that obeys nothing: it sends raw
// requests, bytes that come slowly, frames that no library sends, and more of everything
// than anybody needs. Each test says what an attacker tries, and that it harms nobody else.
//
// Every test is bounded and ends by itself. They run small. TOWER_HOSTILE=large lets them
// attack with more clients, more records and for longer:
//
//	TOWER_HOSTILE=large go test -timeout 60m ./internal/systemtest/hostile
//
// An [attacker] is a client at an address of its own. It sends requests, opens connections
// over each transport as a [peer], and raw TCP connections. The notebook is the application
// that most tests attack.
package hostile
