package outbox

import "sync"

// An Outbox holds what waits to be sent on a connection. At most one message is
// inside the transport; what is put meanwhile goes into the next one, and commits
// that wait side by side are merged. So the order is ours, bursts become few
// messages, and nothing is dropped unseen.
type Outbox struct {
	Transport Transport
	Limit     int // of bytes that wait

	mu         sync.Mutex
	queue      []*Slot
	bytes      int
	compactAt  int  // bytes at which what waits is merged; at least limit
	busy       bool // a message is inside the transport
	collecting bool // what is put waits for flush
	full       bool
	onIdle     func() // ends the transport once all is sent; nil: it stays
}

// A Transport takes a connection's messages. It never waits.
type Transport interface {
	Name() string
	Send(message []byte) // one at a time; the next after the outbox was told sent
	End(code int, reason string)
}

// A Slot in an outbox is an answer or the like, where one will be, or a run of
// commits. What is put after it waits for it.
type Slot struct {
	text  []byte
	batch *batch // instead of text
	bytes int
	ready bool
}

// MaxMessage bounds what is joined into one message, in bytes.
const MaxMessage = 256 << 10

// Put queues an answer or the like.
func (o *Outbox) Put(text []byte) { o.Fill(o.Reserve(), text) }

// Reserve takes the next place, which is to be filled soon.
func (o *Outbox) Reserve() *Slot {
	s := &Slot{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.queue = append(o.queue, s)
	}
	return s
}

// Fill puts a text into a place; nil gives the place up.
func (o *Outbox) Fill(s *Slot, text []byte) {
	o.mu.Lock()
	s.text, s.bytes, s.ready = text, len(text), true
	o.account(len(text))
}

// Deliver queues a commit. Nobody else may deliver at the same time. What is held
// waits for flush, or for anything else that is put.
func (o *Outbox) Deliver(f *Frame, hold bool) {
	o.mu.Lock()
	if hold && !o.full && o.bytes+len(f.text) < o.Limit {
		o.enqueue(f)
		o.bytes += len(f.text)
		o.mu.Unlock()
		return
	}
	if !o.busy && !o.collecting && len(o.queue) == 0 && !o.full {
		o.busy = true
		o.mu.Unlock()
		o.Transport.Send(f.text)
		return
	}
	if !o.full {
		o.enqueue(f)
	}
	o.account(len(f.text))
}

// Collect keeps what is put until flush, so that it goes into one message.
func (o *Outbox) Collect() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.collecting = true
}

// Flush sends what was kept.
func (o *Outbox) Flush() {
	o.mu.Lock()
	o.collecting = false
	next := o.takeReady()
	o.mu.Unlock()
	o.send(next)
}

// enqueue lets a commit join the run before it, or begin one.
func (o *Outbox) enqueue(f *Frame) {
	if n := len(o.queue); n > 0 {
		if s := o.queue[n-1]; s.batch != nil && s.batch.last.plain() && f.plain() {
			s.batch = s.batch.append(f)
			s.bytes += len(f.text)
			return
		}
	}
	o.queue = append(o.queue, &Slot{batch: &f.single, bytes: len(f.text), ready: true})
}

// account accounts for what was put, and unlocks.
func (o *Outbox) account(bytes int) {
	var next []*Slot
	if !o.full {
		o.bytes += bytes
		next = o.takeReady()
		if o.bytes > max(o.Limit, o.compactAt) {
			o.compact()
		}
	}
	o.mu.Unlock()
	o.send(next)
}

// compact merges what waits, and gives up if that is still too much. Else it
// lets half as much again come before the next time, so that it does not do so
// for each frame.
func (o *Outbox) compact() {
	o.bytes = 0
	for _, s := range o.queue {
		if s.batch != nil {
			one := s.batch.merged()
			s.batch, s.bytes = &one.single, len(one.text)
		}
		o.bytes += s.bytes
	}
	o.compactAt = o.bytes + o.Limit/2
	if o.bytes > o.Limit && len(o.queue) > 1 {
		o.full, o.queue, o.bytes = true, nil, 0
		o.Transport.End(CloseSlow, "too much was waiting for this client; connect again and resume")
	}
}

// Sent is the transport's word that the last message is on its way.
func (o *Outbox) Sent() {
	o.mu.Lock()
	o.busy = false
	next := o.takeReady()
	o.endIfIdle()
	o.send(next)
}

// Finish ends the transport once what waits has been sent.
func (o *Outbox) Finish(code int, reason string) {
	o.mu.Lock()
	o.onIdle = func() { o.Transport.End(code, reason) }
	o.endIfIdle()
}

// endIfIdle ends the transport if that is due, and unlocks.
func (o *Outbox) endIfIdle() {
	last := o.onIdle
	idle := !o.busy && len(o.queue) == 0
	o.mu.Unlock()
	if idle && last != nil {
		last()
	}
}

// takeReady removes what is ready to be sent, as much as fits into a message.
func (o *Outbox) takeReady() []*Slot {
	var slots []*Slot
	for size := 0; !o.busy && !o.collecting && len(o.queue) > 0 && o.queue[0].ready; {
		s := o.queue[0]
		if size > 0 && size+s.bytes > MaxMessage {
			break
		}
		if s.bytes > 0 {
			slots = append(slots, s)
		}
		size += s.bytes
		o.bytes -= s.bytes
		o.queue = o.queue[1:]
	}
	if len(o.queue) == 0 {
		o.queue = nil
	}
	o.busy = o.busy || len(slots) > 0
	return slots
}

// send gives what was taken to the transport. It is done without the lock:
// merging takes a while, and others must be able to put meanwhile.
func (o *Outbox) send(slots []*Slot) {
	if len(slots) > 0 {
		o.Transport.Send(message(slots))
	}
}

// message makes one message of what is in places: the frame itself, or an array.
func message(slots []*Slot) []byte {
	for _, s := range slots {
		if s.batch != nil {
			s.text = s.batch.merged().text
		}
	}
	if len(slots) == 1 {
		return slots[0].text
	}
	size := 1
	for _, s := range slots {
		size += len(s.text) + 1
	}
	message := append(make([]byte, 0, size), '[')
	for i, s := range slots {
		if i > 0 {
			message = append(message, ',')
		}
		message = append(message, s.text...)
	}
	return append(message, ']')
}

func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
