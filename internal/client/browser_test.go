package client

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"

	chromium "github.com/towerkit/tower/internal/systemtest/browser"
)

// outcome is the result of one test in the page.
type outcome struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// transports are the transports that suites run over.
var transports = []string{"socket", "stream", "poll"}

// perTransport has the suites that run once over each transport.
var perTransport = map[string]bool{"conformance": true, "forms": true, "frames": true, "page": true, "queue": true, "reconnect": true, "region": true, "shared": true, "store": true, "writes": true}

// TestInBrowser runs each file of test/*.test.ts in a page of its own, in a real
// browser. The page scripts the server that it connects to.
func TestInBrowser(t *testing.T) {
	suites, err := filepath.Glob("test/*.test.ts*")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no tests in test: %v", err)
	}
	needPackages(t)
	browser := startBrowser(t)
	for _, suite := range suites {
		name, _, _ := strings.Cut(filepath.Base(suite), ".")
		script := bundle(t, suite)
		if !perTransport[name] {
			t.Run(name, func(t *testing.T) { runSuite(t, browser, script, "socket") })
			continue
		}
		for _, transport := range transports {
			t.Run(name+"/"+transport, func(t *testing.T) { runSuite(t, browser, script, transport) })
		}
	}
}

func runSuite(t *testing.T, browser context.Context, script []byte, transport string) {
	relay := newRelay(script)
	server := httptest.NewServer(relay)
	t.Cleanup(func() {
		relay.close()
		server.Close()
	})
	runPage(t, newTab(t, browser), server.URL+"/?transport="+transport, 10*time.Minute)
}

func newTab(t *testing.T, browser context.Context) context.Context {
	tab, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	return tab
}

// runPage opens a page that runs tests, and reports their results.
func runPage(t *testing.T, tab context.Context, url string, bound time.Duration) {
	t.Helper()
	tab, cancel := context.WithTimeout(tab, bound)
	defer cancel()
	seed := rand.Uint32()
	t.Logf("seed %d", seed)
	if fixed := os.Getenv("TOWER_TEST_SEED"); fixed != "" {
		t.Logf("but TOWER_TEST_SEED is %s", fixed)
		if _, err := fmt.Sscan(fixed, &seed); err != nil {
			t.Fatalf("TOWER_TEST_SEED: %v", err)
		}
	}
	if err := chromedp.Do(tab, chromedp.Navigate(fmt.Sprintf("%s&seed=%d&bound=%.0f", url, seed, bound.Seconds()))); err != nil {
		t.Fatalf("open the test page: %v", err)
	}
	outcomes, err := chromedp.Run(tab, chromedp.Evaluate[[]outcome]("results", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("wait for the page's results: %v", err)
	}
	if len(outcomes) == 0 {
		t.Fatal("the page ran no test")
	}
	for _, outcome := range outcomes {
		t.Run(outcome.Name, func(t *testing.T) {
			if outcome.Error != "" {
				t.Error(outcome.Error)
			}
		})
	}
}

// startBrowser returns a profile of its own in the browser that all tests share. The test fails without a
// browser, because nothing else proves that the library works.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	browser, err := shared.start()
	if err != nil {
		t.Fatal(err)
	}
	profile, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(profile); err != nil {
		t.Fatalf("open a profile: %v", err)
	}
	return profile
}

// shared is the browser of the test binary. A start of one costs seconds.
var shared sharedBrowser

type sharedBrowser struct {
	once sync.Once
	ctx  context.Context
	stop context.CancelFunc
	err  error
}

func (b *sharedBrowser) start() (context.Context, error) {
	b.once.Do(func() { b.ctx, b.stop, b.err = chromium.Launch() })
	return b.ctx, b.err
}

// end ends the browser, if it was started.
func (b *sharedBrowser) end() {
	if b.stop != nil {
		b.stop()
	}
}

func bundle(t *testing.T, entry string) []byte {
	t.Helper()
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{entry},
		Bundle:      true,
		Format:      api.FormatESModule,
		Target:      api.ES2022,
		Charset:     api.CharsetUTF8,
		Alias:       map[string]string{"tower": "./src/index.ts"},
		Conditions:  []string{"browser", "production"},
		Define:      map[string]string{"process.env.NODE_ENV": `"production"`, "WORKER": `"test"`},
		Plugins:     []api.Plugin{svelte},
		Loader:      map[string]api.Loader{".jsonl": api.LoaderText},
		LogLevel:    api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		t.Fatal(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return result.OutputFiles[0].Contents
}

func TestHashNamesTheScript(t *testing.T) {
	name := Hash(Script)
	if len(name) != 16 || name != Hash(bytes.Clone(Script)) || name == Hash(append(bytes.Clone(Script), ' ')) {
		t.Errorf("Hash is %q", name)
	}
}
