package jobs_test

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
	"github.com/towerkit/tower/towertest"
)

type Order struct {
	tower.Record
	Name string `json:"name"`
}

var Orders = tower.NewModel[Order]("orders")

// ship packs an order in two steps, and completes the job with a third effect. Now and then it fails.
func ship(ctx context.Context, app *tower.App, in pack) error {
	run := tower.RunOf(ctx)
	for _, step := range []string{"a", "b"} {
		if err := run.Step(ctx, app, step, func(tx *tower.Tx) error {
			return Parcels.Create(ctx, tx, &Parcel{Name: in.Name + step})
		}); err != nil {
			return err
		}
		if rand.N(10) == 0 {
			return errors.New("bad luck")
		}
	}
	return app.Transaction(ctx, func(tx *tower.Tx) error {
		if err := Parcels.Create(ctx, tx, &Parcel{Name: in.Name + "c"}); err != nil {
			return err
		}
		return run.Complete(tx, nil)
	})
}

func shipping() tower.Config {
	c := config(Pack.Do(ship))
	c.Models = append(c.Models, Orders)
	return c
}

// TestMain is also the application that is killed: it takes orders until then.
func TestMain(m *testing.M) {
	path := os.Getenv("JOBS_TEST_DATA")
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
		err = app.Transaction(context.Background(), func(tx *tower.Tx) error {
			order := &Order{Name: fmt.Sprint(os.Getpid(), "-", n)}
			if err := Orders.Create(context.Background(), tx, order); err != nil {
				return err
			}
			_, err := Pack.Enqueue(context.Background(), tx, pack{order.Name}, tower.MaxAttempts(1_000_000))
			return err
		})
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
		cmd.Env = append(os.Environ(), "JOBS_TEST_DATA="+path, "TOWER_WORKERS=4", "TOWER_ENV=test")
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

	t.Setenv("TOWER_WORKERS", "8")
	c := shipping()
	c.Env, c.Data, c.Log = "test", path, slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, c)
	defer end()
	job := tower.Jobs.Fields
	for deadline := time.Now().Add(time.Minute); ; {
		open, err := tower.Jobs.Where(tower.In(&job.State, "waiting", "running")).Records(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			break
		}
		for _, waiting := range open { // after a failure
			_ = tower.RetryJob(t.Context(), app, waiting.ID)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs are not done, as %+v", len(open), open[0])
		}
		time.Sleep(10 * time.Millisecond)
	}
	effects := map[string]int{}
	for parcel, err := range Parcels.All().Each(t.Context(), app) {
		if err != nil {
			t.Fatal(err)
		}
		effects[parcel.Name]++
	}
	orders := 0
	for order, err := range Orders.All().Each(t.Context(), app) {
		if err != nil {
			t.Fatal(err)
		}
		orders++
		for _, effect := range []string{"a", "b", "c"} {
			if n := effects[order.Name+effect]; n != 1 {
				t.Errorf("the effect %s of order %s happened %d times", effect, order.Name, n)
			}
			delete(effects, order.Name+effect)
		}
	}
	if len(effects) > 0 {
		t.Errorf("%d effects have no order", len(effects))
	}
	t.Logf("%d orders, %d kills", orders, kills)
}
