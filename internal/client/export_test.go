package client

// Exports for tests in package client_test, which run the library with a real
// application. This package itself may not import tower.
var (
	StartBrowser = startBrowser
	EndBrowser   = shared.end
	Bundle       = bundle
	NewTab       = newTab
	RunPage      = runPage
)
