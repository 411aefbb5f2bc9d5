package server

import "sync"

// An outbox holds what waits to be sent on a connection. At most one message is
// inside the transport; what is put meanwhile is joined into the next one. So
// the order is ours, bursts become few messages, and nothing is dropped unseen.
type outbox struct {
	send     func(message []byte) // hands one message to the transport; must not block
	overflow func()               // called once, when more than limit bytes wait
	limit    int

	mu    sync.Mutex
	queue []*place
	bytes int
	busy  bool
	full  bool
}

// A place in an outbox is a frame, or where one will be: what is put after it
// waits for it.
type place struct {
	frame []byte
	ready bool
}

// maxMessage bounds what is joined into one message, in bytes.
const maxMessage = 256 << 10

// put queues a frame.
func (o *outbox) put(frame []byte) { o.fill(o.reserve(), frame) }

// reserve takes the next place, which is to be filled soon.
func (o *outbox) reserve() *place {
	p := &place{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.queue = append(o.queue, p)
	}
	return p
}

// fill puts a frame into a place; nil gives the place up.
func (o *outbox) fill(p *place, frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p.frame, p.ready = frame, true
	if o.full {
		return
	}
	o.bytes += len(frame)
	if !o.busy {
		o.next()
	}
	if o.bytes > o.limit && len(o.queue) > 1 {
		o.full, o.queue, o.bytes = true, nil, 0
		go o.overflow()
	}
}

// sent is the transport's word that the last message is on its way.
func (o *outbox) sent() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = false
	o.next()
}

// next hands over the frames that are ready, as many as fit into a message.
func (o *outbox) next() {
	var frames [][]byte
	size := 0
	for len(o.queue) > 0 && o.queue[0].ready {
		frame := o.queue[0].frame
		if size > 0 && size+len(frame) > maxMessage {
			break
		}
		if frame != nil {
			frames = append(frames, frame)
			size += len(frame) + 1
			o.bytes -= len(frame)
		}
		o.queue = o.queue[1:]
	}
	if len(o.queue) == 0 {
		o.queue = nil
	}
	if len(frames) > 0 {
		o.busy = true
		o.send(join(frames, size))
	}
}

// join makes one message of frames: the frame itself, or an array.
func join(frames [][]byte, size int) []byte {
	if len(frames) == 1 {
		return frames[0]
	}
	message := append(make([]byte, 0, size+1), '[')
	for i, frame := range frames {
		if i > 0 {
			message = append(message, ',')
		}
		message = append(message, frame...)
	}
	return append(message, ']')
}

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
