package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A link is the link of one client over a stream or polls, as internal/wire documents
// them. It assumes a network that loses nothing.
type link struct {
	number   int
	out      chan string   // deliveries
	dropped  chan struct{} // closed to break the link
	dropOnce sync.Once

	mu    sync.Mutex
	sent  int // number of messages
	taken int // number of batches
}

func (l *link) send(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.out <- fmt.Sprintf(`{"number":%d,"message":%s}`, l.sent, message)
}

func (l *link) end(code int, reason string) {
	l.out <- fmt.Sprintf(`{"end":{"code":%d,"reason":%q}}`, code, reason)
}

func (l *link) drop() { l.dropOnce.Do(func() { close(l.dropped) }) }

func (r *relay) openLink(req *http.Request) (*link, string) {
	l := &link{out: make(chan string, 1000), dropped: make(chan struct{})}
	r.mu.Lock()
	id := fmt.Sprintf("LINK%d", len(r.links))
	r.links[id] = l
	r.mu.Unlock()
	l.number = r.join(l, req)
	return l, id
}

func (r *relay) serveStream(w http.ResponseWriter, req *http.Request) {
	if r.refuses(w) {
		return
	}
	r.open.Add(1)
	defer r.open.Done()
	l, id := r.openLink(req)
	defer r.leave(l.number)
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "data: {\"link\":%q}\n\n", id)
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case delivery := <-l.out:
			fmt.Fprintf(w, "data: %s\n\n", delivery)
		case <-l.dropped:
			panic(http.ErrAbortHandler)
		case <-req.Context().Done():
			return
		}
	}
}

func (r *relay) servePoll(w http.ResponseWriter, req *http.Request) {
	var poll struct {
		Link string
		Wait int
	}
	if r.refuses(w) || json.NewDecoder(req.Body).Decode(&poll) != nil {
		return
	}
	if poll.Link == "" {
		_, id := r.openLink(req)
		fmt.Fprintf(w, `{"link":%q}`, id)
		return
	}
	l := r.link(w, poll.Link)
	if l == nil {
		return
	}
	r.open.Add(1)
	defer r.open.Done()
	select {
	case delivery := <-l.out:
		fmt.Fprint(w, delivery)
	case <-l.dropped:
		r.leave(l.number)
		panic(http.ErrAbortHandler)
	case <-time.After(time.Duration(poll.Wait) * time.Second):
		fmt.Fprint(w, "{}")
	case <-req.Context().Done():
	}
}

func (r *relay) serveBatch(w http.ResponseWriter, req *http.Request) {
	var batch struct {
		Link   string
		Number int
		Frames []json.RawMessage
		End    bool
	}
	if json.NewDecoder(req.Body).Decode(&batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l := r.link(w, batch.Link)
	if l == nil {
		return
	}
	l.mu.Lock()
	again := batch.Number <= l.taken
	l.taken = max(l.taken, batch.Number)
	l.mu.Unlock()
	if batch.End {
		r.leave(l.number)
	} else if !again {
		for _, frame := range batch.Frames {
			r.emit(event{Link: l.number, Event: "message", Message: string(frame)})
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// link returns an open link. If there is none, it sends a 404 and returns nil.
func (r *relay) link(w http.ResponseWriter, id string) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	if l == nil || r.clients[l.number] == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"not_found","message":"there is no such link"}}`)
		return nil
	}
	return l
}
