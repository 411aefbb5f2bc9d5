package towertest

import (
	"context"
	"fmt"
	"testing"
)

// RunExample calls a test as package testing does, and prints why it fails.
func RunExample(test func(t testing.TB)) {
	if failure := try(example{}, test); failure != "" {
		fmt.Println(failure)
	}
}

// example stands for the test around an example.
type example struct{ testing.TB }

func (example) Name() string             { return "Example" }
func (example) Context() context.Context { return context.Background() }
func (example) Helper()                  {}
