package towertest

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
)

// A trial is a test within a test. It keeps its failure, so that the run can be repeated with less.
type trial struct {
	testing.TB
	ctx      context.Context
	failure  string
	cleanups []func()
}

// try runs fn as a trial, and returns why it failed, "" if it passed.
func try(t testing.TB, fn func(testing.TB)) string {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inner := &trial{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer inner.clean()
		fn(inner)
	}()
	<-done
	return inner.failure
}

func (t *trial) clean() {
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		last()
	}
}

func (t *trial) fail(text string) {
	if t.failure == "" {
		t.failure = text
	}
}

func (t *trial) Cleanup(fn func())                 { t.cleanups = append(t.cleanups, fn) }
func (t *trial) Context() context.Context          { return t.ctx }
func (t *trial) Error(args ...any)                 { t.fail(fmt.Sprint(args...)) }
func (t *trial) Errorf(format string, args ...any) { t.fail(fmt.Sprintf(format, args...)) }
func (t *trial) Fail()                             { t.fail("failed") }
func (t *trial) Failed() bool                      { return t.failure != "" }
func (t *trial) Helper()                           {}
func (t *trial) Log(...any)                        {}
func (t *trial) Logf(string, ...any)               {}
func (t *trial) Output() io.Writer                 { return io.Discard }

func (t *trial) FailNow() {
	t.Fail()
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// TempDir makes a folder that is removed with the trial. There may be hundreds of trials.
func (t *trial) TempDir() string {
	folder, err := os.MkdirTemp("", "tower-trial-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
