package outbox

import "sync"

// An Outbox queues what waits to be sent on a connection. At most one message is inside
// the transport. What is queued meanwhile goes into the next message, and adjacent
// commits are merged. So the outbox decides the order, bursts become few messages, and
// no transport drops a message without notice. Set Transport and Limit before the first
// call.
type Outbox struct {
	Transport Transport
	Limit     int    // of bytes that wait after merging
	OnSlow    func() // called when the client was too slow; it must not wait; nil: nobody counts

	mu         sync.Mutex
	queue      []*Slot
	bytes      int
	compactAt  int    // compact merges the queue at this number of bytes, if it is more than Limit
	busy       bool   // a message is inside the transport
	collecting bool   // the queue waits for Flush
	full       bool   // the client was too slow, or is cut off; nothing is queued any more
	onIdle     func() // ends the transport when the queue is empty; nil: it stays open
}

// A Transport carries the messages of a connection to its client. Its methods do not
// wait.
type Transport interface {
	// Name returns the kind of the transport, for the console: "socket".
	Name() string
	// Send takes a message. The transport calls [Outbox.Sent] once the message is on its
	// way, and gets no other message before.
	Send(message []byte)
	// End ends the connection with a close code and a reason.
	End(code int, reason string)
}

// A Slot is a position in an outbox. It holds a frame, is reserved for one, or holds a
// batch of commits. What is queued after a reserved slot waits until it is filled.
type Slot struct {
	text  []byte
	batch *batch // instead of text
	bytes int
	ready bool
}

// MaxMessage is the most bytes of frames that are joined into one message.
const MaxMessage = 256 << 10

// Put queues an encoded frame that is not a commit.
func (o *Outbox) Put(text []byte) { o.Fill(o.Reserve(), text) }

// Reserve returns the next slot. The caller must Fill it, and soon: all that is queued
// afterwards waits for that.
func (o *Outbox) Reserve() *Slot {
	s := &Slot{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.queue = append(o.queue, s)
	}
	return s
}

// Fill puts an encoded frame into a reserved slot; nil gives the slot up.
func (o *Outbox) Fill(s *Slot, text []byte) {
	o.mu.Lock()
	s.text, s.bytes, s.ready = text, len(text), true
	o.account(len(text))
}

// Deliver queues a commit. Only one goroutine may call it. With hold, the commit waits
// for Flush or for the next frame that is queued.
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

// Collect holds back what is queued until Flush, so that it goes into one message.
func (o *Outbox) Collect() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.collecting = true
}

// Flush sends what was held back.
func (o *Outbox) Flush() {
	o.mu.Lock()
	o.collecting = false
	next := o.takeReady()
	o.mu.Unlock()
	o.send(next)
}

// enqueue adds a commit to the batch at the end of the queue, or starts a new one.
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

// account adds to the bytes that wait, sends or merges what it can, and unlocks.
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

// compact merges the batches in the queue, and ends the transport if more than Limit
// bytes remain. Otherwise it runs again after half of Limit more bytes, so that it does
// not run for each frame.
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
		if o.OnSlow != nil {
			o.OnSlow()
		}
		o.Transport.End(CloseSlow, "too much was waiting for this client; connect again and resume")
	}
}

// Cut ends the transport at once, with a close code and a reason. What waits is dropped,
// and nothing is queued any more.
func (o *Outbox) Cut(code int, reason string) {
	o.mu.Lock()
	o.full, o.queue, o.bytes = true, nil, 0
	o.mu.Unlock()
	o.Transport.End(code, reason)
}

// Sent reports that the last message is on its way. The transport calls it once for
// each message.
func (o *Outbox) Sent() {
	o.mu.Lock()
	o.busy = false
	next := o.takeReady()
	o.endIfIdle()
	o.send(next)
}

// Finish ends the transport, with a close code and a reason, once the queue is empty.
func (o *Outbox) Finish(code int, reason string) {
	o.mu.Lock()
	o.onIdle = func() { o.Transport.End(code, reason) }
	o.endIfIdle()
}

// endIfIdle unlocks, and ends the transport if Finish was called and the queue is empty.
func (o *Outbox) endIfIdle() {
	last := o.onIdle
	idle := !o.busy && len(o.queue) == 0
	o.mu.Unlock()
	if idle && last != nil {
		last()
	}
}

// takeReady removes the filled slots at the head of the queue, as many as fit into a
// message.
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

// send passes slots to the transport. The caller must not hold the lock: merging takes
// a while, and other goroutines must be able to queue frames meanwhile.
func (o *Outbox) send(slots []*Slot) {
	if len(slots) > 0 {
		o.Transport.Send(message(slots))
	}
}

// message joins slots into one message: the frame itself, or a JSON array of frames.
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

// Waiting returns the number of bytes in the queue.
func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
