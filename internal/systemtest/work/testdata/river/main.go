// Command river measures the jobs of River beside those of tower: it enqueues jobs, each in a
// transaction of its own, works them, and prints how many of both it did in a second.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type args struct {
	Name string `json:"name"`
}

func (args) Kind() string { return "nothing" }

type worker struct {
	river.WorkerDefaults[args]
	done atomic.Int64
	all  int64
	end  chan struct{}
}

func (w *worker) Work(context.Context, *river.Job[args]) error {
	if w.done.Add(1) == w.all {
		close(w.end)
	}
	return nil
}

// main takes the address of a database, how many jobs, how many writers and how many workers.
func main() {
	numbers := make([]int, 3)
	for i := range numbers {
		n, err := strconv.Atoi(os.Args[i+2])
		if err != nil {
			log.Fatal(err)
		}
		numbers[i] = n
	}
	if err := run(context.Background(), os.Args[1], numbers[0], numbers[1], numbers[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string, jobs, writers, workers int) error {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return err
	}
	config.MaxConns = int32(writers + workers)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	w := &worker{all: int64(jobs), end: make(chan struct{})}
	registered := river.NewWorkers()
	river.AddWorker(registered, w)
	client, err := river.NewClient(driver, &river.Config{Workers: registered, FetchCooldown: river.FetchCooldownMin, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}})
	if err != nil {
		return err
	}
	began := time.Now()
	var writing sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range writers {
		writing.Go(func() {
			for n := i; n < jobs; n += writers {
				if _, err := client.Insert(ctx, args{fmt.Sprint(n)}, nil); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	writing.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	enqueued := time.Since(began)
	began = time.Now()
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-w.end
	if err := client.Stop(ctx); err != nil { // what it has done is stored
		return err
	}
	worked := time.Since(began)
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"enqueued": float64(jobs) / enqueued.Seconds(), "worked": float64(jobs) / worked.Seconds()})
}
