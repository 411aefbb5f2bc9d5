package control

import (
	"encoding/json"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// migrate answers a build of the application that prepares its migrations while this one
// serves: what it prepares is seen by nobody until it opens the store itself.
func (c *console) migrate(req *wire.ControlRequest) (any, error) {
	switch req.Do {
	case wire.DoStale:
		in := wire.StaleRows{}
		if err := decodeInput(req, &in); err != nil {
			return nil, err
		}
		rows, next, err := c.app.Store().Stale(in.Key, store.Table{From: in.From, To: in.To}, record.ID(in.After), in.Limit)
		out := wire.StoredRows{Next: string(next), Rows: make([]wire.StoredRow, len(rows))}
		for i, row := range rows {
			out.Rows[i] = wire.StoredRow{ID: string(row.ID), Version: row.Version, Public: row.Public, Private: row.Private}
		}
		return out, err
	case wire.DoPrepare, wire.DoIndex:
		in := wire.PreparedRows{}
		if err := decodeInput(req, &in); err != nil {
			return nil, err
		}
		table := store.Table{To: in.To, Indexes: in.Indexes}
		if req.Do == wire.DoIndex {
			return c.app.Store().PrepareIndexes(in.Key, table)
		}
		for _, made := range in.Makes {
			table.Makes = append(table.Makes, store.Table{To: made.To, Indexes: made.Indexes})
		}
		rows := make([]store.Row, len(in.Rows))
		for i := range in.Rows {
			rows[i] = received(&in.Rows[i])
			for j := range in.Rows[i].Made {
				made := &in.Rows[i].Made[j]
				rows[i].Made = append(rows[i].Made, store.Made{Table: made.Table, Row: received(&made.StoredRow)})
			}
		}
		return nil, c.app.Store().Prepare(in.Key, table, rows)
	}
	if req.Do == wire.DoApprove {
		approval := store.Approval{}
		if err := decodeInput(req, &approval); err != nil {
			return nil, err
		}
		return nil, c.app.Approve(approval)
	}
	state, err := c.app.Store().Remembered()
	return wire.Remembered{Data: c.app.Config().Data, State: state}, err
}

func received(row *wire.StoredRow) store.Row {
	return store.Row{ID: record.ID(row.ID), Version: row.Version, Public: row.Public, Private: row.Private, Entries: row.Entries}
}

func decodeInput(req *wire.ControlRequest, into any) error {
	if err := json.Unmarshal(req.In, into); err != nil {
		return fault.Errorf(fault.BadRequest, "%s: %v", req.Do, err)
	}
	return nil
}
