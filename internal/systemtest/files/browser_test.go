package files

import (
	"bytes"
	"context"
	picture "image"
	encode "image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A tab is a page in a real browser.
type tab struct {
	ctx context.Context
	t   *testing.T
}

func openTab(t *testing.T) *tab {
	t.Helper()
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("this test needs Chromium or Chrome, which did not start: %v", err)
	}
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return &tab{ctx, t}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// await waits until an expression is true.
func (b *tab) await(expression string) {
	b.t.Helper()
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if b.ctx.Err() != nil {
			text, _ := chromedp.Run(context.WithoutCancel(b.ctx), chromedp.Evaluate[string]("document.documentElement.outerHTML"))
			b.t.Fatalf("%s never is: %v\n%s", expression, err, text)
		}
		if ok {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *tab) run(script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script)); err != nil {
		b.t.Fatal(err)
	}
}

// noise returns an image of about as many bytes as it has pixels.
func noise(side int) []byte {
	gray := picture.NewGray(picture.Rect(0, 0, side, side))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range gray.Pix {
		gray.Pix[i] = byte(random.Uint32())
	}
	var out bytes.Buffer
	if err := encode.Encode(&out, gray); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

// A form in a page uploads its file with progress, says what is wrong with it, and its image is
// shown. Without a script, the browser sends the same form.
func TestAFormInABrowser(t *testing.T) {
	for name, script := range map[string]string{"with a script": `<script type="module" src="/_tower/tower.js"></script>`, "without": ""} {
		t.Run(name, func(t *testing.T) {
			w := openWith(t, page(script))
			folder := t.TempDir()
			good, bad := filepath.Join(folder, "good.png"), filepath.Join(folder, "bad.png")
			if err := os.WriteFile(good, noise(900), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(bad, []byte("<html><script>alert(1)</script>"), 0o600); err != nil {
				t.Fatal(err)
			}
			b := openTab(t)
			b.do(chromedp.Navigate(w.URL + "/photos/new"))
			if script != "" {
				b.await("window.tower?.state?.online")
				b.run(`window.seen = 0; new MutationObserver(() => window.seen += document.querySelectorAll("progress").length).observe(document.body, {childList: true, subtree: true})`)
			}
			b.do(chromedp.SetUploadFiles("[type=file]", []string{bad}))
			b.run(`document.querySelector("button").click()`)
			b.await(`document.querySelector("[data-problem=image]")?.textContent.includes("is of type text/html")`)
			if script != "" {
				b.await(`window.seen > 0 && !document.querySelector("progress")`)
			}
			b.do(chromedp.SetUploadFiles("[type=file]", []string{good}))
			b.run(`document.querySelector("button").click()`)
			b.await(`document.querySelector("img")?.naturalWidth === 900`)
		})
	}
}
