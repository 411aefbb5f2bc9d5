package storetest

import (
	"bytes"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A foreign is a transaction of another program, as one record: its model, and its public and
// private JSON; no JSON if it was deleted.
type foreign struct {
	key             record.Key
	public, private []byte
	gone            *store.Row // what the record was before; nil if there was none
}

// Foreign reports whether other programs have written something that has no number.
func (n *Node) Foreign() bool { return len(n.log.waiting()) > 0 }

func (l *Log) waiting() []foreign {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.inbox)
}

// Foreign returns what other programs have written.
func (t *turn) Foreign() []store.Foreign {
	var all []store.Foreign
	for _, f := range t.foreign {
		image := func(m *record.Model, _ *record.Image) (*record.Image, error) {
			if f.public == nil {
				return nil, nil
			}
			return &record.Image{Model: m, ID: f.key.ID, JSON: f.public, Private: f.private}, nil
		}
		all = append(all, store.Foreign{{Model: f.key.Model.Name, ID: f.key.ID, Image: image}})
	}
	return all
}

// overtaken reports whether a program that comes after the first ones in the inbox has written
// a record of the commits.
func (l *Log) overtaken(commits []store.Appended, first int) bool {
	for _, f := range l.inbox[first:] {
		for i := range commits {
			for _, c := range commits[i].Changes {
				if c.Model.Name == f.key.Model.Name && c.ID == f.key.ID {
					return true
				}
			}
		}
	}
	return false
}

// left reports whether the row of a change is as the program that made the change has left it.
func (l *Log) left(c store.Change) bool {
	row, there := l.rows[c.Model.Name][c.ID]
	return there && bytes.Equal(row.Public, c.After.JSON) && bytes.Equal(row.Private, c.After.Private)
}

// Program returns another program that writes the records of the suite to the log's rows.
func (l *Log) Program(accounts *record.Model) Program { return &program{l, accounts} }

type program struct {
	log      *Log
	accounts *record.Model
}

func (p *program) write(id record.ID, change func(*account) *account) error {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	a, row := &account{}, l.rows[p.accounts.Name][id]
	var gone *store.Row
	if row.Public != nil {
		v, err := (&record.Image{Model: p.accounts, ID: id, JSON: row.Public, Private: row.Private}).Copy()
		if err != nil {
			return err
		}
		a, gone = v.(*account), &row
	}
	a.ID = id
	if a = change(a); a == nil {
		delete(l.rows[p.accounts.Name], id)
		l.inbox = append(l.inbox, foreign{key: record.Key{Model: p.accounts, ID: id}, gone: gone})
		return nil
	}
	image, err := p.accounts.Freeze(a, nil)
	if err != nil {
		return err
	}
	l.put(store.Change{Model: p.accounts, ID: id, After: image}, row.Version)
	l.inbox = append(l.inbox, foreign{record.Key{Model: p.accounts, ID: id}, image.JSON, image.Private, gone})
	l.tell(nil)
	return nil
}

func (p *program) Put(id record.ID, owner, group string) error {
	return p.write(id, func(a *account) *account {
		a.Owner, a.Group = owner, group
		return a
	})
}

func (p *program) Add(id record.ID) error {
	return p.write(id, func(a *account) *account {
		a.Balance++
		return a
	})
}

func (p *program) Delete(id record.ID) error {
	return p.write(id, func(*account) *account { return nil })
}
