// Package s3test runs a server that speaks S3, for tests.
package s3test
