package nodes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"
)

// errSeal reports that something was not sealed by a node of this application, for this node,
// or that it has come before.
var errSeal = errors.New("this is not from a node of this application")

// nonceSize is how many random bytes a sealed message begins with.
const nonceSize = 12

// newAEAD returns what seals the messages from one node to another. Both ids are new for each
// process, so a process uses no key that another has used.
func newAEAD(secret, from, to string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "tower node "+from+" "+to, 32)
	if err != nil {
		panic(err) // the length is one that the hash has
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // so is this
	}
	sealed, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return sealed
}

// A message is what one node sends to another.
type message struct {
	Number  uint64 `json:"number"` // from 1 for each sender
	Subject string `json:"subject"`
	Payload []byte `json:"payload"`
}

// seal returns a sealed message.
func (m *message) seal(secret, from, to string) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return newAEAD(secret, from, to).Seal(nil, nil, text, []byte("message")), nil
}

// openMessage opens a message from a node to this one, and returns the secret that opened it.
func openMessage(secrets []string, from, to string, sealed []byte) (m message, secret string, err error) {
	for _, secret := range secrets {
		if text, err := newAEAD(secret, from, to).Open(nil, nil, sealed, []byte("message")); err == nil {
			return m, secret, json.Unmarshal(text, &m)
		}
	}
	return m, "", errSeal
}

// answers seals or opens the answers to one message, in their order.
type answers struct {
	aead  cipher.AEAD
	about []byte // the nonce of the message, and the number of the answer
}

// newAnswers returns what seals the answers to a sealed message, which go from one node to
// another.
func newAnswers(secret, from, to string, sealed []byte) *answers {
	about := append([]byte("answer"), sealed[:nonceSize]...)
	return &answers{newAEAD(secret, from, to), append(about, make([]byte, 8)...)}
}

// next returns what the next answer is bound to.
func (a *answers) next() []byte {
	number := a.about[len(a.about)-8:]
	binary.BigEndian.PutUint64(number, binary.BigEndian.Uint64(number)+1)
	return a.about
}

func (a *answers) seal(text []byte) []byte { return a.aead.Seal(nil, nil, text, a.next()) }

func (a *answers) open(sealed []byte) ([]byte, error) {
	text, err := a.aead.Open(nil, nil, sealed, a.next())
	if err != nil {
		return nil, errSeal
	}
	return text, nil
}

// An inbox knows which messages have come, so that none is handled twice. It keeps a little of
// each process that ever had the secret and sent something.
type inbox struct {
	mu      sync.Mutex
	senders map[string]*window
}

// A window says which of the newest messages of a sender have come. Older ones count as come.
type window struct {
	newest uint64
	seen   [windowSize / 64]uint64
}

const windowSize = 1024

// take reports whether a message comes for the first time.
func (b *inbox) take(from string, number uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.senders == nil {
		b.senders = map[string]*window{}
	}
	w := b.senders[from]
	if w == nil {
		w = &window{}
		b.senders[from] = w
	}
	return w.take(number)
}

func (w *window) take(number uint64) bool {
	if number == 0 || number+windowSize <= w.newest {
		return false
	}
	if number-min(number, w.newest) >= windowSize {
		w.seen = [windowSize / 64]uint64{}
	} else {
		for n := w.newest + 1; n <= number; n++ {
			w.seen[n%windowSize/64] &^= 1 << (n % 64)
		}
	}
	w.newest = max(w.newest, number)
	word, bit := &w.seen[number%windowSize/64], uint64(1)<<(number%64)
	first := *word&bit == 0
	*word |= bit
	return first
}
