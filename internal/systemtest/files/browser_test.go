package files

import (
	"bytes"
	picture "image"
	encode "image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/internal/systemtest/browser"
)

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
			b := browser.Open(t)
			b.Do(chromedp.Navigate(w.URL + "/photos/new"))
			if script != "" {
				b.Await("window.tower?.state?.online")
				b.Run(`window.seen = 0; new MutationObserver(() => window.seen += document.querySelectorAll("progress").length).observe(document.body, {childList: true, subtree: true})`)
			}
			b.Do(chromedp.SetUploadFiles("[type=file]", []string{bad}))
			b.Run(`document.querySelector("button").click()`)
			b.Await(`document.querySelector("[data-problem=image]")?.textContent.includes("is of type text/html")`)
			if script != "" {
				b.Await(`window.seen > 0 && !document.querySelector("progress")`)
			}
			b.Do(chromedp.SetUploadFiles("[type=file]", []string{good}))
			b.Run(`document.querySelector("button").click()`)
			b.Await(`document.querySelector("img")?.naturalWidth === 900`)
		})
	}
}
