package client

// For tests of the library with a real application, which is not this package's to import.
var (
	StartBrowser = startBrowser
	Bundle       = bundle
	NewTab       = newTab
	RunPage      = runPage
)
