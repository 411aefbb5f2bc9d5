// Package s3 keeps the archive of a store in a bucket of S3, or of a server that speaks
// its protocol. An application that sets
//
//	tower.Config{OpenPlace: s3.Open}
//
// can be archived to TOWER_BACKUP=s3://bucket/folder.
package s3

import (
	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/archive/bucket"
)

// Open returns the place that an address names, like s3://bucket/folder. It connects to
// nothing yet.
//
// The key is that of the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, of the
// profile AWS_PROFILE in the file of the AWS command line, or of the role of the machine. The
// server is AWS_ENDPOINT_URL, by default Amazon's of the region AWS_REGION. The address may
// have both: s3://bucket/folder?endpoint=https://s3.example.com&region=eu-central-1.
func Open(address string) (tower.Place, error) { return bucket.Open(address) }
