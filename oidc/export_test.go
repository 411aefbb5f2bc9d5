package oidc

import (
	"testing"
	"time"
)

// SetRequestTime bounds requests otherwise, until a test ends.
func SetRequestTime(t *testing.T, most time.Duration) {
	usual := client.Timeout
	t.Cleanup(func() { client.Timeout = usual })
	client.Timeout = most
}
