package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/towerkit/tower/internal/wire"
)

// Options are what to measure.
type Options struct {
	Connections int      // how many clients are connected
	Runs        int      // how often each measure is taken
	Subject     *Subject // nil: the sample application
	Folder      string   // of the application: the floor is built with its modules
	Temporary   string   // a folder for the floor and its database
	Progress    io.Writer

	// Start serves the application, on the same database each time.
	Start func(context.Context) (Server, error)
	// Attach opens a control connection to the application that is served.
	Attach func(context.Context) (Control, error)
	// ExampleInput is an input for an action, with the given text in its texts.
	ExampleInput func(route wire.Route, text string) string
}

// A Server is the application, served.
type Server interface {
	URL() string
	Close() error
}

// A Control is a control connection.
type Control interface {
	Do(ctx context.Context, req wire.ControlRequest, result any) error
	Close() error
}

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.Progress, "▸ "+format+"\n", args...)
}

// Run builds and starts the floor, starts the application, and measures both. It
// leaves no process behind.
func Run(ctx context.Context, o Options) (measures []Measure, err error) {
	b := &bench{o}
	floor, err := startFloor(ctx, o.Folder, o.Temporary)
	if err != nil {
		return nil, err
	}
	defer floor.close()
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
	load, err := startLoad(ctx)
	if err != nil {
		return nil, err
	}
	defer load.close()
	return b.measureAll(load, served.URL(), floor.url, users, func() (url string, err error) {
		err = served.Close()
		served = nil
		if err != nil {
			return "", fmt.Errorf("start the application anew: %w", err)
		}
		next, err := o.Start(ctx)
		if err != nil {
			return "", fmt.Errorf("start the application anew: %w", err)
		}
		served = next
		return served.URL(), nil
	})
}

// A bench is a run.
type bench struct{ Options }

// createUsers makes one for each client, and one who writes, in one transaction.
func (b *bench) createUsers(ctx context.Context, client Control) (ids []string, err error) {
	var tx uint64
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoBegin}, &tx); err != nil {
		return nil, fmt.Errorf("make users: %w", err)
	}
	for i := range b.Connections + 1 {
		id, err := createUser(ctx, client, tx, fmt.Sprintf("User %d", i+1))
		if err != nil {
			return nil, fmt.Errorf("make users: %w", err)
		}
		ids = append(ids, id)
	}
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil); err != nil {
		return nil, fmt.Errorf("make users: %w", err)
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
	return record.ID, json.Unmarshal(written.Record, &record)
}

type createdRecord struct {
	ID string `json:"id"`
}

// measureAll takes all measures, in turns with the floor.
func (b *bench) measureAll(load *loadProcess, app, floor string, users []string, restart func() (string, error)) ([]Measure, error) {
	n, few := b.Connections, b.Connections/5
	writer, users := users[n], users[:n]
	one := loadRequest{Do: "reach", Target: "app", Times: 20}
	join := loadRequest{Do: "join", Target: "app", URL: app, Writer: writer, Subject: b.Subject}
	var s samples
	if b.Subject != nil { // while nobody is told
		if err := b.measureWrites(load, &s, join, floor); err != nil {
			return nil, err
		}
	}
	b.logf("%d clients connect", few)
	join.Users = users[:few]
	if err := load.do(join, nil); err != nil {
		return nil, err
	}
	for range b.Runs {
		if b.Subject != nil {
			break // all hold the cursor
		}
		if err := s.collect(load, &s.reachOneOfFifth, one); err != nil {
			return nil, err
		}
	}
	b.logf("%d more, and %d to the floor", n-few, n)
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

// measureWrites measures how fast records are made while no client is there.
func (b *bench) measureWrites(load *loadProcess, s *samples, join loadRequest, floor string) error {
	if err := load.do(join, nil); err != nil {
		return err
	}
	if err := load.do(loadRequest{Do: "join", Target: "floor", URL: floor}, nil); err != nil {
		return err
	}
	for i := range b.Runs {
		b.logf("writes, %d of %d", i+1, b.Runs)
		if err := s.write(load); err != nil {
			return err
		}
	}
	return nil
}
