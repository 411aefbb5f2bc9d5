package work

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	_ "github.com/towerkit/tower/postgres"
	"github.com/towerkit/tower/towertest"
)

type Order struct {
	tower.Record
	Name string `json:"name"`
}

type Parcel struct {
	tower.Record
	Name string `json:"name"`
}

var (
	Orders  = tower.NewModel[Order]("orders")
	Parcels = tower.NewModel[Parcel]("parcels")
	Ship    = tower.NewJob[string]("ship", tower.MaxAttempts(1_000_000))
)

// dies is set in a process that is to end like one that is killed, at any point of a job.
var dies = os.Getenv("WORK_TEST_DIES") != ""

func point() {
	if dies && rand.N(25) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// ship has three effects: two steps, and one in the commit that completes the job. It may die
// before, within and after each.
func ship(ctx context.Context, app *tower.App, name string) error {
	run := tower.RunOf(ctx)
	effect := func(tx *tower.Tx, of string) error {
		point()
		err := Parcels.Create(ctx, tx, &Parcel{Name: name + of})
		point()
		return err
	}
	for _, step := range []string{"a", "b"} {
		point()
		if err := run.Step(ctx, app, step, func(tx *tower.Tx) error { return effect(tx, step) }); err != nil {
			return err
		}
	}
	point()
	if err := app.Transaction(ctx, func(tx *tower.Tx) error {
		if err := effect(tx, "c"); err != nil {
			return err
		}
		return run.Complete(tx, nil)
	}); err != nil {
		return err
	}
	point()
	return nil
}

// note is a reaction to each order, with an effect. It may die before and after that, within the transaction.
func note(ctx context.Context, tx *tower.Tx, order *Order) error {
	point()
	err := Parcels.Create(ctx, tx, &Parcel{Name: order.Name + "r"})
	point()
	return err
}

func config() tower.Config {
	return tower.Config{Name: "work", Models: []tower.AnyModel{Orders, Parcels}, Jobs: []tower.Work{Ship.Do(ship)},
		Reactions: []tower.Reaction{tower.On("note", Orders.All(), tower.Enter, note)},
		Routes:    tower.NewRouter(func(context.Context, *tower.Connection) (struct{}, error) { return struct{}{}, nil })}
}

func TestMain(m *testing.M) {
	if os.Getenv("TOWER_WORK") == "on" {
		os.Args = os.Args[:1]
		tower.Main(config())
		return
	}
	os.Exit(pgtest.Run(m))
}

// A worker is a process that runs jobs alone.
type worker struct {
	cmd    *exec.Cmd
	folder string
}

func (w *worker) start(address string, dies bool) error {
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env = append(os.Environ(), "TOWER_WORK=on", "TOWER_ENV=development", "TOWER_FOLDER="+w.folder, "TOWER_DB="+address, "TOWER_WORKERS=4")
	if dies {
		w.cmd.Env = append(w.cmd.Env, "WORK_TEST_DIES=1")
	}
	w.cmd.Stderr = io.Discard
	return w.cmd.Start()
}

// TestKilledWorkers lets three processes run jobs and reactions and die at every point of them, again and again.
// Each job and each reaction has each of its effects once, and none is lost.
func TestKilledWorkers(t *testing.T) {
	deaths := 9
	if n, err := strconv.Atoi(os.Getenv("TOWER_TEST_KILLS")); err == nil {
		deaths = n
	}
	address := pgtest.Shared(t).Database(t)
	t.Setenv("TOWER_DB", address)
	t.Setenv("TOWER_FOLDER", t.TempDir())
	t.Setenv("TOWER_WORKERS", "off")
	t.Setenv("TOWER_CONSOLE", "off")
	c := config()
	c.Env, c.Log = "development", slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, c)
	defer end()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	died := make(chan struct{})
	var workers []*worker
	for range 3 {
		w := &worker{folder: t.TempDir()}
		workers = append(workers, w)
		running.Go(func() {
			for ctx.Err() == nil {
				if err := w.start(address, true); err != nil {
					t.Error(err)
					return
				}
				ended := make(chan struct{})
				go func() {
					_ = w.cmd.Wait()
					close(ended)
				}()
				select {
				case <-ended:
				case <-ctx.Done():
					_ = w.cmd.Process.Kill()
					<-ended
				}
				select {
				case died <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if err := app.Transaction(ctx, func(tx *tower.Tx) error {
				order := &Order{Name: fmt.Sprint(n, "-")}
				if err := Orders.Create(ctx, tx, order); err != nil {
					return err
				}
				_, err := Ship.Enqueue(ctx, tx, order.Name)
				return err
			}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	for range deaths {
		<-died
	}
	stop()
	running.Wait()

	for _, w := range workers {
		if err := w.start(address, false); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = w.cmd.Process.Signal(os.Interrupt)
			_ = w.cmd.Wait()
		}()
	}
	job := tower.Jobs.Fields
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left, err := tower.Jobs.Where(tower.In(&job.State, "waiting", "running")).Count(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		orders, err := Orders.All().Count(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		parcels, err := Parcels.All().Count(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 && parcels >= 4*orders {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs are not done, and %d orders have %d effects", left, orders, parcels)
		}
	}
	check(t, app, deaths)
}

// check compares effects with orders.
func check(t *testing.T, app *towertest.App, deaths int) {
	t.Helper()
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
		for _, effect := range []string{"a", "b", "c", "r"} {
			if n := effects[order.Name+effect]; n != 1 {
				t.Errorf("the effect %s of order %s happened %d times", effect, order.Name, n)
			}
			delete(effects, order.Name+effect)
		}
	}
	if len(effects) > 0 {
		t.Errorf("%d effects have no order", len(effects))
	}
	again := 0
	for job, err := range tower.Jobs.All().Each(t.Context(), app) {
		if err != nil {
			t.Fatal(err)
		}
		if job.Attempt > 1 {
			again++
		}
	}
	if again == 0 {
		t.Error("no job was taken over")
	}
	t.Logf("%d orders, %d deaths, %d jobs taken over", orders, deaths, again)
}
