// Package guide has the guides, and tests that run their examples.
package guide
