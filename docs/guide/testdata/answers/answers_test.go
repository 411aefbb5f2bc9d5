package main

import (
	"bufio"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestDownload(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("reports", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("reports/may.txt", []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("secret.txt", []byte("hush"), 0o644); err != nil {
		t.Fatal(err)
	}
	app := towertest.Open(t, Config())
	response, text := do(t, http.DefaultClient, "GET", app.URL+"/reports/may.txt", "", "Range", "bytes=2-4")
	if response.StatusCode != 206 || text != "234" || response.Header.Get("Content-Disposition") != "attachment; filename=may.txt" {
		t.Errorf("%d %q %v", response.StatusCode, text, response.Header)
	}
	response, _ = do(t, http.DefaultClient, "GET", app.URL+"/reports/may.txt", "", "If-Modified-Since", response.Header.Get("Last-Modified"))
	if response.StatusCode != 304 {
		t.Errorf("unchanged: %d", response.StatusCode)
	}
	for _, name := range []string{"none.txt", "..%2Fsecret.txt", "%2Fetc%2Fpasswd"} {
		if response, text := do(t, http.DefaultClient, "GET", app.URL+"/reports/"+name, ""); response.StatusCode != 404 {
			t.Errorf("%s: %d %s", name, response.StatusCode, text)
		}
	}
}

func TestAPageBehindSignIn(t *testing.T) {
	app := towertest.Open(t, Config())
	if err := models.Users.Create(t.Context(), app, &models.User{Name: "Ada", Email: "ada@example.com"}); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	response, page := do(t, client, "GET", app.URL+"/account", "", "Accept", "text/html")
	if response.Request.URL.Path != "/enter" {
		t.Fatalf("a visitor is at %s", response.Request.URL)
	}
	_, action, _ := strings.Cut(page, `<form action="`)
	action, _, _ = strings.Cut(action, `"`)
	form := url.Values{"email": {"ada@example.com"}}.Encode()
	back, text := do(t, client, "POST", app.URL+html.UnescapeString(action), form,
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Referer", response.Request.URL.String())
	if back.Request.URL.Path != "/account" || !strings.Contains(text, "<h1>Ada</h1>") {
		t.Errorf("ada is at %s: %s", back.Request.URL, text)
	}
	if response, _ := do(t, http.DefaultClient, "GET", app.URL+"/account", ""); response.StatusCode != 401 {
		t.Errorf("a program: %d", response.StatusCode)
	}
}

// The export takes as little memory for many records as for few.
func TestExport(t *testing.T) {
	const records = 40_000
	app := towertest.Open(t, Config())
	body := strings.Repeat("x", 1000)
	for range records / 1000 {
		err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
			for i := range 1000 {
				if err := models.Posts.Create(t.Context(), tx, &models.Post{Title: fmt.Sprint("post ", i), Body: body, Published: i%2 == 0}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.Get(app.URL + "/posts.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	least := uint64(math.MaxUint64) // what is allocated while the heap is collected counts as in use
	rows := 0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); rows++ {
		if rows > records/4 && rows%500 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&during)
			least = min(least, during.HeapAlloc)
		}
	}
	if rows != records/2 {
		t.Errorf("%d rows of %d", rows, records/2)
	}
	if grown := int64(least) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes, for %d bytes of records", grown, records*len(body))
	}
}
