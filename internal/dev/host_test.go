package dev

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// exchange sends the bytes of a request, and returns the answer's header and body.
func exchange(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	if response.Header.Get("Content-Type") == "text/event-stream" { // it has no end
		return response, ""
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return response, string(body)
}

// TestTheProxyRefusesOtherHosts sends requests with hosts that a page of another site could
// make a browser send, to the application and to what the proxy itself answers.
func TestTheProxyRefusesOtherHosts(t *testing.T) {
	s := serveReady(t, "version 1")
	address := strings.TrimPrefix(s.URL(), "http://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	entrances := []string{
		"GET / %s\r\nAccept: text/html\r\n",
		"GET / %s\r\n",
		"POST / %s\r\nContent-Length: 0\r\n",
		"POST /_tower/stream %s\r\nContent-Length: 0\r\n",
		"GET /_tower/socket %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"GET /_tower/dev %s\r\nAccept: text/event-stream\r\n",
		"GET /_tower/dev.js %s\r\n",
		"GET " + scriptsURL + "main.js %s\r\n",
	}
	refused := []string{
		"evil.test", "evil.test:" + port, "EVIL.TEST", "evil.test.", "localhost.evil.test", "localhost.evil.test:" + port, "127.0.0.1.evil.test",
		"evil.localhost.test", "notlocalhost", "localhost:99999", "::1", "[localhost]", "[::1", ".localhost", "evil.test#localhost", "",
	}
	for _, entrance := range entrances {
		for _, host := range refused {
			request := fmt.Sprintf(entrance, "HTTP/1.1\r\nHost: "+host) + "Origin: http://" + host + "\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n\r\n"
			response, body := exchange(t, address, request)
			malformed := response.StatusCode == http.StatusBadRequest && strings.Contains(body, "malformed Host") // by net/http
			if response.StatusCode != http.StatusMisdirectedRequest && !malformed {
				t.Errorf("%q: %s %s", request, response.Status, body)
			}
			if response.Header.Get("Set-Cookie") != "" || response.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%q: %v", request, response.Header)
			}
		}
		// An absolute target names the host, whatever the header says.
		target := strings.Replace(entrance, " /", " http://evil.test:"+port+"/", 1)
		request := fmt.Sprintf(target, "HTTP/1.1\r\nHost: localhost") + "\r\n"
		if response, body := exchange(t, address, request); response.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%q: %s %s", request, response.Status, body)
		}
		request = fmt.Sprintf(entrance, "HTTP/1.0") + "\r\n"
		if response, body := exchange(t, address, request); response.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%q: %s %s", request, response.Status, body)
		}
	}

	for _, host := range []string{"localhost", "LOCALHOST:" + port, "localhost.", "blog.localhost:" + port, "127.0.0.1", "[::1]:" + port, "[::1]", "192.0.2.9:" + port} {
		for _, path := range []string{"/", "/_tower/dev.js", "/_tower/dev"} {
			request := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
			if response, body := exchange(t, address, request); response.StatusCode != http.StatusOK {
				t.Errorf("%q: %s %s", request, response.Status, body)
			}
		}
	}

	_, page := exchange(t, address, "GET / HTTP/1.1\r\nHost: evil.test\r\nAccept: text/html\r\n\r\n")
	response, text := exchange(t, address, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	for _, answer := range []string{page, text} {
		if !strings.Contains(answer, "this site is not served as") || !strings.Contains(answer, "TOWER_HOSTS=evil.test") {
			t.Errorf("the answer does not say what to set: %s", answer)
		}
	}
	if !strings.Contains(page, "<html") || strings.Contains(page, "dev.js") || response.Header.Get("Content-Type") != "application/json" || !strings.Contains(text, `"code":"misdirected"`) {
		t.Errorf("%s\n%v %s", page, response.Header, text)
	}
}
