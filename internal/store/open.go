package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/unsynced"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options configure a store.
type Options struct {
	Models   []*record.Model  // the models to read and write
	LogBytes int64            // maximum size of the log; default 64 MiB
	LogAge   time.Duration    // maximum age of a commit in the log; default 24 h
	Held     bool             // somebody has yet to read the log: see [Store.Hold]
	KeyAge   time.Duration    // how long it is known that a call took effect; default 24 h
	Now      func() time.Time // the clock; default time.Now
	Log      Log              // shared with other stores; nil: the file has the only log
	LogWait  time.Duration    // how long a commit waits for a shared log that cannot be reached; default 5 s
	Wait     time.Duration    // how long to wait for another process that has the file open; default 2 s

	// Migrate is called with the open file before it is brought in line with the models. It
	// may call Remembered, Stale and Prepare of the store, and nothing else. It returns what
	// to take over, or nil. An error fails Open, and the records are as they were.
	Migrate func(*Store) (*Cutover, error)
	// Review is called once the file is in line with models that differ from those that it
	// remembers, before that is made durable. The surveys are of the models with records that
	// do not fit. An error fails Open, and the file is as it was.
	Review func(Remembered, []*record.Survey) error
	// Follows is called when the shared log cannot be read any more, with the reason, and when
	// it is read again, with nil. It must return soon. nil: nobody asks.
	Follows func(error)
	// Attach is called when a transaction puts a file into a field of a record, and returns the
	// problem with it, "" for none. nil: every file is taken.
	Attach func(tx *Tx, f *record.Field, file record.File) (problem string, err error)
	// Say receives the progress while the replica of a shared log is built; nil: nobody.
	Say func(progress string)
}

const (
	format      = "2"
	wholeFormat = "1" // the log has no entry in pieces
	openTimeout = 2 * time.Second

	// How full a page is left when it splits. Keys that come in order never return to
	// a page; records do not always come in order, and grow.
	appendFill = 0.95
	recordFill = 0.8

	ringCount = 4096     // commits kept in memory
	ringSize  = 32 << 20 // bytes that they may take
)

var (
	metaBucket     = []byte("meta")
	logBucket      = []byte("log")
	schemaBucket   = []byte("schema")
	keysBucket     = []byte("keys")
	agesBucket     = []byte("keys/age")
	marksBucket    = []byte("marks")
	marksAgeBucket = []byte("marks/age")
	secretsBucket  = []byte("secrets") // only in files of earlier versions

	formatKey = []byte("format")
	epochKey  = []byte("epoch")
	headKey   = []byte("head")
	forksKey  = []byte("forks")
)

