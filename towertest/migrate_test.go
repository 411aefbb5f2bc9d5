//go:build unix

package towertest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An article as an older build has it, and as a newer one.
type (
	oldArticle struct {
		tower.Record
		Title  string `json:"title" tower:"index"`
		Views  string `json:"views" tower:"index"`
		Author string `json:"author" tower:"index"`
		Draft  bool   `json:"draft"`
	}
	newArticle struct {
		tower.Record
		Headline string   `json:"headline" tower:"index"`
		Views    int      `json:"views" tower:"index"`
		First    string   `json:"first" tower:"private"`
		Last     string   `json:"last" tower:"index"`
		WriterID tower.ID `json:"writerId" tower:"ref=writers,index"`
		Slug     string   `json:"slug" tower:"unique"`
	}
	writer struct {
		tower.Record
		Name string `json:"name" tower:"unique"`
	}
)

var (
	oldArticles = tower.NewModel[oldArticle]("articles")
	newArticles = tower.NewModel[newArticle]("articles")
	writers     = tower.NewModel[writer]("writers")
)

// migrated returns what the migrations make of an article, but for its writer: the naive run.
func migrated(a *oldArticle) newArticle {
	views, _ := strconv.Atoi(a.Views)
	first, last, _ := strings.Cut(a.Author, " ")
	return newArticle{Record: a.Record, Headline: a.Title, Views: views, First: first, Last: last, Slug: slug(a.Title, a.ID)}
}

func slug(title string, id tower.ID) string { return strings.ToLower(title) + "-" + string(id) }

const (
	migrateData  = "TOWER_TEST_MIGRATE_DATA"  // the file that a process migrates
	migrateCalls = "TOWER_TEST_MIGRATE_CALLS" // the call of a step in which it dies; 0: none
	migrateNaive = "TOWER_TEST_MIGRATE_NAIVE" // not empty: the migrations have other ids, so that nothing has been prepared for them
)

// migrations returns the migrations of the newer build. The process dies in a call of one
// step.
func articleMigrations() []tower.Migration {
	left := atomic.Int64{}
	calls, _ := strconv.ParseInt(os.Getenv(migrateCalls), 10, 64)
	left.Store(calls)
	return []tower.Migration{
		{ID: os.Getenv(migrateNaive) + "1", Steps: []tower.Step{
			tower.Rename("articles", "title", "headline"),
			tower.Retype("articles", "views", strconv.Atoi),
		}},
		{ID: os.Getenv(migrateNaive) + "2", Steps: []tower.Step{
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
			tower.Split("articles", "writers", func(a *tower.StoredRecord, make func(string) *tower.StoredRecord) error {
				var author string
				if found, err := a.Get("author", &author); !found {
					return err
				}
				w := make(author)
				a.Drop("author")
				return errors.Join(w.Set("name", author), a.Set("writerId", w.ID()))
			}),
			tower.Drop("articles", "draft"),
			tower.Fill("articles", "slug", func(a *tower.StoredRecord) (string, error) {
				var title string
				_, err := a.Get("headline", &title)
				return slug(title, a.ID()), err
			}),
		}},
	}
}

// TestAKilledMigration migrates the records of an application that serves, by a process
// that is killed at random, again and again, while clients hold cursors, read and write. The
// older build must serve exactly what it did. Then the newer build opens the file, and is
// killed in the same way, until it has succeeded: every record must be what one naive run
// makes of it, to the byte, and clients that come back hold what a fresh query returns.
//
// TOWER_TEST_RECORDS=1000000 TOWER_TEST_KILLS=200 TOWER_TEST_CLIENTS=100 is the full size.
// TOWER_TEST_SEED makes the same decisions again.
func TestAKilledMigration(t *testing.T) {
	kills, records, clients := number(t, "TOWER_TEST_KILLS", 12), number(t, "TOWER_TEST_RECORDS", 2000), number(t, "TOWER_TEST_CLIENTS", 20)
	seed := uint64(number(t, "TOWER_TEST_SEED", int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	folder := t.TempDir()
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("TOWER_SECRET", "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF")
	m := &migrating{t: t, random: random, data: filepath.Join(folder, "articles.db")}

	app, end := Serve(t, articlesConfig(m.data, false))
	if err := app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	createArticles(t, app, random, records)
	r := newReaders(t, app, clients, seed)
	began := time.Now()
	for killed, tries := 0, 0; killed < kills; tries++ {
		calls, after := 1+random.IntN(2+2*records/kills), time.Duration(0)
		if random.IntN(3) == 0 {
			calls, after = 0, time.Duration(random.Int64N(int64(time.Second)+int64(records)*int64(3*time.Microsecond)))
		}
		if m.run(calls, after) == nil {
			killed++
		}
		if tries == kills/2 {
			r.judge()
		}
	}
	if random.IntN(2) == 0 || records > 100_000 { // otherwise the newer build has to prepare records as it opens the file
		if report := m.run(0, 0); report == nil || report.Refused != "" || !report.Running {
			t.Fatalf("%+v", report)
		}
	}
	prepared := time.Since(began)
	r.pause()
	r.judge()
	want, authors := map[tower.ID]newArticle{}, map[tower.ID]string{}
	all, err := oldArticles.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		want[a.ID], authors[a.ID] = migrated(a), a.Author
	}
	end()
	r.close()

	naive := m.naive()
	m.alone()
	began = time.Now()
	app, end = Serve(t, articlesConfig(m.data, true))
	defer func() { end() }()
	opened := time.Since(began)
	got, err := newArticles.All().Records(t.Context(), app)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d records, not %d: %v", len(got), len(want), err)
	}
	names := writerNames(t, app)
	for _, a := range got {
		wanted := want[a.ID]
		wanted.WriterID = a.WriterID
		if *a != wanted || names[a.WriterID] != authors[a.ID] {
			t.Errorf("%+v of %s, not %+v of %s", *a, names[a.WriterID], wanted, authors[a.ID])
		}
	}
	used := map[string]bool{}
	for _, name := range authors {
		used[name] = true
	}
	if len(names) != len(used) {
		t.Errorf("%d writers were made, not %d", len(names), len(used))
	}
	if err := server.AppOf(app.App).Store().Check(t.Context()); err != nil {
		t.Error(err)
	}
	if digest, err := server.AppOf(app.App).Store().Digest(t.Context(), server.AppOf(app.App).Store().Seq()); err != nil || digest != naive {
		t.Errorf("the records are not those of one run that nobody killed: %v", err)
	}
	info, err := os.Stat(m.data)
	if err != nil {
		t.Fatal(err)
	}
	r.comeBack(app)
	r.judge()
	r.close()
	t.Logf("%d records, %d clients; killed %d times beside the older build in %s, and %d times without it; it opened in %s at last; %d writes, the slowest took %s; at most %d MB of memory; the file has %d MB",
		len(got), clients, kills, prepared.Round(time.Millisecond), m.killedAlone, opened.Round(time.Millisecond), r.writes.Load(), time.Duration(r.slowest.Load()), m.memory>>10, info.Size()>>20)
}

