package health

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnybodyLearnsOnlyWhetherItWorks(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	state := Report{Live: true, Problems: []string{"the queue is gone"}, Commit: 813}
	h := Handler(func() Report { return state }, Brings(token))
	for _, test := range []struct {
		path   string
		header []string
		status int
		body   string
	}{
		{Path, nil, 503, "not ok\n"},
		{Path, []string{"Authorization", "Bearer wrong"}, 503, "not ok\n"},
		{Path, []string{"Authorization", "Basic " + token}, 503, "not ok\n"},
		{Path, []string{"Authorization", "Bearer"}, 503, "not ok\n"},
		{Path, []string{"Accept", "application/json"}, 503, `{"ok":false}` + "\n"},
		{Path, []string{"Authorization", "bearer " + token}, 503, "not ok\nlive: yes, ready: no\nproblem: the queue is gone\nnewest commit: 813; to be sent: 0\n"},
		{LivePath, nil, 200, "ok\n"},
		{LivePath, []string{"Accept", "application/json"}, 200, `{"ok":true}` + "\n"},
	} {
		if w := ask(h, test.path, test.header...); w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s %q: %d %q", test.path, test.header, w.Code, w.Body)
		}
	}
	var read Report
	whole := ask(h, Path, "Accept", "application/json", "Authorization", "Bearer "+token)
	if err := json.Unmarshal(whole.Body.Bytes(), &read); err != nil || read.Commit != 813 || strings.Join(read.Problems, "") != "the queue is gone" {
		t.Errorf("%s: %+v (%v)", whole.Body, read, err)
	}
	state = Report{Live: true, Ready: true, Warnings: []string{"the archive is late"}}
	if w := ask(h, Path); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("a warning fails: %d %q", w.Code, w.Body)
	}
	if Brings("")(httptest.NewRequest("GET", Path, nil)) {
		t.Error("a request without a token brings the empty one")
	}
}

func TestHealthIsOnlyRead(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(func() Report { return Report{Ready: true} }, Brings("")).ServeHTTP(w, httptest.NewRequest("POST", Path, nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Error(w.Code, w.Header())
	}
}
