package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// ErrOtherRequest reports that a key belongs to another request.
var ErrOtherRequest = errors.New("this key was used for another request")

// An Attempt is one run of a call that must take effect only once, however often it
// is sent. All runs of a call have the same key. The first commit of a run stores the
// key in the file, together with its effects; from then on, a commit of any other run
// fails with [*AppliedError] and does nothing. A run may make several commits.
//
// A key is a secret of its client: 80 of its bits are random, and the file stores
// only its hash. Its scope separates users, and it is valid for one request. So only
// a caller that knows the scope, the key and the request gets the answer, and the
// file does not help to guess any of them.
type Attempt struct {
	key     string // 6 bytes of time, which keep new keys together, and a hash
	request [16]byte
	run     [8]byte
}

const attemptKeySize = 6 + 26

// NewAttempt begins a run of the call that has key in scope, for example a user's id.
// request is the call's route and input.
func NewAttempt(scope string, key record.ID, request ...[]byte) (*Attempt, error) {
	made, err := ulid.ParseStrict(string(key))
	if err != nil {
		return nil, fmt.Errorf("%q is not a key; a key is a ULID, like 01JDA7Q4Z3M8X2V6K9T5B1C0RW", key)
	}
	o := &Attempt{}
	secret := appendText(appendText(nil, scope), key)
	hash := sha256.Sum256(secret)
	o.key = string(made[:6]) + string(hash[:attemptKeySize-6])
	for _, part := range request {
		secret = appendText(secret, part)
	}
	hash = sha256.Sum256(append(secret, "request"...))
	copy(o.request[:], hash[:])
	rand.Read(o.run[:])
	return o, nil
}

// Key returns the key that all runs of the call share.
func (o *Attempt) Key() string { return o.key }

// Applied describes a call that has taken effect.
type Applied struct {
	Seq    uint64 // of its first commit
	Answer []byte // as passed to SaveAnswer; nil if it is not known

	run     [8]byte
	request [16]byte
}

// An AppliedError reports that a transaction was not committed because its call had
// already taken effect.
type AppliedError struct{ Applied }

func (e *AppliedError) Error() string {
	return fmt.Sprintf("the call has taken effect before, in commit %d", e.Seq)
}

// An applied key is stored as
//
//	seq, 8 bytes big-endian ‖ run, 8 bytes ‖ request, 16 bytes ‖ answer
//
// and, for its expiry, under its seq, as
//
//	time in microseconds, 8 bytes big-endian ‖ key

func (o *Attempt) entry(seq uint64) []byte {
	return append(append(seqKey(seq), o.run[:]...), o.request[:]...)
}

// decodeApplied returns nil if there is no entry.
func decodeApplied(entry []byte) *Applied {
	if len(entry) < 32 {
		return nil
	}
	a := &Applied{Seq: binary.BigEndian.Uint64(entry)}
	copy(a.run[:], entry[8:])
	copy(a.request[:], entry[16:])
	if len(entry) > 32 {
		a.Answer = bytes.Clone(entry[32:])
	}
	return a
}

// SetAttempt makes the transaction part of the run o. It will have no effect if
// another run of the call commits first.
func (tx *Tx) SetAttempt(o *Attempt) { tx.attempt = o }

// Once makes a commit without changes for a run of a call. It returns an [*AppliedError] if
// another run has taken effect.
func (s *Store) Once(ctx context.Context, by string, o *Attempt) (Commit, error) {
	tx := s.Begin(by)
	tx.SetAttempt(o)
	return s.submit(ctx, s.prepare(tx, nil))
}

// SetTrace sets what the commit has as its Trace. It is kept in memory alone.
func (tx *Tx) SetTrace(trace any) { tx.trace = trace }

// Applied returns what is known of the call that o is a run of: nil until one of its
// runs has committed something, and for Options.KeyAge after that. If the key was
// used for another request, it returns [ErrOtherRequest].
func (s *Store) Applied(o *Attempt) (*Applied, error) {
	waiting, waits := s.answers.get(o.key) // before the file is read: the answer is on its way there
	var applied *Applied
	err := s.read(func(btx *bolt.Tx) error {
		applied = decodeApplied(btx.Bucket(keysBucket).Get([]byte(o.key)))
		return nil
	})
	if err != nil || applied == nil {
		return nil, err
	}
	if applied.request != o.request {
		return nil, ErrOtherRequest
	}
	switch {
	case waits && waiting.run == applied.run:
		applied.Answer = waiting.data
	case applied.Answer == nil && s.options.Log != nil: // it may have run in another store
		call, err := s.options.Log.Answer(context.Background(), o.key)
		if err != nil {
			return nil, fmt.Errorf("read the answer of a call: %w", asAway(err))
		}
		if known := decodeApplied(call); known != nil && known.run == applied.run {
			applied.Answer = known.Answer
		}
	}
	return applied, nil
}

