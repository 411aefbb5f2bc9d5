package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

func image(name string, content []byte) sent { return sent{"image", name, "image/png", content} }

func anything(name, kind string, content []byte) sent { return sent{"any", name, kind, content} }

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// content returns bytes that no type is known of.
func content(size int) []byte {
	text := make([]byte, size)
	random := rand.New(rand.NewPCG(uint64(size), 7))
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	if size > 0 {
		text[0] = 0xfe
	}
	return text
}

func TestAFileIsUploadedAndDownloaded(t *testing.T) {
	w := open(t)
	for _, size := range []int{0, 1, 4<<20 - 1, 4 << 20, 4<<20 + 1, 9 << 20} {
		text := content(size)
		p := w.create(w.ada, anything("a.bin", "text/html", text))
		if f := p.Any; f.Name != "a.bin" || f.Size != int64(size) || f.Sum != sumOf(text) || f.Type == "text/html" || f.URL == "" {
			t.Errorf("%d bytes: %+v", size, f)
		}
		res, got := w.do(w.ada, "GET", p.Any.URL, "", nil)
		if res.StatusCode != http.StatusOK || got != string(text) || res.Header.Get("ETag") != `"`+sumOf(text)+`"` {
			t.Errorf("%d bytes: %d, %d bytes, %v", size, res.StatusCode, len(got), res.Header)
		}
		if res, _ := w.do(w.ada, "GET", p.Any.URL, "", nil, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
			t.Errorf("with its ETag: %d", res.StatusCode)
		}
	}
}

func TestRangesOfAFile(t *testing.T) {
	w := open(t)
	text := content(9 << 20)
	url := w.create(w.ada, anything("a.bin", "", text)).Any.URL
	for _, r := range [][2]int{{0, 0}, {5, 17}, {4<<20 - 3, 4<<20 + 3}, {4 << 20, 8<<20 - 1}, {8 << 20, 9<<20 - 1}, {1, 9<<20 - 2}} {
		res, got := w.do(w.ada, "GET", url, "", nil, "Range", fmt.Sprintf("bytes=%d-%d", r[0], r[1]))
		if res.StatusCode != http.StatusPartialContent || got != string(text[r[0]:r[1]+1]) {
			t.Errorf("bytes %v: %d, %d bytes", r, res.StatusCode, len(got))
		}
	}
	for _, r := range []string{"bytes=99999999-", "bytes=9437184-"} {
		if res, _ := w.do(w.ada, "GET", url, "", nil, "Range", r); res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s: %d", r, res.StatusCode)
		}
	}
	if res, got := w.do(w.ada, "HEAD", url, "", nil); res.ContentLength != 9<<20 || got != "" {
		t.Errorf("HEAD: %d bytes", res.ContentLength)
	}
}

// The rule of the record decides who downloads its files, from the commit on that changes it.
func TestTheRuleOfTheRecord(t *testing.T) {
	w := open(t)
	p := w.create(w.ada, image("a.png", png))
	status := func(user string, url string) int {
		id := w.ada
		switch user {
		case "bob":
			id = w.bob
		case "":
			id = ""
		}
		res, _ := w.do(id, "GET", url, "", nil)
		return res.StatusCode
	}
	expect := func(when string, ada, bob, visitor int) {
		t.Helper()
		if a, b, v := status("ada", p.Image.URL), status("bob", p.Image.URL), status("", p.Image.URL); a != ada || b != bob || v != visitor {
			t.Errorf("%s: Ada %d, Bob %d, a visitor %d", when, a, b, v)
		}
	}
	expect("closed", 200, 404, 404)
	patch := func(body string) {
		t.Helper()
		if res, text := w.do(w.ada, "PATCH", "/photos/"+string(p.ID), "application/json", strings.NewReader(body)); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
	}
	patch(`{"open":true}`)
	expect("open", 200, 200, 200)
	patch(`{"open":false}`)
	expect("closed again", 200, 404, 404)
	old := p.Image.URL
	patch(`{"open":true,"image":""}`)
	expect("without the file", 404, 404, 404)
	p = w.create(w.ada, image("a.png", png), sent{name: "open", content: []byte("true")}, sent{"own", "secret.txt", "", []byte("secret")})
	for _, url := range []string{old, strings.Replace(p.Image.URL, "/image/", "/any/", 1), strings.Replace(p.Image.URL, "/image/", "/own/", 1),
		strings.Replace(p.Image.URL, "/photos/", "/users/", 1), strings.Replace(p.Image.URL, "/photos/", "/tower_files/", 1),
		"/_tower/files/photos/" + string(p.ID) + "/any/", "/_tower/files/photos/x/image/" + string(p.Image.ID), "/_tower/files/photos/" + string(p.ID) + "/id/" + string(p.ID)} {
		if got := status("ada", url); got != 404 {
			t.Errorf("%s: %d", url, got)
		}
	}
	stored, err := photos.Find(t.Context(), w.App, p.ID)
	if err != nil || stored.Own.Size != 6 {
		t.Fatalf("%+v, %v", stored, err)
	}
	if got := status("ada", stored.Own.URL); got != 404 {
		t.Errorf("a private file: %d", got)
	}
	if res, text := w.do(w.ada, "DELETE", "/photos/"+string(p.ID), "", nil); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	expect("deleted", 404, 404, 404)
}