// Open opens the file at path. It creates the file and its folders if they do not
// exist, and brings the file's indexes in line with the models. If another process
// has the file open, Open returns an [*InUseError] after two seconds.
func Open(path string, o Options) (*Store, error) {
	s := &Store{
		options:     o.withDefaults(),
		path:        path,
		models:      map[string]*record.Model{},
		tables:      map[*record.Model]*table{},
		queue:       make(chan *pending, maxGroup),
		closing:     make(chan struct{}),
		stopped:     make(chan struct{}),
		failed:      make(chan struct{}),
		compactKeys: compactKeys,
		indexRun:    indexRun,
		retryQueue:  make(chan struct{}, 1),
		answers:     answers{waiting: map[string]waitingAnswer{}, wake: make(chan struct{}, 1)},
		following:   following{asked: make(chan chan<- error), opened: time.Now(), changed: o.Follows, outdated: make(chan struct{})},
	}
	if !s.options.Held {
		s.Hold(math.MaxUint64)
	}
	if err := s.addModels(); err != nil {
		return nil, err
	}
	if s.options.Log != nil {
		var err error
		if s.epoch, err = s.options.Log.Begin(context.Background(), s.allModels()); err != nil {
			return nil, fmt.Errorf("open the store %s: %w", path, err)
		}
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
	if o.KeyAge == 0 {
		o.KeyAge = 24 * time.Hour
	}
	if o.LogWait == 0 {
		o.LogWait = 5 * time.Second
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// allModels returns the models of the application, and the store's own.
func (s *Store) allModels() []*record.Model {
	if s.marks == nil {
		return s.options.Models
	}
	return append(slices.Clone(s.options.Models), s.marks)
}

func (s *Store) addModels() error {
	if s.options.Log != nil {
		s.marks = newMarks()
	}
	for _, m := range s.allModels() {
		if s.models[m.Name] != nil {
			return fmt.Errorf("two models have the name %s", m.Name)
		}
		s.models[m.Name] = m
		s.tables[m] = newTable(m)
	}
	for _, m := range s.options.Models {
		for _, f := range m.Fields {
			if f.Ref != "" && s.models[f.Ref] == nil {
				return fmt.Errorf("field %s of %s refers to %s, which is not a model of the store", f.GoName, m.Name, f.Ref)
			}
		}
	}
	s.addReferring()
	return nil
}

func (s *Store) openFile() error {
	folder := filepath.Dir(s.path)
	if err := private.SharedFolder(folder); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if err := s.dropDoubtful(); err != nil {
		return fmt.Errorf("open the store %s: %w", s.path, err)
	}
	_, missing := os.Stat(s.path)
	err := s.openBolt()
	if errors.Is(err, berrors.ErrTimeout) {
		return inUseError(s.path)
	}
	if err == nil {
		err = writeHolder(s.path)
	}
	if err != nil {
		if db := s.db.Load(); db != nil && s.Err() == nil {
			err = errors.Join(err, s.closeFile())
		}
		return fmt.Errorf("open the store %s: %w", s.path, err)
	}
	if missing != nil {
		syncFolder(folder)
		syncFolder(filepath.Dir(folder))
	}
	return nil
}

// syncFolder makes the names in a folder durable, if the system can do that.
func syncFolder(path string) {
	if folder, err := os.Open(path); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}

// openBolt opens the file and reads what the store needs to begin. Reading a file
// that was truncated or overwritten may panic or fault.
func (s *Store) openBolt() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is damaged, %s: %v", s.remedy(), r)
		}
	}()
	db, err := openNamed(s.path, bolt.Options{Timeout: max(s.options.Wait, openTimeout), FreelistType: bolt.FreelistMapType, NoStatistics: true}, openShared)
	switch {
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return fmt.Errorf("it is not a store, or it is damaged, %s: %w", s.remedy(), err)
	case err != nil:
		return err
	}
	s.db.Store(db)
	if err = removeCompacted(s.path); err != nil {
		return err
	}
	if err = s.read(checkFormat); err != nil {
		return err
	}
	if err = s.read(s.checkReplica); err != nil {
		return err
	}
	if s.options.Log != nil {
		if err = s.beginReplica(); err != nil {
			return err
		}
		if db.NoSync, err = unsynced.Begin(s.path); err != nil {
			return err
		}
	}
	var cutover *Cutover
	if s.options.Migrate != nil {
		if cutover, err = s.options.Migrate(s); err != nil {
			return err
		}
	}
	ready := false
	err = s.read(func(btx *bolt.Tx) error {
		ready = cutover == nil && s.isReady(btx)
		return nil
	})
	if err == nil && !ready {
		err = s.update(func(btx *bolt.Tx) error { return s.makeReady(btx, cutover) })
	}
	if err != nil {
		return err
	}
	if err = s.read(s.readHead); err != nil || s.options.Log == nil {
		return err
	}
	return s.join()
}

// readHead reads where the history of the file stands.
func (s *Store) readHead(btx *bolt.Tx) error {
	h := readHead(btx)
	s.epoch = string(btx.Bucket(metaBucket).Get(epochKey))
	s.ring = ring{seq: h.seq, start: logStart(btx, h), forks: readForks(btx), wake: make(chan struct{}), maxCount: ringCount, maxSize: ringSize}
	return nil
}

