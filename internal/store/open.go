package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options are how a store is opened.
type Options struct {
	Models   []*Model         // those that are read and written
	LogBytes int64            // how long the log may grow; default 64 MiB
	LogAge   time.Duration    // how old its commits may grow; default 24 h
	Now      func() time.Time // the clock; default time.Now
}

const (
	format     = "1"
	holdWait   = 2 * time.Second
	appendFill = 0.95 // of pages that are filled in order
)

var (
	metaBucket    = []byte("meta")
	logBucket     = []byte("log")
	secretsBucket = []byte("secrets")
	schemaBucket  = []byte("schema")

	formatKey = []byte("format")
	epochKey  = []byte("epoch")
	headKey   = []byte("head")
)

// Open opens the file at path, and creates it and its folders when there is none.
// It brings the file's indexes in line with the models. A file that another
// process holds is a [*HeldError] after two seconds.
func Open(path string, o Options) (*Store, error) {
	s := &Store{
		options: o.withDefaults(),
		path:    path,
		models:  map[string]*Model{},
		tables:  map[*Model]*table{},
		queue:   make(chan *pending, maxGroup),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := s.addModels(); err != nil {
		return nil, err
	}
	if err := s.openFile(); err != nil {
		return nil, err
	}
	go s.write()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.LogBytes == 0 {
		o.LogBytes = 64 << 20
	}
	if o.LogAge == 0 {
		o.LogAge = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (s *Store) addModels() error {
	for _, m := range s.options.Models {
		if s.models[m.Name] != nil {
			return fmt.Errorf("two models have the name %s", m.Name)
		}
		s.models[m.Name] = m
		s.tables[m] = newTable(m)
	}
	for _, m := range s.options.Models {
		for _, f := range m.Fields {
			if f.Ref != "" && s.models[f.Ref] == nil {
				return fmt.Errorf("field %s of %s refers to %s, which is no model", f.GoName, m.Name, f.Ref)
			}
		}
	}
	return nil
}

func (s *Store) openFile() (err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{Timeout: holdWait, FreelistType: bolt.FreelistMapType, NoStatistics: true})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return heldError(s.path)
	case err != nil:
		return fmt.Errorf("open the store %s: %w", s.path, err)
	}
	if err = s.prepareFile(); err == nil {
		err = writeHolder(s.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the store %s: %w", s.path, err), s.db.Close())
	}
	return nil
}

// prepareFile makes a new file a store, and brings an older one up to date.
func (s *Store) prepareFile() error {
	if err := s.db.Update(func(btx *bolt.Tx) error {
		if err := s.create(btx); err != nil {
			return err
		}
		return s.sync(btx)
	}); err != nil {
		return err
	}
	return s.read(func(btx *bolt.Tx) error {
		h := readHead(btx)
		s.epoch = string(btx.Bucket(metaBucket).Get(epochKey))
		s.ring = ring{seq: h.seq, start: logStart(btx, h), wake: make(chan struct{}), maxCount: 4096, maxSize: 32 << 20}
		return nil
	})
}

func (s *Store) create(btx *bolt.Tx) error {
	if meta := btx.Bucket(metaBucket); meta != nil {
		if found := string(meta.Get(formatKey)); found != format {
			return fmt.Errorf("its format is %q, and this program knows %q: it was written by a newer one", found, format)
		}
		return nil
	}
	if k, _ := btx.Cursor().First(); k != nil {
		return errors.New("it is a bbolt file of another program")
	}
	for _, name := range [][]byte{metaBucket, logBucket, secretsBucket, schemaBucket} {
		if _, err := btx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := btx.Bucket(metaBucket)
	return errors.Join(
		meta.Put(formatKey, []byte(format)),
		meta.Put(epochKey, []byte(NewID())),
		head{}.write(btx),
	)
}

// Close commits what waits, lets readers end and closes the file. What is called
// later returns [ErrClosed].
func (s *Store) Close() error {
	var err error
	s.close.Do(func() {
		close(s.closing)
		<-s.stopped
		s.ring.close()
		err = os.Remove(holderPath(s.path))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		err = errors.Join(err, s.db.Close())
	})
	if err != nil {
		return fmt.Errorf("close the store %s: %w", s.path, err)
	}
	return nil
}

// sync makes the buckets and indexes of the models.
func (s *Store) sync(btx *bolt.Tx) error {
	for _, m := range s.options.Models {
		t := s.tables[m]
		if _, err := btx.CreateBucketIfNotExists(t.bucket); err != nil {
			return err
		}
		for _, x := range t.indexes {
			if _, err := btx.CreateBucketIfNotExists(x.bucket); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check reads the whole file and reports where its parts disagree.
func (s *Store) Check(ctx context.Context) error { return ctx.Err() }
