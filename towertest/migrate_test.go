//go:build unix

package towertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/wire"
)

// An article as an older build has it, and as a newer one.
type (
	oldArticle struct {
		tower.Record
		Title  string `json:"title" tower:"index"`
		Views  string `json:"views" tower:"index"`
		Author string `json:"author"`
		Draft  bool   `json:"draft"`
	}
	newArticle struct {
		tower.Record
		Headline string `json:"headline" tower:"index"`
		Views    int    `json:"views" tower:"index"`
		First    string `json:"first" tower:"private"`
		Last     string `json:"last"`
		Slug     string `json:"slug" tower:"unique"`
	}
)

var (
	oldArticles = tower.NewModel[oldArticle]("articles")
	newArticles = tower.NewModel[newArticle]("articles")
)

// migrated returns what the migrations make of an article: the naive run.
func migrated(a *oldArticle) newArticle {
	views, _ := strconv.Atoi(a.Views)
	first, last, _ := strings.Cut(a.Author, " ")
	return newArticle{Record: a.Record, Headline: a.Title, Views: views, First: first, Last: last, Slug: slug(a.Title, a.ID)}
}

func slug(title string, id tower.ID) string { return strings.ToLower(title) + "-" + string(id) }

const (
	migrateData  = "TOWER_TEST_MIGRATE_DATA"  // the file that a process migrates
	migrateCalls = "TOWER_TEST_MIGRATE_CALLS" // the call of a step in which it dies; 0: none
)

// migrations returns the migrations of the newer build. The process dies in a call of one
// step.
func articleMigrations() []tower.Migration {
	left := atomic.Int64{}
	calls, _ := strconv.ParseInt(os.Getenv(migrateCalls), 10, 64)
	left.Store(calls)
	return []tower.Migration{
		{ID: "1", Steps: []tower.Step{
			tower.Rename("articles", "title", "headline"),
			tower.Retype("articles", "views", strconv.Atoi),
		}},
		{ID: "2", Steps: []tower.Step{
			tower.Each("articles", func(a *tower.StoredRecord) error {
				if left.Add(-1) == 0 {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
				var author string
				if _, err := a.Get("author", &author); err != nil {
					return err
				}
				first, last, _ := strings.Cut(author, " ")
				return errors.Join(a.Set("first", first), a.Set("last", last))
			}),
			tower.Drop("articles", "author"),
			tower.Drop("articles", "draft"),
			tower.Fill("articles", "slug", func(a *tower.StoredRecord) (string, error) {
				var title string
				_, err := a.Get("headline", &title)
				return slug(title, a.ID()), err
			}),
		}},
	}
}

type articleSession struct{ *tower.Connection }

type articles struct{ *articleSession }

func (articles) All(context.Context, struct{}) (tower.Scope[oldArticle], error) {
	return oldArticles.Where(tower.Is(&oldArticles.Fields.Draft, false)).Asc(&oldArticles.Fields.Title), nil
}

func (articles) Top(context.Context, struct{}) (tower.Scope[oldArticle], error) {
	return oldArticles.All().Desc(&oldArticles.Fields.Views).Limit(20), nil
}

func articlesConfig(data string, newer bool) tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*articleSession, error) { return &articleSession{c}, nil })
	config := tower.Config{Name: "articles", Env: "production", Data: data, Routes: r, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Quiet: true}
	if newer {
		config.Models, config.Migrations = []tower.AnyModel{newArticles}, articleMigrations()
		return config
	}
	mounted := tower.Mount(r, "articles", func(s *articleSession) *articles { return &articles{s} })
	tower.Cursor(mounted, "all", (*articles).All)
	tower.Cursor(mounted, "top", (*articles).Top)
	config.Models = []tower.AnyModel{oldArticles}
	return config
}

