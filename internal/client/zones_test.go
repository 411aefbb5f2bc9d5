package client_test

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/towertest"
)

// A Meeting has times, which its page shows and changes.
type Meeting struct {
	tower.Record
	Title string     `json:"title"`
	At    time.Time  `json:"at"`
	Ends  *time.Time `json:"ends"`
}

var Meetings = tower.NewModel[Meeting]("meetings")

type meetings struct{ *tower.Connection }

type meetingID struct {
	ID tower.ID `json:"id"`
}

func (c *meetings) Edit(ctx context.Context, in meetingID) (*Meeting, error) {
	return Meetings.Find(ctx, c, in.ID)
}

func (c *meetings) All(ctx context.Context, in tower.None) (tower.Scope[Meeting], error) {
	return Meetings.All(), nil
}

func (c *meetings) First(ctx context.Context, in tower.None) (tower.ValueScope[Meeting], error) {
	return Meetings.All().AsMin(&Meetings.Fields.At), nil
}

func (c *meetings) Update(ctx context.Context, in struct {
	ID    tower.ID    `json:"id"`
	Title *string     `json:"title"`
	At    *time.Time  `json:"at"`
	Ends  **time.Time `json:"ends"`
}) (*Meeting, error) {
	return Meetings.Update(ctx, c, in.ID, func(m *Meeting) error { return tower.Assign(m, in) })
}

func (c *meetings) Zone(ctx context.Context, in tower.None) (string, error) {
	return c.TimeZone().String(), nil
}

func openMeetings(t *testing.T, zone string) *towertest.App {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*meetings, error) { return &meetings{c}, nil })
	m := tower.Mount(r, "meetings", func(c *meetings) *meetings { return c })
	tower.Page(m, "GET /meetings/{id}", (*meetings).Edit)
	tower.Cursor(m, "all", (*meetings).All)
	tower.Value(m, "first", (*meetings).First)
	tower.Action(m, "PATCH /meetings/{id}", (*meetings).Update, tower.FormPage("GET /meetings/{id}"))
	tower.Action(m, "GET /zone", (*meetings).Zone)
	return towertest.Open(t, tower.Config{Name: "meetings", Models: []tower.AnyModel{Meetings}, Routes: r, TimeZone: zone, Files: fstest.MapFS{
		"views/layout.html": {Data: []byte(`<!doctype html><html lang="en"><script type="module" src="/_tower/tower.js"></script>{{template "main" .}}`)},
		"views/meetings/edit.html": {Data: []byte(`{{define "main"}}{{with (.LiveValue "first").Time "15:04"}}<b {{.Attrs}}>{{.Text}}</b>{{end}}
			{{$l := .Cursor "all" "meetings/_meeting.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>
			<form {{.Form "PATCH /meetings/{id}" .Data}}>{{.Problem ""}}{{.Input "title" .Data}}{{.Input "at" .Data}}{{.Input "ends" .Data}}<button>Save</button></form>{{end}}`)},
		"views/meetings/_meeting.html": {Data: []byte(`<li>{{.Title}}: {{time .At "2 Jan 2006 15:04"}}</li>`)},
	}})
}

// A zoneCase is what a browser in a zone shows and sends.
type zoneCase struct {
	zone          string
	box, shown    string // of 2026-07-01 12:34:56.789012 UTC
	entered, want string // a time in summer
	gap, gapIs    string // one that the clocks skip
	twice         string // one that they show twice
	twiceIs       string // its first
	second        string // its second, as it is stored
}

