// Package browser runs pages in a real browser, for tests.
package browser

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts Chromium, which ends with the test, and returns the context of its first tab. The
// test fails if there is no Chromium.
func Start(t testing.TB) context.Context {
	t.Helper()
	ctx, stop, err := Launch()
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// Launch starts Chromium for several tests. It returns the context of the first tab and a function that ends
// Chromium, which must be called whether it has started or not.
func Launch() (ctx context.Context, stop func(), err error) {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err = chromedp.Do(ctx); err != nil {
		err = fmt.Errorf("this test needs Chromium, which script/test installs and which did not start: %w", err)
	}
	return ctx, func() { cancel(); end() }, err
}

// A Tab is a page.
type Tab struct {
	t   testing.TB
	ctx context.Context
}

// Open starts Chromium for a test that takes three minutes at most, and returns its first tab.
func Open(t testing.TB) *Tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(Start(t), 3*time.Minute)
	t.Cleanup(cancel)
	return &Tab{t, ctx}
}

// Do takes steps one after another.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Run runs a script in the page.
func (b *Tab) Run(script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script)); err != nil {
		b.t.Fatal(err)
	}
}

// Await waits until an expression is true. While the page reloads, it is not.
func (b *Tab) Await(expression string) {
	b.t.Helper()
	for b.ctx.Err() == nil {
		if is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && is {
			return
		}
		time.Sleep(50 * time.Millisecond) // between polls of another process
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	page, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	b.t.Fatalf("never true: %s\nthe page (%v) is:\n%s", expression, err, page)
}