const (
	maxAnswer  = 64 << 10               // bytes of an answer that is kept
	answerWait = 100 * time.Millisecond // how long answers wait for a commit whose write they share
)

// SaveAnswer stores the answer of a run that has committed something, for
// [Store.Applied]. It does not wait for the disk: the answer is written with the next
// commit, or alone after a moment. If the process crashes before that, or the answer
// is larger than 64 KiB, the answer is lost; that the call took effect is still
// known.
func (s *Store) SaveAnswer(o *Attempt, answer []byte) {
	if len(answer) <= maxAnswer {
		s.answers.add(o.key, waitingAnswer{run: o.run, data: answer})
	}
}

// answers holds the answers that wait to be written to the file.
type answers struct {
	mu      sync.Mutex
	waiting map[string]waitingAnswer
	wake    chan struct{} // receives a value when an answer is added
}

type waitingAnswer struct {
	run  [8]byte
	data []byte
}

func (a *answers) get(key string) (waitingAnswer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.waiting[key]
	return w, ok
}

func (a *answers) add(key string, w waitingAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[key] = w
	a.keep(a.waiting)
}

// keep lets the answers that wait be written a little later.
func (a *answers) keep(waiting map[string]waitingAnswer) {
	if len(waiting) == 0 {
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// all returns the waiting answers.
func (a *answers) all() map[string]waitingAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[string]waitingAnswer, len(a.waiting))
	for key, w := range a.waiting {
		all[key] = w
	}
	return all
}

// drop removes answers that have been written, or could not be. It keeps an answer
// that has replaced one of them meanwhile.
func (a *answers) drop(written map[string]waitingAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, w := range written {
		if now := a.waiting[key]; now.run == w.run && bytes.Equal(now.data, w.data) {
			delete(a.waiting, key)
		}
	}
}

// forget drops the answers that has finds something in.
func (a *answers) forget(has func([]byte) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, w := range a.waiting {
		if has(w.data) {
			delete(a.waiting, key)
		}
	}
}

// forgetAnswers removes the answers that has finds something in. That the calls took effect
// is still known.
func forgetAnswers(btx *bolt.Tx, has func([]byte) bool) error {
	keys := btx.Bucket(keysBucket)
	var found [][]byte
	if err := keys.ForEach(func(k, v []byte) error {
		if len(v) > 32 && has(v[32:]) {
			found = append(found, bytes.Clone(k))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, k := range found {
		if err := keys.Put(k, bytes.Clone(keys.Get(k)[:32])); err != nil {
			return err
		}
	}
	return nil
}

// checkAttempt returns an error if another run of the call has committed.
func (b *batch) checkAttempt(o *Attempt) error {
	switch applied := decodeApplied(b.btx.Bucket(keysBucket).Get([]byte(o.key))); {
	case applied == nil || applied.run == o.run:
		return nil
	case applied.request != o.request:
		return ErrOtherRequest
	default:
		return &AppliedError{*applied}
	}
}

// claim stores the key of a run, unless an earlier commit of the run has done so.
func (b *batch) claim(o *Attempt, c *Commit) error {
	if b.btx.Bucket(keysBucket).Get([]byte(o.key)) != nil {
		return nil
	}
	return b.putCall(c, []byte(o.key), o.entry(c.Seq))
}

// putCall stores a call under its key, and the key under the call's first commit.
func (b *batch) putCall(c *Commit, key, call []byte) error {
	if err := b.store.bucket(b.btx, keysBucket).Put(key, call); err != nil {
		return err
	}
	age := binary.BigEndian.AppendUint64(nil, uint64(c.At.UnixMicro()))
	return b.bucket(agesBucket, appendFill).Put(seqKey(c.Seq), append(age, key...))
}

// putAnswers stores answers with their keys.
func (b *batch) putAnswers(all map[string]waitingAnswer) error {
	keys := b.store.bucket(b.btx, keysBucket)
	for key, w := range all {
		entry := keys.Get([]byte(key))
		if applied := decodeApplied(entry); applied == nil || applied.run != w.run {
			continue
		}
		if err := keys.Put([]byte(key), append(bytes.Clone(entry[:32]), w.data...)); err != nil {
			return err
		}
	}
	return nil
}

// expire removes the keys that are too old, oldest first, at most limit of them.
func (s *Store) expire(btx *bolt.Tx, now time.Time, limit int) error {
	ages, keys := s.bucket(btx, agesBucket), s.bucket(btx, keysBucket)
	oldest := now.Add(-s.options.KeyAge)
	for range limit {
		k, v := ages.Cursor().First()
		if k == nil || !entryTime(v).Before(oldest) {
			return nil
		}
		if err := errors.Join(keys.Delete(v[8:]), ages.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}
