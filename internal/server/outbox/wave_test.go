package outbox

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// over reports whether a wave is over, and that its channel says the same.
func over(t *testing.T, w *Wave) bool {
	t.Helper()
	signaled := false
	select {
	case <-w.Ended():
		signaled = true
		w.end() // for the next look
	default:
	}
	if signaled != w.Over() {
		t.Errorf("over: %t, but its channel says %t", w.Over(), signaled)
	}
	return signaled
}

// TestAWaveIsOverOnceMostOfItIsWritten sends waves by outboxes that are free or busy, and has their
// messages written in random order, some before the wave is closed.
func TestAWaveIsOverOnceMostOfItIsWritten(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		wave, n := NewWave(), 1+random.IntN(200)
		var inside []*Outbox
		for i := range n {
			o := &Outbox{Limit: 1 << 20, Transport: fakeTransport{func([]byte) {}, func() {}}}
			if random.IntN(4) == 0 {
				o.Put([]byte("1")) // what comes now is not of the wave
			} else {
				inside = append(inside, o)
			}
			frame := NewFrame(uint64(i), uint64(i), false, nil, nil)
			if random.IntN(2) == 0 {
				o.Deliver(frame, false, wave)
			} else {
				o.Deliver(frame, true, nil)
				o.Flush(wave)
			}
			if len(inside) > 0 && random.IntN(3) == 0 {
				inside[0].Sent()
				inside = inside[1:]
			}
			if wave.Over() {
				t.Fatal("a wave is over while it is sent")
			}
		}
		wave.Close()
		random.Shuffle(len(inside), func(i, j int) { inside[i], inside[j] = inside[j], inside[i] })
		for left := len(inside); ; left-- {
			if want := left <= wave.sent/10; over(t, wave) != want {
				t.Fatalf("%d of %d are not written; it is over: %t", left, wave.sent, !want)
			}
			if left == 0 {
				break
			}
			inside[left-1].Sent()
		}
	}
	var none *Wave
	none.Close()
	if !none.Over() {
		t.Error("no wave is not over")
	}
}

// TestHeldCommitsWait has commits wait for Flush, and for a frame, but not for the message before them.
func TestHeldCommitsWait(t *testing.T) {
	var messages []string
	o := &Outbox{Limit: 1 << 20, Transport: fakeTransport{func(m []byte) { messages = append(messages, string(m)) }, func() {}}}
	seq := uint64(0)
	deliver := func(hold bool) {
		seq++
		o.Deliver(NewFrame(seq, seq, false, nil, nil), hold, nil)
	}
	expect := func(n int, last string) {
		t.Helper()
		if len(messages) != n || n > 0 && messages[n-1] != last {
			t.Errorf("%d messages: %q; want %d, the last %s", len(messages), messages, n, last)
		}
	}
	deliver(false)
	expect(1, `{"seq":1}`)
	deliver(true)
	deliver(true)
	o.Sent()
	expect(1, `{"seq":1}`)
	o.Flush(nil)
	expect(2, `{"from":2,"seq":3}`)
	deliver(true)
	o.Put([]byte(`{"id":1}`))
	expect(2, `{"from":2,"seq":3}`)
	o.Sent()
	expect(3, fmt.Sprintf(`[%s,{"id":1}]`, `{"seq":4}`))
}
