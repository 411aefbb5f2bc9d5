// Package scaling tests applications as they are on several nodes.
package scaling
