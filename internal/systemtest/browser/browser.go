// Package browser runs pages in a real browser, for tests.
package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts Chromium, which ends with the test, and returns the context of its first tab. The
// test fails if there is no Chromium.
func Start(t testing.TB) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("this test needs Chromium, which did not start: %v\nscript/test installs it", err)
	}
	return ctx
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
		time.Sleep(10 * time.Millisecond) // between polls of another process
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	page, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	b.t.Fatalf("never true: %s\nthe page (%v) is:\n%s", expression, err, page)
}