func TestWhatAFieldDoesNotTake(t *testing.T) {
	w := open(t)
	w.refused(w.ada, "is of type text/html; it must be image/png or image/jpeg", image("a.png", []byte("<html><script>alert(1)</script>")))
	w.refused(w.ada, "is of type image/gif; it", image("a.png", []byte("GIF89a/*\x01\x00\x01\x00\x00*/=1;alert(1)")))
	w.refused(w.ada, "is of type", image("empty.png", nil))
	w.refused(w.ada, "is too large: at most 1 MB", image("a.png", append(bytes.Clone(png), content(1<<20)...)))
	w.refused(w.ada, "cannot be a file here", sent{"title", "a.png", "image/png", png})
	w.refused(w.ada, "is too long: at most 5", image("a.png", png), sent{name: "title", content: []byte("too long")})
}

// A client puts only into a record what it has uploaded itself.
func TestTokensOfOthers(t *testing.T) {
	w := open(t)
	p := w.create(w.ada, image("a.png", png))
	object, err := json.Marshal(p.Image)
	if err != nil {
		t.Fatal(err)
	}
	kind, body := form(image("a.png", png), sent{name: "title", content: []byte("too long")})
	_, page := w.do(w.ada, "POST", "/photos", kind, body, "Accept", "text/html")
	_, rest, found := strings.Cut(page, `name="image" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	if !found || token == "" {
		t.Fatalf("the form does not keep the upload: %s", page)
	}
	post := func(user string, value string, as string) int {
		id := w.ada
		if user == "bob" {
			id = w.bob
		}
		if as == "form" {
			kind, body := form(sent{name: "image", content: []byte(value)})
			res, _ := w.do(id, "POST", "/photos", kind, body, "Accept", "application/json")
			return res.StatusCode
		}
		res, _ := w.do(id, "POST", "/photos", "application/json", strings.NewReader(`{"image":`+value+`}`))
		return res.StatusCode
	}
	quoted, _ := json.Marshal(token)
	for _, as := range []string{"form", "json"} {
		value := token
		if as == "json" {
			value = string(quoted)
		}
		if status := post("bob", value, as); status != 422 {
			t.Errorf("Bob with the token of Ada, as %s: %d", as, status)
		}
		if status := post("ada", value, as); status != 201 {
			t.Errorf("Ada with her token, as %s: %d", as, status)
		}
		if status := post("ada", string(object), as); status != 422 {
			t.Errorf("the file itself, as %s: %d", as, status)
		}
	}
	if status := post("ada", token[:len(token)-2]+"AA", "form"); status != 422 {
		t.Errorf("a forged token: %d", status)
	}
}

// What runs scripts is never shown as what it is.
func TestFilesRunNoScripts(t *testing.T) {
	w := open(t)
	for name, text := range map[string]string{
		"a.html": "<!doctype html><html><script>alert(1)</script></html>",
		"a.svg":  `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"b.svg":  `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>`,
		"a.xml":  `<?xml version="1.0"?><x xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></x>`,
		"a.js":   "alert(1)", "a.pdf": "%PDF-1.4\n", "a.txt": "\x00<script>alert(1)</script>",
	} {
		res, got := w.do(w.ada, "GET", w.create(w.ada, anything(name, "image/png", []byte(text))).Any.URL, "", nil)
		header := res.Header
		kind := header.Get("Content-Type")
		if got != text || strings.Contains(kind, "html") || strings.Contains(kind, "xml") || strings.Contains(kind, "script") {
			t.Errorf("%s is served as %s", name, kind)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", name, header)
		}
		if shown := strings.HasPrefix(header.Get("Content-Disposition"), "inline"); shown && !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%s is shown as %s", name, kind)
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	w := open(t)
	for given, want := range map[string]string{
		"../../etc/passwd": "passwd", `..\\..\\boot.ini`: "boot.ini", "/": "file", "..": "file", "a/": "a", "übung.png": "übung.png",
		"a\u202egnp.exe": "agnp.exe", strings.Repeat("x", 300) + ".png": strings.Repeat("x", 251) + ".png", "\u200b": "file",
	} {
		p := w.create(w.ada, anything(given, "", []byte("x")))
		if p.Any.Name != want {
			t.Errorf("%q is %q; want %q", given, p.Any.Name, want)
		}
		res, _ := w.do(w.ada, "GET", p.Any.URL, "", nil)
		if disposition := res.Header.Get("Content-Disposition"); res.StatusCode != 200 || strings.ContainsAny(disposition, "\r\n/\\") {
			t.Errorf("%q: %d %s", given, res.StatusCode, disposition)
		}
	}
}