// writerNames returns the names of all writers.
func writerNames(t *testing.T, app *App) map[tower.ID]string {
	t.Helper()
	all, err := writers.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	names := map[tower.ID]string{}
	for _, w := range all {
		names[w.ID] = w.Name
	}
	return names
}

// A migrating runs migrations in processes that it kills.
type migrating struct {
	t           *testing.T
	random      *rand.Rand
	data        string
	killedAlone int
	memory      int64 // the most that a process has had, in KB
}

// alone has the newer build open the file, without the older one, and kills it until one
// process has come to its end.
func (m *migrating) alone() {
	for longest := 300 * time.Millisecond; ; longest += longest / 3 {
		if report := m.run(0, 1+time.Duration(m.random.Int64N(int64(longest)))); report != nil {
			if len(report.Migrated) != 2 {
				m.t.Fatalf("%+v", report)
			}
			return
		}
		m.killedAlone++
	}
}

// naive returns the digest of what one run makes of the file, which nobody kills and for which
// nothing has been prepared.
func (m *migrating) naive() string {
	m.t.Helper()
	copied := *m
	copied.data += ".naive"
	from, err := os.Open(m.data)
	if err != nil {
		m.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(copied.data, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		m.t.Fatal(err)
	}
	defer os.Remove(copied.data)
	began := time.Now()
	if report := copied.run(0, 0, migrateNaive+"=naive"); report == nil || len(report.Migrated) != 2 {
		m.t.Fatalf("%+v", report)
	}
	m.t.Logf("one run that nobody kills takes %s", time.Since(began).Round(time.Millisecond))
	file, err := store.OpenFile(copied.data)
	if err != nil {
		m.t.Fatal(err)
	}
	digest, err := file.Digest(m.t.Context())
	if err := errors.Join(err, file.Close()); err != nil {
		m.t.Fatal(err)
	}
	return digest
}

// run migrates in a process of its own, which dies in a call of a step, 0 for none, or some
// time after it has started, 0 for never. It returns its report, nil if it has died.
func (m *migrating) run(calls int, after time.Duration, environ ...string) *wire.MigrationReport {
	t := m.t
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), migrateData+"="+m.data, migrateCalls+"="+strconv.Itoa(calls), "TOWER_MIGRATE=run")
	child.Env = append(child.Env, environ...)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		defer time.AfterFunc(after, func() { _ = child.Process.Kill() }).Stop()
	}
	var report *wire.MigrationReport
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line wire.MigrationLine
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			break // it died in the middle of a line
		}
		if line.Error != "" {
			t.Fatal(line.Error)
		}
		if line.Report != nil {
			report = line.Report
		}
	}
	_, _ = io.Copy(io.Discard, out)
	err = child.Wait()
	if usage, ok := child.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.memory = max(m.memory, usage.Maxrss)
	}
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); report == nil && (!ok || status.Signal() != syscall.SIGKILL) {
		t.Fatalf("the migration ended by itself: %v", err)
	}
	return report
}

func createArticles(t *testing.T, app *App, random *rand.Rand, n int) {
	t.Helper()
	for made := 0; made < n; {
		err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
			for range min(1000, n-made) {
				a := someArticle(random)
				if err := oldArticles.Create(t.Context(), tx, a); err != nil {
					return err
				}
				made++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func someArticle(random *rand.Rand) *oldArticle {
	return &oldArticle{Title: fmt.Sprintf("Title %d", random.IntN(1000)), Views: strconv.Itoa(random.IntN(100)),
		Author: someAuthor(random), Draft: random.IntN(2) == 0}
}
