package dev

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestInject(t *testing.T) {
	const tag = `<script src="/_tower/dev.js" data-version="v" defer></script>` + "\n"
	tests := []struct{ body, want string }{
		{"<html><body>hi</body></html>", "<html><body>hi" + tag + "</body></html>"},
		{"<p>İ</p></BODY>", "<p>İ</p>" + tag + "</BODY>"},
		{"no end </bod", "no end </bod" + tag},
		{"", tag},
		{"</body></body>", tag + "</body></body>"},
		{"<</body>", "<" + tag + "</body>"},
		{strings.Repeat("a long page ", 1000) + "</body>", strings.Repeat("a long page ", 1000) + tag + "</body>"},
	}
	for _, test := range tests {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(test.body), "bytes": iotest.OneByteReader(strings.NewReader(test.body)),
			"halves": iotest.HalfReader(strings.NewReader(test.body)), "early end": iotest.DataErrReader(strings.NewReader(test.body)),
		} {
			r := &http.Response{
				StatusCode: 200, Request: httptest.NewRequest("GET", "/", nil), Body: io.NopCloser(reader),
				Header: http.Header{"Content-Type": {"text/html"}, "Content-Length": {strconv.Itoa(len(test.body))}, "Etag": {"x"}},
			}
			inject(r, "v", nil)
			body, err := io.ReadAll(r.Body)
			if string(body) != test.want || err != nil {
				t.Errorf("%s: %q %v, want %q", name, body, err, test.want)
			}
			if r.Header.Get("Content-Length") != strconv.Itoa(len(test.want)) || r.ContentLength != int64(len(test.want)) {
				t.Errorf("length %s", r.Header.Get("Content-Length"))
			}
			if r.Header.Get("Etag") != "" {
				t.Error("the ETag is of another page")
			}
		}
	}

	broken := errors.New("broken off")
	r := &http.Response{
		StatusCode: 200, Request: httptest.NewRequest("GET", "/", nil), Header: http.Header{"Content-Type": {"text/html"}},
		Body: io.NopCloser(io.MultiReader(strings.NewReader("half a page"), iotest.ErrReader(broken))),
	}
	inject(r, "v", nil)
	if body, err := io.ReadAll(r.Body); string(body) != "half a page" || err != broken {
		t.Errorf("%q %v", body, err)
	}

	for name, change := range map[string]func(*http.Response){
		"json":         func(r *http.Response) { r.Header.Set("Content-Type", "application/json") },
		"a download":   func(r *http.Response) { r.Header.Set("Content-Disposition", "attachment; filename=a.html") },
		"compressed":   func(r *http.Response) { r.Header.Set("Content-Encoding", "gzip") },
		"not modified": func(r *http.Response) { r.StatusCode = 304 },
		"head":         func(r *http.Response) { r.Request.Method = "HEAD" },
	} {
		r := &http.Response{
			StatusCode: 200, Request: httptest.NewRequest("GET", "/", nil), Body: io.NopCloser(strings.NewReader("x")),
			Header: http.Header{"Content-Type": {"text/html"}},
		}
		change(r)
		inject(r, "v", nil)
		if body, err := io.ReadAll(r.Body); string(body) != "x" || err != nil {
			t.Errorf("%s: %q %v", name, body, err)
		}
	}
}

func TestProxy(t *testing.T) {
	s := serveReady(t, "version 1")
	do := func(method, path string, header http.Header) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequest(method, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header, request.Host = header, "blog.localhost"
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}

	_, text := do("GET", "/headers", http.Header{"Accept": {"text/html,*/*"}, "Accept-Encoding": {"gzip, br"}, "If-None-Match": {"x"}, "Tower-Peer": {"192.0.2.2:1"}, "X-Forwarded-For": {"192.0.2.1"}})
	for _, want := range []string{"Host: blog.localhost\n", "Tower-Peer: 127.0.0.1:", "X-Forwarded-For: 192.0.2.1", "Accept-Encoding: identity"} {
		if !strings.Contains(text, want) {
			t.Errorf("the request has no %q:\n%s", want, text)
		}
	}
	for what, header := range map[string]http.Header{
		"an image":       {"Accept": {"text/html"}, "Sec-Fetch-Dest": {"image"}},
		"curl":           {"Accept": {"*/*"}},
		"a program":      {},
		"part of a file": {"Accept": {"text/html"}, "Sec-Fetch-Dest": {"document"}, "Range": {"bytes=2-4"}},
		"a JSON reader":  {"Accept": {"application/json"}},
	} {
		header.Set("Accept-Encoding", "gzip, br")
		header.Set("If-None-Match", "x")
		_, text = do("GET", "/headers", header)
		if !strings.Contains(text, "Accept-Encoding: gzip, br") || !strings.Contains(text, "If-None-Match: x") || !strings.Contains(text, "Range: "+header.Get("Range")) && header["Range"] != nil {
			t.Errorf("the request of %s is\n%s", what, text)
		}
	}

	page := http.Header{"Accept": {"text/html"}}
	response, text := do("GET", "/", page)
	if !strings.Contains(text, `<script src="/_tower/dev.js" data-version="`) || int(response.ContentLength) != len(text) {
		t.Errorf("the page is %d bytes\n%s", response.ContentLength, text)
	}
	if _, text = do("GET", "/", http.Header{"Sec-Fetch-Dest": {"empty"}}); strings.Contains(text, "dev.js") {
		t.Error("what a script fetches has the script")
	}
	if response, _ = do("HEAD", "/", page); response.ContentLength < 0 {
		t.Error("no length")
	}
	if response, _ = do("GET", "/file", http.Header{"Sec-Fetch-Dest": {"image"}, "If-None-Match": {`"1"`}}); response.StatusCode != 304 {
		t.Errorf("a file that is kept is answered with %d", response.StatusCode)
	}
	response, text = do("GET", "/_tower/dev.js", http.Header{})
	if response.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || text != string(script) {
		t.Errorf("the script is %v", response.Header)
	}
}

func TestEventStream(t *testing.T) {
	s := serveReady(t, "version 1")
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"/_tower/dev", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("the stream is %s", kind)
	}
	lines := bufio.NewScanner(response.Body)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("no line %q: %v", want, lines.Err())
	}
	expect("event: ok")
	expect(`data: {"build":1,"version":"` + s.events.version() + `"}`)
	s.write("main.go", "broken")
	expect("event: building")
	expect("event: broken")
	expect(`data: {"title":"The build failed","errors":[{"file":"main.go","line":1,"column":4,"message":"undefined: broken"`)
	s.write("views/home.html", "home 2")
	expect("event: reload")
	s.write("main.go", "version 3")
	expect("event: building")
	expect("event: ok")
	s.stop()
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream ends with %v", lines.Err())
	}
}

func TestSlowPageIsDropped(t *testing.T) {
	e := newEvents()
	page := e.join()
	for range 2 * maxQueued {
		e.reload()
	}
	count := 0
	for range page {
		count++
	}
	if count != maxQueued {
		t.Errorf("%d events were queued", count)
	}
	e.leave(page)
}

func TestStreamIsNotHeldBack(t *testing.T) {
	s := serveReady(t, "version 1")
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); line != "data: first\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestRequestsWaitForALimitedTime(t *testing.T) {
	p := newProxy(newGate(), nil, nil, newEvents(), newScripts(), t.TempDir())
	p.wait = time.Millisecond
	server := httptest.NewServer(p)
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("answered with %d %v", response.StatusCode, response.Header)
	}
}