// openShared opens the file for bbolt. Its group may use it, because the volumes of a container
// are given to a group with all that is in them.
func openShared(path string, flag int, _ os.FileMode) (*os.File, error) {
	return private.OpenShared(path, flag)
}

// checkFormat returns an error if the file is not a store, and not empty.
func checkFormat(btx *bolt.Tx) error {
	meta := btx.Bucket(metaBucket)
	if meta == nil {
		if k, _ := btx.Cursor().First(); k != nil {
			return errors.New("it is another program's bbolt file")
		}
		return nil
	}
	return readsFormat(meta)
}

// readsFormat returns an error if the file has a format that this program cannot read.
func readsFormat(meta *bolt.Bucket) error {
	if found := string(meta.Get(formatKey)); found != format && found != wholeFormat {
		return fmt.Errorf("it has the format %q of a newer program; this program reads %q", found, format)
	}
	return nil
}

// isReady reports whether the file is a store that already fits the models.
func (s *Store) isReady(btx *bolt.Tx) bool {
	meta := btx.Bucket(metaBucket)
	return meta != nil && string(meta.Get(formatKey)) == format && btx.Bucket(keysBucket) != nil && btx.Bucket(marksBucket) != nil && btx.Bucket(secretsBucket) == nil && s.fits(btx) && s.remembers(btx)
}

// makeReady turns an empty file into a store, takes over what migrations have prepared,
// and brings the file in line with the models.
func (s *Store) makeReady(btx *bolt.Tx, cutover *Cutover) error {
	before, err := remembered(btx)
	if err != nil {
		return err
	}
	if cutover != nil && !before.Fresh {
		err = s.cutOver(btx, cutover)
	} else {
		err = unprepare(btx) // for a build that never came
	}
	if err != nil {
		return err
	}
	if btx.Bucket(metaBucket) == nil {
		if err := create(btx, string(record.NewID())); err != nil {
			return err
		}
	}
	if err := btx.Bucket(metaBucket).Put(formatKey, []byte(format)); err != nil { // of a file of an earlier version
		return err
	}
	for _, name := range [...][]byte{keysBucket, agesBucket, marksBucket, marksAgeBucket} { // files of earlier versions do not have them
		if _, err := btx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if btx.Bucket(secretsBucket) != nil { // they kept the key of cookies beside what it protects
		if err := btx.DeleteBucket(secretsBucket); err != nil {
			return err
		}
	}
	if err := s.fit(btx); err != nil {
		return err
	}
	changed := cutover != nil || !s.remembers(btx)
	if err := s.remember(btx, before, cutover); err != nil || !changed || s.options.Review == nil {
		return err
	}
	return s.options.Review(before, s.Surveys())
}

func create(btx *bolt.Tx, epoch string) error {
	for _, name := range [...][]byte{metaBucket, logBucket, schemaBucket} {
		if _, err := btx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := btx.Bucket(metaBucket)
	return errors.Join(
		meta.Put(formatKey, []byte(format)),
		meta.Put(epochKey, []byte(epoch)),
		head{}.write(btx),
	)
}

// closeFile closes the file, with all that was written to it on the disk.
func (s *Store) closeFile() error {
	db := s.db.Load()
	if !db.NoSync {
		return db.Close()
	}
	if err := errors.Join(db.Sync(), db.Close()); err != nil {
		return err
	}
	return unsynced.End(s.path)
}

// Close commits the waiting transactions, waits for readers and closes the file.
// Calls made later return [ErrClosed].
func (s *Store) Close() error {
	var err error
	s.close.Do(func() {
		close(s.closing)
		<-s.stopped
		if s.Err() == nil {
			s.upkeep.Lock() // a compaction ends, as the store is closing
			defer s.upkeep.Unlock()
		}
		s.ring.close()
		err = os.Remove(holderPath(s.path))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if s.Err() == nil { // else a transaction may still hold bbolt's locks
			err = errors.Join(err, s.closeFile())
		}
	})
	if err != nil {
		return fmt.Errorf("close the store %s: %w", s.path, err)
	}
	return nil
}
