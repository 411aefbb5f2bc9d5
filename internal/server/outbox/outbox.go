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
	queue      []*Place
	bytes      int
	compactAt  int  // bytes at which what waits is merged; at least limit
	busy       bool // a message is inside the transport
	collecting bool // what is put waits for flush
	full       bool
	last       func() // ends the transport once all is sent; nil: it stays
}

// A Transport takes a connection's messages. It never waits.
type Transport interface {
	Name() string
	Send(message []byte) // one at a time; the next after the outbox was told sent
	End(code int, reason string)
}

// A Place in an outbox is an answer or the like, where one will be, or a run of
// commits. What is put after it waits for it.
type Place struct {
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
func (o *Outbox) Reserve() *Place {
	p := &Place{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.queue = append(o.queue, p)
	}
	return p
}

// Fill puts a text into a place; nil gives the place up.
func (o *Outbox) Fill(p *Place, text []byte) {
	o.mu.Lock()
	p.text, p.bytes, p.ready = text, len(text), true
	o.added(len(text))
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
	o.added(len(f.text))
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
	next := o.take()
	o.mu.Unlock()
	o.hand(next)
}

// enqueue lets a commit join the run before it, or begin one.
func (o *Outbox) enqueue(f *Frame) {
	if n := len(o.queue); n > 0 {
		if p := o.queue[n-1]; p.batch != nil && p.batch.last.plain() && f.plain() {
			p.batch = p.batch.then(f)
			p.bytes += len(f.text)
			return
		}
	}
	o.queue = append(o.queue, &Place{batch: &f.single, bytes: len(f.text), ready: true})
}

// added accounts for what was put, and unlocks.
func (o *Outbox) added(bytes int) {
	var next []*Place
	if !o.full {
		o.bytes += bytes
		next = o.take()
		if o.bytes > max(o.Limit, o.compactAt) {
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
	next := o.take()
	o.endIfIdle()
	o.hand(next)
}

// Finish ends the transport once what waits has been sent.
func (o *Outbox) Finish(code int, reason string) {
	o.mu.Lock()
	o.last = func() { o.Transport.End(code, reason) }
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
func (o *Outbox) take() []*Place {
	var places []*Place
	for size := 0; !o.busy && !o.collecting && len(o.queue) > 0 && o.queue[0].ready; {
		p := o.queue[0]
		if size > 0 && size+p.bytes > MaxMessage {
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
func (o *Outbox) hand(places []*Place) {
	if len(places) > 0 {
		o.Transport.Send(message(places))
	}
}

// message makes one message of what is in places: the frame itself, or an array.
func message(places []*Place) []byte {
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

func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
