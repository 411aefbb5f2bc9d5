package nodes

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	chromium "github.com/towerkit/tower/internal/systemtest/browser"
)

// A balancer serves all nodes at one address. It sends requests to one of them at a time.
type balancer struct {
	*httptest.Server
	to atomic.Int64
}

func balance(t *testing.T, nodes []*node) *balancer {
	t.Helper()
	b := &balancer{}
	var proxies []*httputil.ReverseProxy
	for _, n := range nodes {
		target, err := url.Parse(n.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		}}
		proxies = append(proxies, proxy)
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[b.to.Load()].ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// open opens the front page in Chromium.
func (b *balancer) open(t *testing.T) context.Context {
	t.Helper()
	tab, cancel := context.WithTimeout(chromium.Start(t), 5*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Do(tab, chromedp.Navigate(b.URL)); err != nil {
		t.Fatal(err)
	}
	return tab
}

// eval evaluates an expression in the page.
func eval(t *testing.T, tab context.Context, expression string, into any) {
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err == nil {
		var text []byte
		if text, err = json.Marshal(value); err == nil {
			err = json.Unmarshal(text, into)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestABrowserIsMoved moves a browser to another node after each of its writes, while others
// write. It sees its own writes at once, everything once and in order, and is never loaded again.
func TestABrowserIsMoved(t *testing.T) {
	nodes := serve(t, 3)
	b := balance(t, nodes)
	tab := b.open(t)
	shown := func() (texts []string) {
		eval(t, tab, `[...document.querySelectorAll("li")].map(li => li.textContent)`, &texts)
		return texts
	}
	var stays bool
	eval(t, tab, `window.stays = true`, &stays)
	const moves = 8
	for i := range moves {
		own := fmt.Sprint("own ", i)
		for k := range 5 {
			nodes[rand.IntN(3)].write(t, fmt.Sprint("beside ", i, " ", k))
		}
		eval(t, tab, fmt.Sprintf(`document.querySelector("input[name=text]").value = %q; document.querySelector("form").requestSubmit(); true`, own), &stays)
		await(t, own, func() bool { return slices.Contains(shown(), own) })
		b.to.Store(int64((i + 1) % 3))
		b.CloseClientConnections()
		if texts := shown(); !slices.Contains(texts, own) {
			t.Fatalf("after the move the page shows %v, without %s", texts, own)
		}
	}
	last := nodes[0].write(t, "the last")
	for _, n := range nodes[1:] {
		n.level(t, nodes[0])
		nodes[0].level(t, n)
	}
	await(t, "the last", func() bool { return slices.Contains(shown(), last.Text) })
	var want []string
	for _, text := range nodes[0].list(t) {
		want = append(want, text)
	}
	got := shown()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) != moves*6+1 {
		t.Errorf("the page shows %d: %v; want %d: %v", len(got), got, len(want), want)
	}
	if eval(t, tab, `window.stays === true`, &stays); !stays {
		t.Error("the page was loaded again")
	}
}
