package controllers

import (
	"os"
	"testing"
)

func TestGreet(t *testing.T) {
	if os.Getenv("TOWER_ENV") != "test" {
		t.Error("the environment is " + os.Getenv("TOWER_ENV"))
	}
}
