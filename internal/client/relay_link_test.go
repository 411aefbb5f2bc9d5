package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A link is a client's, over a stream or over polls, as internal/wire describes
// them; on a network that loses nothing.
type link struct {
	number  int
	out     chan string   // deliveries
	dropped chan struct{} // closed when it is to break
	drop1   sync.Once

	mu    sync.Mutex
	sent  int // messages
	taken int // batches
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

func (l *link) drop() { l.drop1.Do(func() { close(l.dropped) }) }

func (r *relay) openLink(req *http.Request) (*link, string) {
	l := &link{out: make(chan string, 1000), dropped: make(chan struct{})}
	r.mu.Lock()
	id := fmt.Sprintf("LINK%d", len(r.links))
	r.links[id] = l
	r.mu.Unlock()
	l.number = r.joined(l, req)
	return l, id
}

func (r *relay) serveStream(w http.ResponseWriter, req *http.Request) {
	if r.refuses(w) {
		return
	}
	r.open.Add(1)
	defer r.open.Done()
	l, id := r.openLink(req)
	defer r.left(l.number)
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
		r.left(l.number)
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
		r.left(l.number)
	} else if !again {
		for _, frame := range batch.Frames {
			r.tell(event{Link: l.number, Event: "message", Message: string(frame)})
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// link finds a link that is open, or answers that there is none.
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
