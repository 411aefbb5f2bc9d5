package server

import "sync"

// An Outbox holds what waits to be sent on a connection. At most one message is
// inside the transport; what is put meanwhile goes into the next one, and commits
// that wait side by side are merged. So the order is ours, bursts become few
// messages, and nothing is dropped unseen.
type Outbox struct {
	transport Transport
	limit     int // of bytes that wait

	mu         sync.Mutex
	queue      []*place
	bytes      int
	compactAt  int  // bytes at which what waits is merged; at least limit
	busy       bool // a message is inside the transport
	collecting bool // what is put waits for flush
	full       bool
	last       func() // ends the transport once all is sent; nil: it stays
}

// A Transport takes a connection's messages. It never waits.
type Transport interface {
	name() string
	send(message []byte) // one at a time; the next after the outbox was told sent
	end(code int, reason string)
}

// A place in an outbox is an answer or the like, where one will be, or a run of
// commits. What is put after it waits for it.
type place struct {
	text  []byte
	batch *batch // instead of text
	bytes int
	ready bool
}

// maxMessage bounds what is joined into one message, in bytes.
const maxMessage = 256 << 10

// put queues an answer or the like.
func (o *Outbox) put(text []byte) { o.fill(o.reserve(), text) }

// reserve takes the next place, which is to be filled soon.
func (o *Outbox) reserve() *place {
	p := &place{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.queue = append(o.queue, p)
	}
	return p
}

// fill puts a text into a place; nil gives the place up.
func (o *Outbox) fill(p *place, text []byte) {
	o.mu.Lock()
	p.text, p.bytes, p.ready = text, len(text), true
	o.added(len(text))
}

// deliver queues a commit. Nobody else may deliver at the same time. What is held
// waits for flush, or for anything else that is put.
func (o *Outbox) deliver(f *frame, hold bool) {
	o.mu.Lock()
	if hold && !o.full && o.bytes+len(f.text) < o.limit {
		o.enqueue(f)
		o.bytes += len(f.text)
		o.mu.Unlock()
		return
	}
	if !o.busy && !o.collecting && len(o.queue) == 0 && !o.full {
		o.busy = true
		o.mu.Unlock()
		o.transport.send(f.text)
		return
	}
	if !o.full {
		o.enqueue(f)
	}
	o.added(len(f.text))
}

// collect keeps what is put until flush, so that it goes into one message.
func (o *Outbox) collect() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.collecting = true
}

// flush sends what was kept.
func (o *Outbox) flush() {
	o.mu.Lock()
	o.collecting = false
	next := o.take()
	o.mu.Unlock()
	o.hand(next)
}

// enqueue lets a commit join the run before it, or begin one.
func (o *Outbox) enqueue(f *frame) {
	if n := len(o.queue); n > 0 {
		if p := o.queue[n-1]; p.batch != nil && p.batch.last.plain() && f.plain() {
			p.batch = p.batch.then(f)
			p.bytes += len(f.text)
			return
		}
	}
	o.queue = append(o.queue, &place{batch: &f.single, bytes: len(f.text), ready: true})
}

// added accounts for what was put, and unlocks.
func (o *Outbox) added(bytes int) {
	var next []*place
	if !o.full {
		o.bytes += bytes
		next = o.take()
		if o.bytes > max(o.limit, o.compactAt) {
			o.compact()
		}
	}
	o.mu.Unlock()
	o.hand(next)
}

// compact merges what waits, and gives up if that is still too much. Else it
// lets half as much again come before the next time, so that it does not do so
// for each frame.
func (o *Outbox) compact() {
	o.bytes = 0
	for _, p := range o.queue {
		if p.batch != nil {
			one := p.batch.merged()
			p.batch, p.bytes = &one.single, len(one.text)
		}
		o.bytes += p.bytes
	}
	o.compactAt = o.bytes + o.limit/2
	if o.bytes > o.limit && len(o.queue) > 1 {
		o.full, o.queue, o.bytes = true, nil, 0
		o.transport.end(closeSlow, "too much was waiting for this client; connect again and resume")
	}
}

// sent is the transport's word that the last message is on its way.
func (o *Outbox) sent() {
	o.mu.Lock()
	o.busy = false
	next := o.take()
	o.endIfIdle()
	o.hand(next)
}

// finish ends the transport once what waits has been sent.
func (o *Outbox) finish(code int, reason string) {
	o.mu.Lock()
	o.last = func() { o.transport.end(code, reason) }
	o.endIfIdle()
}

// endIfIdle ends the transport if that is due, and unlocks.
func (o *Outbox) endIfIdle() {
	last := o.last
	idle := !o.busy && len(o.queue) == 0
	o.mu.Unlock()
	if idle && last != nil {
		last()
	}
}

// take removes what is ready to be sent, as much as fits into a message.
func (o *Outbox) take() []*place {
	var places []*place
	for size := 0; !o.busy && !o.collecting && len(o.queue) > 0 && o.queue[0].ready; {
		p := o.queue[0]
		if size > 0 && size+p.bytes > maxMessage {
			break
		}
		if p.bytes > 0 {
			places = append(places, p)
		}
		size += p.bytes
		o.bytes -= p.bytes
		o.queue = o.queue[1:]
	}
	if len(o.queue) == 0 {
		o.queue = nil
	}
	o.busy = o.busy || len(places) > 0
	return places
}

// hand gives what was taken to the transport. It is done without the lock:
// merging takes a while, and others must be able to put meanwhile.
func (o *Outbox) hand(places []*place) {
	if len(places) > 0 {
		o.transport.send(message(places))
	}
}

// message makes one message of what is in places: the frame itself, or an array.
func message(places []*place) []byte {
	for _, p := range places {
		if p.batch != nil {
			p.text = p.batch.merged().text
		}
	}
	if len(places) == 1 {
		return places[0].text
	}
	size := 1
	for _, p := range places {
		size += len(p.text) + 1
	}
	message := append(make([]byte, 0, size), '[')
	for i, p := range places {
		if i > 0 {
			message = append(message, ',')
		}
		message = append(message, p.text...)
	}
	return append(message, ']')
}

func (o *Outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
