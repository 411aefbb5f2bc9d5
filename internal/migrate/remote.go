package migrate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"time"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Remote is the store of an application that runs, reached by its control socket.
type Remote struct {
	conn  net.Conn
	lines *bufio.Reader
	last  uint64
	end   func() bool
}

// dial returns the store of the application that has the file at data open, nil if none
// answers on the socket, or if that has another file.
func dial(ctx context.Context, socket, data string) (*Remote, error) {
	if err := private.CheckSocket(socket); errors.Is(err, fs.ErrNotExist) {
		return nil, ctx.Err()
	} else if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, ctx.Err()
	}
	r := &Remote{conn: conn, lines: bufio.NewReader(conn)}
	r.end = context.AfterFunc(ctx, func() { _ = conn.Close() })
	var found wire.Remembered
	if err := r.do(wire.ControlRequest{Do: wire.DoRemembered}, nil, &found); err != nil {
		return nil, errors.Join(fmt.Errorf("the application that runs cannot be migrated: %w", err), r.Close())
	}
	if !sameFile(found.Data, data) {
		return nil, r.Close()
	}
	return r, nil
}

func sameFile(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	if errA != nil || errB != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(a); err == nil {
		a = real
	}
	if real, err := filepath.EvalSymlinks(b); err == nil {
		b = real
	}
	return a == b
}

// Close disconnects.
func (r *Remote) Close() error {
	if !r.end() {
		return nil
	}
	return r.conn.Close()
}

// do sends a request with the input in, and decodes the answer into out.
func (r *Remote) do(req wire.ControlRequest, in, out any) (err error) {
	r.last++
	req.ID = r.last
	if in != nil {
		if req.In, err = json.Marshal(in); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(r.conn).Encode(req); err != nil {
		return fmt.Errorf("the application has gone: %w", err)
	}
	line, err := r.lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the application has gone: %w", err)
	}
	var reply wire.ControlReply
	if err := json.Unmarshal(line, &reply); err != nil {
		return fmt.Errorf("the application answered what is no reply: %w", err)
	}
	if reply.Error != nil {
		return errors.New(reply.Error.Message)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(reply.OK, out)
}

// Remembered returns what the store states about earlier builds.
func (r *Remote) Remembered(context.Context) (state store.Remembered, err error) {
	found := wire.Remembered{State: &state}
	err = r.do(wire.ControlRequest{Do: wire.DoRemembered}, nil, &found)
	return state, err
}

// Stale returns records that are not prepared: see [store.Store.Stale].
func (r *Remote) Stale(_ context.Context, key string, t store.Table, after record.ID, limit int) ([]store.Row, record.ID, error) {
	var found wire.StoredRows
	err := r.do(wire.ControlRequest{Do: wire.DoStale}, wire.StaleRows{Key: key, From: t.From, To: t.To, After: string(after), Limit: limit}, &found)
	rows := make([]store.Row, len(found.Rows))
	for i, row := range found.Rows {
		rows[i] = store.Row{ID: record.ID(row.ID), Version: row.Version, Public: row.Public, Private: row.Private}
	}
	return rows, record.ID(found.Next), err
}

// Prepare stores rows: see [store.Store.Prepare].
func (r *Remote) Prepare(_ context.Context, key string, t store.Table, rows []store.Row) error {
	in := wire.PreparedRows{Key: key, PreparedTable: wire.PreparedTable{To: t.To, Indexes: t.Indexes}, Rows: make([]wire.StoredRow, len(rows))}
	for _, made := range t.Makes {
		in.Makes = append(in.Makes, wire.PreparedTable{To: made.To, Indexes: made.Indexes})
	}
	for i := range rows {
		in.Rows[i] = sent(&rows[i])
		for j := range rows[i].Made {
			made := &rows[i].Made[j]
			in.Rows[i].Made = append(in.Rows[i].Made, wire.MadeRow{Table: made.Table, StoredRow: sent(&made.Row)})
		}
	}
	return r.do(wire.ControlRequest{Do: wire.DoPrepare}, in, nil)
}

func sent(row *store.Row) wire.StoredRow {
	return wire.StoredRow{ID: string(row.ID), Version: row.Version, Public: row.Public, Private: row.Private, Entries: row.Entries}
}

// PrepareIndexes builds a part of the indexes: see [store.Store.PrepareIndexes].
func (r *Remote) PrepareIndexes(_ context.Context, key string, t store.Table) (done bool, err error) {
	err = r.do(wire.ControlRequest{Do: wire.DoIndex}, wire.PreparedRows{Key: key, PreparedTable: wire.PreparedTable{To: t.To, Indexes: t.Indexes}}, &done)
	return done, err
}

// Approve notes what the build that starts next may do.
func (r *Remote) Approve(a store.Approval) error {
	return r.do(wire.ControlRequest{Do: wire.DoApprove}, a, nil)
}

// copy has the application copy its file to path, which must be absolute.
func (r *Remote) copy(path string) error {
	return r.do(wire.ControlRequest{Do: wire.DoCopy, Key: path}, nil, nil)
}
