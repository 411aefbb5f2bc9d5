// Package files tests files that are uploaded and downloaded.
package files
