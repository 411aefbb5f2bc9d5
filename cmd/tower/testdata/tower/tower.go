// Package tower stands in for the real one.
package tower
