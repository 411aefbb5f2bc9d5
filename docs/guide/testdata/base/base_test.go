package main

import (
	"testing"

	"github.com/towerkit/tower"
)

// TestTheApplicationIsSound checks the models, routes and views of the guide.
func TestTheApplicationIsSound(t *testing.T) {
	if _, err := tower.New(Config()); err != nil {
		t.Fatal(err)
	}
}
