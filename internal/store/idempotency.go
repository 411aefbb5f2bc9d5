package store

import (
	"bytes"
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

// ErrOtherRequest says that a key belongs to another request.
var ErrOtherRequest = errors.New("this key was used for another request")

// A Attempt is one run of a call that is to take effect once, however often it is
// sent: the runs of one call have one key. The first commit of a run puts the key
// into the file, together with the effects; from then on each commit of another
// run fails with [*AppliedError] and does nothing. A run may make several
// commits.
//
// A key is a secret of its client: 80 of its bits are random, and the file has
// only its hash. Its scope keeps users apart, and it is good for one request
// only. So what was answered is told to who knows the scope, the key and the
// request, and the file does not help to guess any of them.
type Attempt struct {
	key     string // 6 bytes of time, which keep new keys together, and a hash
	request [16]byte
	run     [8]byte
}

const attemptKeySize = 6 + 26

// NewAttempt begins a run of the call that has key in scope, for example a user's
// id. request is the call's route and input.
func NewAttempt(scope string, key record.ID, request ...[]byte) (*Attempt, error) {
	made, err := ulid.ParseStrict(string(key))
	if err != nil {
		return nil, fmt.Errorf("%q is no key; a ULID like 01JDA7Q4Z3M8X2V6K9T5B1C0RW is one", key)
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

// Key returns what the runs of one call have in common.
func (o *Attempt) Key() string { return o.key }

// Applied is what is known of a call that has taken effect.
type Applied struct {
	Seq    uint64 // of its first commit
	Answer []byte // as it was given to Answered; nil where it is not known

	run     [8]byte
	request [16]byte
}

// An AppliedError says that a transaction was not committed because its call had
// taken effect before.
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

// decodeApplied returns nil where there is no entry.
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

// SetAttempt makes the transaction a part of the run o. It has no effect if another run
// of the call comes first.
func (tx *Tx) SetAttempt(o *Attempt) { tx.attempt = o }

// Applied returns what is known of the call that o is a run of, nil while none of
// its runs has committed anything, and for as long as Options.KeyAge after that.
// With another request under the key it returns [ErrOtherRequest].
func (s *Store) Applied(o *Attempt) (*Applied, error) {
	waiting, waits := s.answers.get(o.key) // before the file: it is on its way there
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
	if waits && waiting.run == applied.run {
		applied.Answer = waiting.data
	}
	return applied, nil
}

const (
	maxAnswer  = 64 << 10               // bytes of an answer that is kept
	answerWait = 100 * time.Millisecond // how long answers wait for a commit to share its write
)

// SaveAnswer keeps what a run that has committed something answered, for
// [Store.Applied]. It does not wait for the disk: the answer is written with the
// next commit, or a moment later without one. A crash in that moment, or a size
// above 64 KiB, makes the answer be unknown; that the call took effect is known
// nevertheless.
func (s *Store) SaveAnswer(o *Attempt, answer []byte) {
	if len(answer) <= maxAnswer {
		s.answers.add(o.key, waitingAnswer{run: o.run, data: answer})
	}
}

// answers are those that are not in the file yet.
type answers struct {
	mu      sync.Mutex
	waiting map[string]waitingAnswer
	wake    chan struct{} // holds one after the first was added
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
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// all returns what waits.
func (a *answers) all() map[string]waitingAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[string]waitingAnswer, len(a.waiting))
	for key, w := range a.waiting {
		all[key] = w
	}
	return all
}

// drop forgets those that have been written, or could not be.
func (a *answers) drop(written map[string]waitingAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, w := range written {
		if a.waiting[key].run == w.run {
			delete(a.waiting, key)
		}
	}
}

// checkAttempt reports that another run of the call has come first.
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

// claim puts the key of a run into the file, unless an earlier commit of the run
// has done so.
func (b *batch) claim(o *Attempt, c *Commit) error {
	keys := b.btx.Bucket(keysBucket)
	if keys.Get([]byte(o.key)) != nil {
		return nil
	}
	if err := keys.Put([]byte(o.key), o.entry(c.Seq)); err != nil {
		return err
	}
	age := binary.BigEndian.AppendUint64(nil, uint64(c.At.UnixMicro()))
	return b.bucket(agesBucket, appendFill).Put(seqKey(c.Seq), append(age, o.key...))
}

// putAnswers writes answers to the keys they belong to.
func (b *batch) putAnswers(all map[string]waitingAnswer) error {
	keys := b.btx.Bucket(keysBucket)
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

// expire takes the oldest keys out of the file while they are too old, but no
// more than limit of them.
func (s *Store) expire(btx *bolt.Tx, now time.Time, limit int) error {
	ages, keys := btx.Bucket(agesBucket), btx.Bucket(keysBucket)
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
