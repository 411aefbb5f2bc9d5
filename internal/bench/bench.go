package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/towerkit/tower/internal/wire"
)

// Options describe the benchmark to run. Only Subject may be nil.
type Options struct {
	Connections int       // number of clients, at least 5
	Runs        int       // number of times each figure is measured, at least 1
	Subject     *Subject  // cursor and action to measure; nil for the sample application
	Folder      string    // folder of the application, whose modules the floor is built with
	Temporary   string    // existing folder for the floor's binary and database
	Progress    io.Writer // receives a line for each step

	// Start serves the application. Run calls it once, and again for each run
	// after closing the previous server. All servers must use the same database.
	Start func(context.Context) (Server, error)

	// Attach opens a control connection to the running application.
	Attach func(context.Context) (Control, error)

	// ExampleInput returns a JSON input for an action, with text as the value of
	// every string. Run calls it if Subject has no input.
	ExampleInput func(route wire.Route, text string) string
}

// A Server is a running application.
type Server interface {
	URL() string
	Close() error
}

// A Control is a control connection to a running application.
type Control interface {
	Do(ctx context.Context, req wire.ControlRequest, result any) error
	Close() error
}

// Run measures the application and the floor in turns, and returns the medians. It
// blocks until all figures are measured, an error occurs or ctx ends; a lost message
// is an error. No process is left when it returns.
func Run(ctx context.Context, o Options) (measures []Measure, err error) {
	b := &bench{o}
	served, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if served != nil {
			err = errors.Join(err, served.Close())
		}
	}()
	client, err := o.Attach(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var users []string
	if b.Subject != nil {
		users = make([]string, b.Connections+1) // visitors
		err = b.Subject.resolve(ctx, client, o.ExampleInput)
	} else {
		users, err = b.createUsers(ctx, client)
	}
	if err != nil {
		return nil, err
	}
	floor, err := startFloor(ctx, o.Folder, o.Temporary)
	if err != nil {
		return nil, err
	}
	defer floor.close()
	load, err := startLoad(ctx)
	if err != nil {
		return nil, err
	}
	defer load.close()
	return b.measureAll(load, served.URL(), floor.url, users, func() (url string, err error) {
		err = served.Close()
		served = nil
		if err != nil {
			return "", fmt.Errorf("start the application again: %w", err)
		}
		next, err := o.Start(ctx)
		if err != nil {
			return "", fmt.Errorf("start the application again: %w", err)
		}
		served = next
		return served.URL(), nil
	})
}

// A bench is one call of Run.
type bench struct{ Options }

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.Progress, "▸ "+format+"\n", args...)
}

// createUsers creates a user for each client, and one more as the writer, in one
// transaction.
func (b *bench) createUsers(ctx context.Context, client Control) (ids []string, err error) {
	var tx uint64
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoBegin}, &tx); err != nil {
		return nil, fmt.Errorf("create users: %w", err)
	}
	for i := range b.Connections + 1 {
		id, err := createUser(ctx, client, tx, fmt.Sprintf("User %d", i+1))
		if err != nil {
			return nil, fmt.Errorf("create users: %w", err)
		}
		ids = append(ids, id)
	}
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil); err != nil {
		return nil, fmt.Errorf("create users: %w", err)
	}
	return ids, nil
}

func createUser(ctx context.Context, client Control, tx uint64, name string) (string, error) {
	set, err := wire.Encode(map[string]string{"name": name})
	if err != nil {
		return "", err
	}
	var written wire.Written
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCreate, Model: "users", Set: set, Tx: tx}, &written); err != nil {
		return "", err
	}
	var record createdRecord
	err = json.Unmarshal(written.Record, &record)
	return record.ID, err
}

type createdRecord struct {
	ID string `json:"id"`
}

// measureAll measures all figures, in turns with the floor. restart restarts the
// application and returns its new URL.
func (b *bench) measureAll(load *loadProcess, app, floor string, users []string, restart func() (string, error)) ([]Measure, error) {
	n, few := b.Connections, b.Connections/5
	writer, users := users[n], users[:n]
	one := loadRequest{Do: "reach", Target: "app", Times: 20}
	join := loadRequest{Do: "join", Target: "app", URL: app, Writer: writer, Subject: b.Subject}
	var s samples
	if b.Subject != nil { // now, while no client receives the writes
		if err := b.measureWrites(load, &s, join, floor); err != nil {
			return nil, err
		}
	}
	b.logf("connecting %d clients", few)
	join.Users = users[:few]
	if err := load.do(join, nil); err != nil {
		return nil, err
	}
	for range b.Runs {
		if b.Subject != nil {
			break // every record reaches every client
		}
		if err := s.collect(load, &s.reachOneOfFifth, one); err != nil {
			return nil, err
		}
	}
	b.logf("connecting %d more, and %d to the floor", n-few, n)
	if err := load.do(loadRequest{Do: "join", Target: "app", Users: users[few:]}, nil); err != nil {
		return nil, err
	}
	if err := load.do(loadRequest{Do: "join", Target: "floor", URL: floor, Users: users}, nil); err != nil {
		return nil, err
	}
	for i := range b.Runs {
		b.logf("run %d of %d", i+1, b.Runs)
		if err := s.reach(load); err != nil {
			return nil, err
		}
		if b.Subject == nil {
			if err := s.collect(load, &s.reachOne, one); err != nil {
				return nil, err
			}
			if err := s.write(load); err != nil {
				return nil, err
			}
		}
		if err := s.resume(load, restart); err != nil {
			return nil, err
		}
	}
	return s.measures(n), nil
}

// measureWrites measures the rate of writes while no client is connected.
func (b *bench) measureWrites(load *loadProcess, s *samples, join loadRequest, floor string) error {
	if err := load.do(join, nil); err != nil {
		return err
	}
	if err := load.do(loadRequest{Do: "join", Target: "floor", URL: floor}, nil); err != nil {
		return err
	}
	for i := range b.Runs {
		b.logf("writes, run %d of %d", i+1, b.Runs)
		if err := s.write(load); err != nil {
			return err
		}
	}
	return nil
}