var zoneCases = []zoneCase{
	{"America/New_York", "2026-07-01T08:34:56.789", "1 Jul 2026 08:34", "2026-06-01T15:00", "2026-06-01T19:00:00Z",
		"2026-03-08T02:30", "2026-03-08T07:30:00Z", "2026-11-01T01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00.000001Z"},
	{"Europe/Berlin", "2026-07-01T14:34:56.789", "1 Jul 2026 14:34", "2026-06-01T15:00", "2026-06-01T13:00:00Z",
		"2026-03-29T02:30", "2026-03-29T01:30:00Z", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00.000001Z"},
	{"Asia/Kathmandu", "2026-07-01T18:19:56.789", "1 Jul 2026 18:19", "2026-06-01T15:00", "2026-06-01T09:15:00Z",
		"2026-03-08T02:30", "2026-03-07T20:45:00Z", "2026-11-01T01:30", "2026-10-31T19:45:00Z", "2026-10-31T19:45:00.000001Z"},
}

func TestTimesInTheBrowsersZone(t *testing.T) {
	browser := client.StartBrowser(t)
	for _, test := range zoneCases {
		t.Run(test.zone, func(t *testing.T) { testZone(t, browser, openMeetings(t, ""), test.zone, &test) })
	}
	t.Run("the application's zone", func(t *testing.T) {
		testZone(t, browser, openMeetings(t, "Europe/Berlin"), "America/New_York", &zoneCases[1])
	})
}

func testZone(t *testing.T, browser context.Context, app *towertest.App, zone string, test *zoneCase) {
	exact := time.Date(2026, 7, 1, 12, 34, 56, 789012000, time.UTC)
	meeting := &Meeting{Title: "0", At: exact}
	if err := Meetings.Create(t.Context(), app, meeting); err != nil {
		t.Fatal(err)
	}
	tab, cancel := context.WithTimeout(client.NewTab(t, browser), 5*time.Minute)
	defer cancel()
	if err := chromedp.Do(tab); err != nil { // opens the tab
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Navigate(app.URL+"/meetings/"+string(meeting.ID))); err != nil {
		t.Fatal(err)
	}
	ask := func(script string) string {
		t.Helper()
		value, err := chromedp.Run(tab, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return value
	}
	until := func(condition string) {
		t.Helper()
		ask(fmt.Sprintf(`new Promise(resolve => {
			const check = () => (%s) ? resolve("") : setTimeout(check, 20);
			check();
		})`, condition))
	}
	until(`document.documentElement.dataset.tower === "online"`)
	if got := ask(`document.querySelector("#at").value`); got != test.box {
		t.Errorf("the box shows %s, want %s", got, test.box)
	}
	if got := ask(`document.querySelector("time").textContent`); got != test.shown {
		t.Errorf("the list shows %s, want %s", got, test.shown)
	}
	if got, want := ask(`document.querySelector("b").textContent`), test.box[11:16]; got != want {
		t.Errorf("the value shows %s, want %s", got, want)
	}
	name := ask(`tower.call("GET /zone").then(({ out }) => out)`)
	if location, err := time.LoadLocation(name); err != nil || exact.In(location).Format("2 Jan 2006 15:04") != test.shown {
		t.Errorf("the connection is in %s, %v", name, err)
	}
	count := 0
	save := func(script string) *Meeting {
		t.Helper()
		count++
		title := fmt.Sprint(count)
		ask(fmt.Sprintf(`{ %s; document.querySelector("#title").value = %q; document.querySelector("button").click(); "" }`, script, title))
		until(fmt.Sprintf(`document.querySelector("li").textContent.startsWith("%s:") && !document.querySelector("[aria-busy]")`, title))
		saved, err := Meetings.Find(t.Context(), app, meeting.ID)
		if err != nil || saved.Title != title {
			t.Fatalf("saved %v, %v", saved, err)
		}
		return saved
	}
	if saved := save(""); !saved.At.Equal(exact) || saved.Ends != nil {
		t.Errorf("untouched, it is stored as %v until %v", saved.At, saved.Ends)
	}
	for _, enter := range []struct{ text, want string }{{test.entered, test.want}, {test.gap, test.gapIs}, {test.twice, test.twiceIs}} {
		saved := save(fmt.Sprintf(`document.querySelector("#at").value = %q; document.querySelector("#ends").value = %q`, enter.text, enter.text))
		if got := saved.At.Format(time.RFC3339Nano); got != enter.want || saved.Ends == nil || !saved.Ends.Equal(saved.At) {
			t.Errorf("%s is stored as %s until %v, want %s", enter.text, got, saved.Ends, enter.want)
		}
	}
	second, err := time.Parse(time.RFC3339Nano, test.second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Meetings.Update(t.Context(), app, meeting.ID, func(m *Meeting) error { m.At = second; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Navigate(app.URL+"/meetings/"+string(meeting.ID))); err != nil {
		t.Fatal(err)
	}
	until(`document.documentElement.dataset.tower === "online"`)
	if got := ask(`document.querySelector("#at").value`); got != test.twice {
		t.Errorf("the box shows %s for the second %s", got, test.twice)
	}
	if saved := save(""); !saved.At.Equal(second) {
		t.Errorf("untouched, the second %s is stored as %v", test.twice, saved.At)
	}
}
