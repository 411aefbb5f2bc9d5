package control

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/schema"
	"github.com/towerkit/tower/internal/wire"
)

// A console is one client of the control socket. The goroutine that answers requests
// owns its fields, unless they are noted otherwise.
type console struct {
	app *server.App
	by  string // the author of its commits: "console:ada"

	write sync.Mutex // guards out
	out   *bufio.Writer

	largest      int                     // bytes of an answer or an event; 0: maxAnswer
	transactions map[uint64]*transaction // the open transactions, by number
	lastTx       uint64
	watching     bool // of the goroutine that reads requests
	streams      map[uint64]*stream
	opened       []*stream      // opened by the current request; they do not run yet
	silent       []string       // the other nodes that have not answered the current request
	running      sync.WaitGroup // goroutines that send events

	mu      sync.Mutex
	pending map[uint64]context.CancelFunc // cancels the unanswered requests
}

// serve reads the requests of one console until it disconnects.
func (c *Server) serve(conn net.Conn) {
	ctx, cancel := context.WithCancel(c.app.Context())
	client := &console{app: c.app, by: "console", out: bufio.NewWriter(conn), transactions: map[uint64]*transaction{}, streams: map[uint64]*stream{},
		pending: map[uint64]context.CancelFunc{}}
	requests := make(chan queuedRequest, maxQueuedRequests)
	var answering sync.WaitGroup
	answering.Go(func() { client.answerAll(requests) })
	defer func() {
		cancel()
		_ = conn.Close()
		close(requests)
		answering.Wait()
		for _, s := range client.streams {
			s.End(outbox.CloseNormal, "the console disconnected")
		}
		client.running.Wait()
		c.mu.Lock()
		delete(c.clients, conn)
		c.mu.Unlock()
	}()
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), wire.MaxControlRequest+1) // and the line break
	for lines.Scan() {
		req := &wire.ControlRequest{}
		if err := json.Unmarshal(lines.Bytes(), req); err != nil {
			client.reply(wire.ControlReply{Error: fault.Errorf(fault.BadRequest, "not a request: %v", err).Wire()})
			continue
		}
		if req.Do == wire.DoCancel {
			client.cancel(req.ID)
			continue
		}
		if req.Do == wire.DoWatch && !client.watching {
			client.watching = true
			watcher := c.app.Subscribe()
			client.running.Go(func() { client.events(ctx, watcher) })
		}
		requests <- queuedRequest{client.enqueue(ctx, req.ID), req}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		client.reply(wire.ControlReply{Error: fault.Errorf(fault.TooLarge, "a request has at most %d bytes", wire.MaxControlRequest).Wire()})
	}
}

// answer runs a request and replies to it.
func (c *console) answer(ctx context.Context, req *wire.ControlRequest) {
	ctx = requestid.With(ctx, requestid.New())
	reply := wire.ControlReply{ID: req.ID}
	var out any
	c.silent = nil
	err := ctx.Err() // it may have been canceled while it waited
	if err == nil {
		err = fault.Recover(req.Do, func() (err error) {
			out, err = c.dispatch(ctx, req)
			return err
		})
	}
	if err == nil {
		err = c.checkSize(out)
	}
	if err == nil {
		reply.Silent = c.silent
		reply.OK, err = json.Marshal(out)
	}
	if err != nil {
		coded := c.app.Report(ctx, "request", err)
		reply.Error, reply.OK = coded.Wire(), nil
		if coded.Code == fault.Internal {
			reply.Error.Message = briefly(err) // the owner of the application may see it
		}
	}
	c.reply(reply)
}

// briefly returns the text of an error. It omits the stack of a panic, which is in the
// log.
func briefly(err error) string {
	var panicked *fault.Panic
	if errors.As(err, &panicked) {
		return fmt.Sprintf("panic in %s: %v; the server's log has the stack", panicked.What, panicked.Value)
	}
	return err.Error()
}

// maxAnswer is the most bytes of an answer or an event.
const maxAnswer = 64 << 20

func (c *console) most() int { return cmp.Or(c.largest, maxAnswer) }

func (c *console) tooMuch() error {
	return fmt.Errorf("it has more than %d MiB; ask for parts of it, with where, or with limit and offset", c.most()>>20)
}

// checkSize returns an error for records that are too large for an answer.
func (c *console) checkSize(out any) error {
	records, _ := out.([]json.RawMessage)
	size := 0
	for _, record := range records {
		if size += len(record); size > c.most() {
			return fault.Errorf(fault.TooLarge, "the answer cannot be sent: %v", c.tooMuch())
		}
	}
	return nil
}

// deepest is the most levels of JSON that the console's decoder reads.
const deepest = 10_000

