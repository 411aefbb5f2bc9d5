package reactions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/towertest"
)

// forget removes all commits from the log.
func forget(t *testing.T, app *towertest.App) {
	t.Helper()
	if err := server.AppOf(app.App).Store().Forget(app.Seq(), func([]byte) bool { return false }); err != nil {
		t.Fatal(err)
	}
}

// shipping has a chain of two reactions, the first of which fails now and then.
func shipping() tower.Config {
	write := func(ctx context.Context, tx *tower.Tx, o *Order) error {
		return Journal.Create(ctx, tx, &Line{OrderID: o.ID, Text: tower.ReactionOf(ctx).Name})
	}
	return config(
		tower.On("ship", paid(), tower.Enter, func(ctx context.Context, tx *tower.Tx, o *Order) error {
			if err := write(ctx, tx, o); err != nil {
				return err
			}
			if rand.N(20) == 0 {
				return errors.New("bad luck")
			}
			_, err := Orders.Update(ctx, tx, o.ID, func(o *Order) error {
				o.State = "sent"
				return nil
			})
			return err
		}),
		tower.On("thank", Orders.Where(tower.Is(&Orders.Fields.State, "sent")), tower.Enter, write),
		tower.On("settle", Orders.All(), tower.Enter|tower.Change, write, tower.Debounce(20*time.Millisecond)),
	)
}

// TestMain is also the application that is killed: it takes orders until then.
func TestMain(m *testing.M) {
	path := os.Getenv("REACTIONS_TEST_DATA")
	if path == "" {
		os.Exit(m.Run())
	}
	c := shipping()
	c.Data, c.Env, c.Log = path, "test", slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err == nil {
		err = app.Open()
	}
	for n := 0; err == nil; n++ {
		err = Orders.Create(context.Background(), app, &Order{Name: fmt.Sprint(os.Getpid(), "-", n), State: "paid"})
		if n == 0 {
			fmt.Println("ordered")
		}
		time.Sleep(time.Duration(rand.N(2000)) * time.Microsecond)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKills kills an application at random, again and again. Then each order that was committed
// has each of its effects once.
func TestKills(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("TOWER_TEST_KILLS")); err == nil {
		kills = n
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "test.db")
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REACTIONS_TEST_DATA="+path, "TOWER_WORKERS=4", "TOWER_ENV=test")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(out, new(string)); err != nil {
			t.Fatalf("the application ended: %v", err)
		}
		time.Sleep(time.Duration(random.IntN(50_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Setenv("TOWER_WORKERS", "1")
	c := shipping()
	c.Env, c.Data, c.Log = "test", path, slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, c)
	defer end()
	settle(t, app)
}

// settle waits until each order has its effects and nothing waits, and checks that each
// happened once.
func settle(t *testing.T, app tower.DB) {
	t.Helper()
	for began := time.Now(); ; {
		all, missing := waits(t, app), 0
		effects(t, app, func(_ *Order, _ string, n int) {
			if n == 0 {
				missing++
			}
		})
		if missing+len(all) == 0 {
			break
		}
		for _, waiting := range all {
			if waiting.Error != "" {
				_ = tower.RetryReaction(t.Context(), app, waiting.ID)
			}
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("%d effects are missing, and %d wait", missing, len(all))
		}
		time.Sleep(10 * time.Millisecond)
	}
	effects(t, app, func(o *Order, reaction string, n int) {
		most := 1
		if reaction == "settle" { // it has entered, and changed if that came late
			most = 2
		}
		if n > most {
			t.Errorf("the reaction %s to the order %s happened %d times", reaction, o.Name, n)
		}
	})
}

// effects calls fn with how often each reaction has happened to each order.
func effects(t *testing.T, app tower.DB, fn func(o *Order, reaction string, n int)) {
	t.Helper()
	orders, err := Orders.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Journal.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, line := range lines {
		count[string(line.OrderID)+line.Text]++
	}
	for _, o := range orders {
		for _, reaction := range []string{"ship", "thank", "settle"} {
			fn(o, reaction, count[string(o.ID)+reaction])
		}
	}
}
