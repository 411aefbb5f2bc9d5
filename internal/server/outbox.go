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
	queue [][]byte
	bytes int
	busy  bool
	full  bool
}

// maxMessage bounds what is joined into one message, in bytes.
const maxMessage = 256 << 10

func (o *outbox) put(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.full:
	case !o.busy:
		o.busy = true
		o.send(frame)
	case o.bytes+len(frame) > o.limit && o.bytes > 0:
		o.full, o.queue, o.bytes = true, nil, 0
		go o.overflow()
	default:
		o.queue = append(o.queue, frame)
		o.bytes += len(frame)
	}
}

// sent is the transport's word that the last message is on its way.
func (o *outbox) sent() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.busy, o.queue = false, nil
		return
	}
	o.send(o.next())
}

// next joins the waiting frames, as many as fit into a message.
func (o *outbox) next() []byte {
	if len(o.queue) == 1 {
		frame := o.queue[0]
		o.queue, o.bytes = nil, 0
		return frame
	}
	message := make([]byte, 0, min(o.bytes+len(o.queue)+2, maxMessage))
	message = append(message, '[')
	taken := 0
	for _, frame := range o.queue {
		if taken > 0 {
			if len(message)+len(frame) > maxMessage {
				break
			}
			message = append(message, ',')
		}
		message = append(message, frame...)
		taken++
		o.bytes -= len(frame)
	}
	o.queue = o.queue[taken:]
	return append(message, ']')
}

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