// reply sends a reply or an event. If JSON cannot carry it, such as a record that is
// nested too deeply within it, reply sends the error in its place and returns false.
func (c *console) reply(reply wire.ControlReply) (sent bool) {
	data, err := json.Marshal(reply)
	if err == nil && len(data) > 2*deepest && !json.Valid(data) { // valid in its parts only
		err = fmt.Errorf("it has more than %d levels", deepest)
	}
	if err == nil && len(data) > c.most() {
		err = c.tooMuch()
	}
	if sent = err == nil; !sent {
		data, _ = json.Marshal(unsent(reply, fault.Errorf(fault.TooLarge, "the answer cannot be sent: %v", err))) // texts and numbers
	}
	c.write.Lock()
	defer c.write.Unlock()
	_, _ = c.out.Write(append(data, '\n'))
	_ = c.out.Flush() // the reader notices a client that is gone
	return sent
}

// unsent returns what to send in place of a reply or an event that could not be encoded.
func unsent(reply wire.ControlReply, err error) wire.ControlReply {
	switch {
	case reply.Event == nil:
		return wire.ControlReply{ID: reply.ID, Error: fault.As(err).Wire()}
	case reply.Event.Stream != nil:
		closed := &wire.StreamClosed{Code: outbox.CloseInternal, Reason: err.Error()}
		return wire.ControlReply{Event: &wire.ControlEvent{Stream: &wire.StreamEvent{Stream: reply.Event.Stream.Stream, Closed: closed}}}
	}
	return wire.ControlReply{Event: &wire.ControlEvent{Missed: 1}}
}

// dispatch runs a request and returns its result.
func (c *console) dispatch(ctx context.Context, req *wire.ControlRequest) (any, error) {
	switch req.Do {
	case wire.DoHello:
		if req.By != "" {
			c.by = req.By
		}
		return c.hello(), nil
	case wire.DoWatch:
		return nil, nil
	case wire.DoConnections:
		return ofAll(ctx, c, req, c.describeConnections(), func(info *wire.ConnectionInfo, node int) { info.Node = node }), nil
	case wire.DoNodes:
		return c.describeNodes(), nil
	case wire.DoSessions:
		own, err := c.app.Sessions(record.ID(req.As))
		return mergeSessions(ofAll(ctx, c, req, own, func(*wire.SessionInfo, int) {})), err
	case wire.DoEndSession:
		return nil, c.endSession(ctx, req)
	case wire.DoCursors:
		return ofAll(ctx, c, req, c.describeCursors(), func(info *wire.CursorInfo, node int) { info.Node = node }), nil
	case wire.DoJobs:
		return c.describeJobs(ctx, req)
	case wire.DoJob, wire.DoWaiting, wire.DoChangeJob, wire.DoRunJob:
		return c.job(ctx, req)
	case wire.DoSettings:
		return c.describeSettings(), nil
	case wire.DoRoutes:
		return c.addHolders(ctx, req, c.describeRoutes(func(*route.Route) bool { return true })), nil
	case wire.DoAllowed:
		return c.allowed(ctx, req)
	case wire.DoCheck:
		return c.check(ctx)
	case wire.DoCopy:
		return c.copyStore(req.Key)
	case wire.DoCompact:
		return c.compact(ctx, req)
	case wire.DoImport:
		return c.importFiles(ctx, req)
	case wire.DoSeed:
		return nil, c.seed(ctx)
	case wire.DoErase:
		return c.erase(ctx, req)
	case wire.DoDigest:
		return c.digest(ctx, req.Key)
	case wire.DoProfile:
		return c.profile(ctx, req)
	case wire.DoArchive:
		return c.archive(), nil
	case wire.DoRemembered, wire.DoStale, wire.DoPrepare, wire.DoIndex, wire.DoApprove:
		return c.migrate(req)
	case wire.DoSchema:
		return schema.Of(c.app.Config().Models, c.app.Router().Routes), nil
	case wire.DoWait:
		seq, err := parseSeq(req.Key)
		if err != nil {
			return nil, err
		}
		return nil, c.app.Engine().Wait(ctx, seq)
	case wire.DoOpen:
		return nil, c.openStream(ctx, req)
	case wire.DoClose:
		return nil, c.closeStream(req.Stream)
	case wire.DoBegin, wire.DoCommit, wire.DoRollback:
		return c.transaction(ctx, req)
	case wire.DoDiff:
		return c.diff(ctx, req)
	case wire.DoImpact:
		return c.impact(ctx, req)
	case wire.DoUndo:
		return c.undo(ctx, req)
	case wire.DoReveal:
		return c.reveal(ctx, req)
	case wire.DoLog:
		return c.log(ctx, req)
	case wire.DoCall:
		return c.call(ctx, req)
	case wire.DoWhy:
		return c.why(ctx, req)
	case wire.DoValue, wire.DoIncluded:
		return c.readAs(ctx, req)
	}
	if req.Name != "" && (req.Do == wire.DoQuery || req.Do == wire.DoCount) {
		return c.readAs(ctx, req)
	}
	m := c.app.Store().Model(req.Model)
	if m == nil {
		if !isRecordRequest(req.Do) {
			return nil, fault.Errorf(fault.BadRequest, "there is no request %q", req.Do)
		}
		return nil, fault.Errorf(fault.NotFound, "there is no model %q", req.Model)
	}
	return c.recordRequest(ctx, m, req)
}
