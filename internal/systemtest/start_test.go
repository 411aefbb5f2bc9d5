package systemtest

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

func TestStartRunsBesideTheApplication(t *testing.T) {
	queue := make(chan string)
	app, path := controlled(t, func() *towertest.App {
		config := sample()
		config.Start = func(ctx context.Context, app *tower.App) error {
			app.Go("queue", func(ctx context.Context) error {
				for {
					select {
					case title := <-queue:
						if err := Posts.Create(ctx, app, &Post{Title: title, Published: true}); err != nil {
							return err
						}
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			})
			return Posts.Create(ctx, app, &Post{Title: "First", Published: true})
		}
		return towertest.Open(t, config)
	})
	cursor := app.Connect(t, "").Open("posts.visible", nil)
	cursor.AwaitLen(1)
	l := watch(t, path)
	queue <- "Second"
	if commit := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil }).Commit; commit.By != "queue" {
		t.Errorf("the author of a worker's commit is %q", commit.By)
	}
	cursor.AwaitLen(2)
}

// An application that closes waits for its workers, which can still write.
func TestCloseWaitsForWorkers(t *testing.T) {
	var wrote atomic.Bool
	config := sample()
	config.Env, config.Data = "test", filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	config.Start = func(ctx context.Context, app *tower.App) error {
		<-ctx.Done()
		err := Posts.Create(context.WithoutCancel(ctx), app, &Post{Title: "Last", Published: true})
		wrote.Store(err == nil)
		return err
	}
	_, end := towertest.Serve(t, config)
	end()
	if !wrote.Load() {
		t.Error("the store was closed under a worker")
	}
}

func TestAFailureOfStartEndsTheApplication(t *testing.T) {
	for what, start := range map[string]func(context.Context, *tower.App) error{
		"an error": func(context.Context, *tower.App) error { return errors.New("no connection to the queue") },
		"a panic":  func(context.Context, *tower.App) error { panic("no connection to the queue") },
		"a worker": func(ctx context.Context, app *tower.App) error {
			app.Go("mail", func(context.Context) error { return errors.New("no connection to the queue") })
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			config := sample()
			config.Env, config.Data, config.Start = "test", filepath.Join(t.TempDir(), "test.db"), start
			config.Log = slog.New(slog.DiscardHandler)
			t.Setenv("TOWER_ADDR", "127.0.0.1:0")
			t.Setenv("TOWER_CONSOLE", "off")
			app, err := tower.New(config)
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no connection to the queue") {
				t.Errorf("alone: %v", err)
			}
			s := superviseConfig(t, config)
			if line := s.hear(); !strings.HasPrefix(line, "ready ") {
				t.Fatal(line)
			}
			s.say("open")
			line := s.hear()
			if line == "serving" {
				line = s.hear()
			}
			if !strings.HasPrefix(line, "failed ") || !strings.Contains(line, "no connection to the queue") {
				t.Errorf("the supervisor hears %q", line)
			}
			if err := s.end(); err == nil || !strings.Contains(err.Error(), "no connection to the queue") {
				t.Errorf("under a supervisor: %v", err)
			}
		})
	}
}

// The worker of the old build has returned before that of the new build begins.
func TestABuildStartsAfterTheEndOfTheOldOne(t *testing.T) {
	var running, overlaps atomic.Int32
	started := make(chan bool, 2)
	config := sample()
	config.Env, config.Data = "test", filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.DiscardHandler)
	config.Start = func(ctx context.Context, app *tower.App) error {
		if running.Add(1) > 1 {
			overlaps.Add(1)
		}
		started <- true
		<-ctx.Done()
		running.Add(-1)
		return nil
	}
	old := superviseConfig(t, config)
	old.hear()
	old.say("open")
	old.hear()
	<-started
	fresh := superviseConfig(t, config)
	fresh.hear()
	old.say("stop")
	if err := old.end(); err != nil {
		t.Fatal(err)
	}
	fresh.say("open")
	fresh.hear()
	<-started
	fresh.say("stop")
	if err := fresh.end(); err != nil || overlaps.Load() != 0 {
		t.Errorf("%d overlap, %v", overlaps.Load(), err)
	}
}
