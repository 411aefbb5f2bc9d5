package client_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/server/format"
)

var update = flag.Bool("update", false, "write the table of formats")

const tablePath = "../server/format/locales.json"

// A vector is a value and how to format it.
type vector struct {
	Locale   string  `json:"locale"`
	Kind     string  `json:"kind"`
	Value    float64 `json:"value"`
	Digits   int     `json:"digits"`
	Currency string  `json:"currency"`
	Layout   string  `json:"layout"`
	Zone     string  `json:"zone"`
}

func (v *vector) inGo(t *testing.T) string {
	locale, err := format.Find(v.Locale)
	if err != nil {
		t.Fatal(err)
	}
	switch v.Kind {
	case "number":
		return locale.Number(v.Value, v.Digits)
	case "percent":
		return locale.Percent(v.Value, v.Digits)
	case "currency":
		text, err := locale.Currency(v.Value, v.Currency, v.Digits)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return locale.Time(time.UnixMilli(int64(v.Value)).In(zone), v.Layout)
}

func TestFormatsAreThoseOfTheBrowser(t *testing.T) {
	script := client.Bundle(t, "test/formats.ts")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/formats.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(script)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><script type="module" src="/formats.js"></script>`)
	}))
	defer server.Close()
	tab := client.NewTab(t, client.StartBrowser(t))
	if err := chromedp.Do(tab, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	table, err := chromedp.Run(tab, chromedp.Evaluate[json.RawMessage](`locales()`))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(table, &all); err != nil {
		t.Fatal(err)
	}
	if *update {
		text, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tablePath, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("the table is written; run the test again")
	}
	var vectors []vector
	random := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 9.962388059701492, 999, 1000, 1234.5, 9999.995, -9999.995, 10000, 1.005, 0.045, 2.5, -2.5, 1e6, 123456789.125, 1e15, 1e21, 0.0004, 5e-324}
	for range 60 {
		values = append(values, math.Trunc(random.NormFloat64()*1e7)/math.Pow10(random.IntN(8)))
	}
	currencies := []string{"EUR", "USD", "JPY", "CHF", "INR", "SEK"}
	times := []time.Time{time.Date(2026, 3, 8, 6, 59, 59, 0, time.UTC), time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC),
		time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC), time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC), time.Date(2026, 5, 9, 12, 5, 7, 0, time.UTC)}
	layouts := []string{"2 January 2006, 15:04", "Mon 2 Jan 06 3:04 PM", "Monday, 02.01.2006 15:04:05 -0700", "2006-01-02T15:04:05Z07:00", "_2/1 pm 03:4:5 Jan"}
	for locale := range all {
		for i, value := range values {
			vectors = append(vectors, vector{Locale: locale, Kind: "number", Value: value, Digits: i%5 - 1},
				vector{Locale: locale, Kind: "percent", Value: value, Digits: i%4 - 1},
				vector{Locale: locale, Kind: "currency", Value: value, Digits: i%4 - 1, Currency: currencies[i%len(currencies)]})
		}
		for _, at := range times {
			for i, layout := range layouts {
				zone := []string{"UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"}[i%4]
				vectors = append(vectors, vector{Locale: locale, Kind: "time", Value: float64(at.UnixMilli()), Layout: layout, Zone: zone})
			}
		}
	}
	text, err := json.Marshal(vectors)
	if err != nil {
		t.Fatal(err)
	}
	inBrowser, err := chromedp.Run(tab, chromedp.Evaluate[[]string](fmt.Sprintf(`formatted(%s)`, text)))
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range vectors {
		if got := vectors[i].inGo(t); got != inBrowser[i] && wrong < 20 {
			wrong++
			t.Errorf("%+v is %q in Go and %q in the browser", vectors[i], got, inBrowser[i])
		}
	}
}