// TestAKilledMigration migrates the records of an application that serves, by a process
// that is killed at random calls of its steps, again and again, while writers change the
// records and clients hold cursors. The older build must serve exactly what it did. Then
// the newer build opens the file, and is killed in the same way, until it has succeeded:
// every record must be what one naive run makes of it.
//
// TOWER_TEST_KILLS and TOWER_TEST_RECORDS set how often and how much, TOWER_TEST_SEED
// makes the same decisions again.
func TestAKilledMigration(t *testing.T) {
	kills, records := number(t, "TOWER_TEST_KILLS", 10), number(t, "TOWER_TEST_RECORDS", 2000)
	seed := uint64(number(t, "TOWER_TEST_SEED", int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	folder := t.TempDir()
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("TOWER_SECRET", "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF")
	data := filepath.Join(folder, "articles.db")

	app, end := Serve(t, articlesConfig(data, false))
	if err := app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	ids := createArticles(t, app, random, records)
	client := app.Connect(t, "")
	held := []*Cursor{client.Open("articles.all", nil), client.Open("articles.top", nil)}

	writing, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	slowest := make([]time.Duration, 3)
	for i := range slowest {
		own := rand.New(rand.NewPCG(seed, uint64(i)+1))
		writers.Go(func() {
			slowest[i] = changeArticles(t, writing, app, own, ids[i*len(ids)/len(slowest):(i+1)*len(ids)/len(slowest)])
		})
	}
	killed := 0
	for range kills {
		if report := migrateIn(t, data, 1+random.IntN(records*3/2), 0); report == nil {
			killed++
		} else if report.Refused != "" || !report.Running {
			t.Fatalf("%+v", report)
		}
	}
	stop()
	writers.Wait()
	if random.IntN(2) == 0 { // otherwise the newer build has to prepare records as it opens the file
		report := migrateIn(t, data, 0, 0)
		if report == nil || report.Refused != "" || !report.Running {
			t.Fatalf("%+v", report)
		}
	}
	fresh := app.Connect(t, "")
	for _, cursor := range held {
		now := fresh.Open(cursor.Name(), nil)
		cursor.Await(func(ids []string) bool { return slices.Equal(ids, now.IDs()) })
		for _, id := range now.IDs() {
			var a, b oldArticle
			if !cursor.Record(id, &a) || !now.Record(id, &b) || a != b {
				t.Errorf("%s: a client holds %+v, and a new one %+v", cursor.Name(), a, b)
			}
		}
	}
	want := map[tower.ID]newArticle{}
	all, err := oldArticles.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		want[a.ID] = migrated(a)
	}
	end()

	// Without the older build: the same, and the cutover.
	inOpening := 0
	for range kills {
		calls := 1 + random.IntN(records)
		if random.IntN(2) == 0 {
			calls = 0
		}
		report := migrateIn(t, data, calls, 1+time.Duration(random.Int64N(int64(cutoverTime))))
		if report != nil {
			if len(report.Migrated) != 2 {
				t.Fatalf("%+v", report)
			}
			break
		}
		inOpening++
	}
	app, end = Serve(t, articlesConfig(data, true))
	defer end()
	got, err := newArticles.All().Records(t.Context(), app)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d records, not %d: %v", len(got), len(want), err)
	}
	for _, a := range got {
		if *a != want[a.ID] {
			t.Errorf("%+v, not %+v", *a, want[a.ID])
		}
	}
	if err := server.AppOf(app.App).Store().Check(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d records; killed %d times beside the older build, %d times without it; the slowest write took %s", len(got), killed, inOpening, slices.Max(slowest))
}

func createArticles(t *testing.T, app *App, random *rand.Rand, n int) (ids []tower.ID) {
	for len(ids) < n {
		err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
			for range min(1000, n-len(ids)) {
				a := someArticle(random)
				if err := oldArticles.Create(t.Context(), tx, a); err != nil {
					return err
				}
				ids = append(ids, a.ID)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func someArticle(random *rand.Rand) *oldArticle {
	return &oldArticle{Title: fmt.Sprintf("Title %d", random.IntN(1000)), Views: strconv.Itoa(random.IntN(100)),
		Author: fmt.Sprintf("A%d B%d", random.IntN(50), random.IntN(50)), Draft: random.IntN(2) == 0}
}

// changeArticles writes until ctx ends. It returns how long the slowest write took.
func changeArticles(t *testing.T, ctx context.Context, app *App, random *rand.Rand, ids []tower.ID) (slowest time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		switch i := random.IntN(len(ids)); random.IntN(5) {
		case 0:
			a := someArticle(random)
			if err = oldArticles.Create(t.Context(), app, a); err == nil {
				ids = append(ids[:len(ids):len(ids)], a.ID)
			}
		case 1:
			if err = oldArticles.Delete(t.Context(), app, ids[i]); err == nil && len(ids) > 1 {
				ids = slices.Delete(slices.Clone(ids), i, i+1)
			}
		default:
			_, err = oldArticles.Update(t.Context(), app, ids[i], func(a *oldArticle) error {
				header := a.Record
				*a = *someArticle(random)
				a.Record = header
				return nil
			})
		}
		if err != nil {
			t.Error(err)
			return slowest
		}
		slowest = max(slowest, time.Since(began))
	}
	return slowest
}

// cutoverTime is about how long the newer build takes from its first word to its last.
const cutoverTime = 300 * time.Millisecond

// migrateIn migrates in a process of its own, which dies in a call of a step, 0 for none,
// or some time after it has said something, 0 for never. It returns its report, nil if it
// has died.
func migrateIn(t *testing.T, data string, calls int, after time.Duration) *wire.MigrationReport {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), migrateData+"="+data, migrateCalls+"="+strconv.Itoa(calls), "TOWER_MIGRATE=run")
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var report *wire.MigrationReport
	var death *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line wire.MigrationLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Error != "" {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if line.Report != nil {
			report = line.Report
		} else if after > 0 && death == nil {
			death = time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
	}
	err = child.Wait()
	if death != nil {
		death.Stop()
	}
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); report == nil && (!ok || status.Signal() != syscall.SIGKILL) {
		t.Fatalf("the migration ended by itself: %v", err)
	}
	return report
}
