package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// An Article is a record that visitors browse.
type Article struct {
	tower.Record
	Topic string `json:"topic" validate:"required,max=40" tower:"index"`
	Shade int    `json:"shade"`
	Text  string `json:"text" validate:"required,max=400"`
}

var Articles = tower.NewModel[Article]("articles")

type articlesController struct{ *tower.Connection }

func (c *articlesController) All(context.Context, struct{}) (tower.Scope[Article], error) {
	return Articles.All().Desc(&Articles.Fields.CreatedAt), nil
}

// Mine is what the client that is not a visitor watches.
func (c *articlesController) Mine(context.Context, struct{}) (tower.Scope[Article], error) {
	return Articles.Where(tower.Is(&Articles.Fields.Topic, "mine")), nil
}

func articles() tower.Config {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	all := tower.Mount(r, "articles", func(c *tower.Connection) *articlesController { return &articlesController{c} })
	article := Articles.Fields
	tower.Cursor(all, "all", (*articlesController).All, tower.Narrow(Articles, &article.Topic, &article.Shade, &article.CreatedAt))
	tower.Cursor(all, "mine", (*articlesController).Mine)
	return tower.Config{Name: "articles", Models: []tower.AnyModel{Articles}, Routes: r, Files: sampleViews}
}

// fillArticles creates articles on a hundred times fewer topics.
func fillArticles(b *testing.B, app *towertest.App, n int) {
	b.Helper()
	for made := 0; made < n; {
		if err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
			for range min(20_000, n-made) {
				article := &Article{Topic: fmt.Sprint("topic", made%max(n/100, 1)), Shade: made % 5000, Text: noteText}
				if err := Articles.Create(b.Context(), tx, article); err != nil {
					return err
				}
				made++
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommitBesideOpeners is the slowest hundredth of the durable commits that
// one client waits for, beside twenty visitors who open and narrow cursors over a
// hundred thousand records as fast as they can, and without them.
func BenchmarkCommitBesideOpeners(b *testing.B) {
	n := number(b, "TOWER_BENCH_ARTICLES", 100_000, 2000)
	app := towertest.Open(b, articles())
	fillArticles(b, app, n)
	mine := dialMine(b, app)
	for _, c := range []struct{ name, open string }{
		{"narrow", `"where":{"topic":"topic%d"},"limit":20`},
		{"wide", `"where":{"shade":%d}`},
		{"windows", `"limit":%w`},
		{"again", `"limit":100`},
	} {
		b.Run(c.name, func(b *testing.B) {
			visitors := startSwarm(b, orders{URL: socketURL(app.URL) + "/_tower/socket", Clients: 20, Say: []string{`{"hello":1}`}, Narrow: c.open})
			var beside, alone []time.Duration
			var opened int64
			for b.Loop() {
				alone = append(alone, commitMine(b, app, mine)...)
				visitors.say("start")
				beside = append(beside, commitMine(b, app, mine)...)
				visitors.say("stop")
				opened += visitors.hear("opened")
			}
			b.ReportMetric(ms(p99(beside)), "ms/beside")
			b.ReportMetric(ms(p99(alone)), "ms/alone")
			b.ReportMetric(ms(median(beside)), "ms/median")
			b.ReportMetric(float64(opened)/float64(len(beside)), "opens/commit")
			b.ReportMetric(float64(p99(beside))/float64(p99(alone)), "ofalone")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func p99(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)*99/100]
}

// dialMine connects the client that waits for commits. It reports when each came.
func dialMine(b *testing.B, app *towertest.App) <-chan time.Time {
	b.Helper()
	socket, err := orders{URL: socketURL(app.URL) + "/_tower/socket", Say: []string{`{"hello":1}`, `{"id":1,"open":"articles.mine"}`}}.connect(0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { socket.Close() })
	received := make(chan time.Time, 64)
	go func() {
		defer close(received)
		for {
			_, message, err := socket.ReadMessage()
			if err != nil {
				return
			}
			if bytes.Contains(message, []byte(`"enter"`)) {
				received <- time.Now()
			}
		}
	}()
	return received
}

// commitMine makes commits, and returns how long each took to reach its client.
func commitMine(b *testing.B, app *towertest.App, received <-chan time.Time) (took []time.Duration) {
	b.Helper()
	commits := number(b, "TOWER_BENCH_COMMITS", 300, 3)
	for range commits {
		start := time.Now()
		if err := Articles.Create(b.Context(), app, &Article{Topic: "mine", Text: noteText}); err != nil {
			b.Fatal(err)
		}
		at, open := <-received
		if !open {
			b.Fatal("the connection ended")
		}
		took = append(took, at.Sub(start))
	}
	return took
}

// narrowers open and close cursors as fast as they are answered, from start to stop.
func narrowers(o orders) error {
	var working atomic.Bool
	var opened atomic.Int64
	var clients sync.WaitGroup
	sockets, err := o.connectAll()
	if err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error, o.Clients)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "start" {
			working.Store(true)
			for _, socket := range sockets {
				clients.Go(func() {
					for working.Load() {
						if err := narrowOnce(socket, o.Narrow); err != nil {
							failed <- err
							return
						}
						opened.Add(1)
					}
				})
			}
			continue
		}
		working.Store(false)
		clients.Wait()
		if len(failed) > 0 {
			return <-failed
		}
		fmt.Println("opened", opened.Swap(0))
	}
	return nil
}

var cursorNumber = regexp.MustCompile(`"cursor":(\d+)`)

// narrowOnce opens one cursor, waits for it and closes it. It is content to be refused.
func narrowOnce(socket *websocket.Conn, narrow string) error {
	narrow = strings.NewReplacer("%d", strconv.Itoa(rand.IntN(1000)), "%w", strconv.Itoa(20+rand.IntN(380))).Replace(narrow)
	answer, err := ask(socket, fmt.Sprintf(`{"id":1,"open":"articles.all",%s}`, narrow))
	if err != nil {
		return err
	}
	number := cursorNumber.FindSubmatch(answer)
	switch {
	case number == nil && (bytes.Contains(answer, []byte(`"too_many"`)) || bytes.Contains(answer, []byte(`"unavailable"`))):
		return nil // it asks too much
	case number == nil:
		return fmt.Errorf("%s", answer)
	}
	_, err = ask(socket, fmt.Sprintf(`{"id":2,"close":%s}`, number[1]))
	return err
}

// ask sends a frame and returns the message with its answer.
func ask(socket *websocket.Conn, frame string) ([]byte, error) {
	if err := socket.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		return nil, err
	}
	var asked struct{ ID uint64 }
	if err := json.Unmarshal([]byte(frame), &asked); err != nil {
		return nil, err
	}
	mark := fmt.Appendf(nil, `"id":%d,`, asked.ID)
	for {
		_, message, err := socket.ReadMessage()
		if err != nil || bytes.Contains(message[:min(len(message), 40)], mark) || bytes.Contains(message, []byte(`"status":`)) {
			return message, err
		}
	}
}
