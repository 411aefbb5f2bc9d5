//go:build linux

package tables

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

type level int

func (l level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "level%d", int(l)), nil }
func (l *level) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "level%d", (*int)(l))
	return err
}

type address struct {
	Street string   `json:"street"`
	Lat    float64  `json:"lat,omitempty"`
	Tags   []string `json:"tags"`
}

// An everything has a field of each type.
type everything struct {
	record.Record
	Text     string            `json:"text"`
	Name     string            `json:"name" tower:"unique"`
	Level    level             `json:"level"`
	Yes      bool              `json:"yes"`
	I        int               `json:"i"`
	I8       int8              `json:"i8"`
	I64      int64             `json:"i64,string"`
	U        uint              `json:"u"`
	U8       uint8             `json:"u8"`
	U64      uint64            `json:"u64"`
	F32      float32           `json:"f32"`
	F64      float64           `json:"f64"`
	At       time.Time         `json:"at" tower:"unique"`
	Owner    record.ID         `json:"owner" tower:"ref=everything,unique"`
	MayText  *string           `json:"mayText"`
	MayInt   *int16            `json:"mayInt"`
	MayWide  *uint64           `json:"mayWide"`
	MayTime  *time.Time        `json:"mayTime"`
	MayFloat *float32          `json:"mayFloat"`
	MayBool  *bool             `json:"mayBool"`
	Texts    []string          `json:"texts"`
	Ints     []int32           `json:"ints"`
	Wides    []uint64          `json:"wides"`
	Floats   []float32         `json:"floats"`
	Times    []time.Time       `json:"times"`
	Bools    []bool            `json:"bools"`
	Bytes    []byte            `json:"bytes"`
	Map      map[string]int    `json:"map"`
	Where    address           `json:"where"`
	Wheres   []address         `json:"wheres"`
	Maybe    *address          `json:"maybe"`
	Any      any               `json:"any"`
	Raw      json.RawMessage   `json:"raw"`
	Array    [2]int            `json:"array"`
	Secret   string            `json:"secret" tower:"private"`
	Secrets  map[string]string `json:"secrets,omitempty" tower:"private"`
	Omitted  string            `json:"omitted,omitempty"`
	Odd      string            `json:"Odd Ünd"`
}

func newModel(t testing.TB, name string, prototype any) *record.Model {
	t.Helper()
	m, err := record.NewModel(name, prototype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A bench is a set of tables in a database.
type bench struct {
	testing.TB
	*Set
	conn *pgx.Conn
	dsn  string
}

// newBench makes the tables of models in an empty database.
func newBench(t testing.TB, server *pgtest.Server, models ...*record.Model) *bench {
	t.Helper()
	set, err := New(models, "")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, Set: set, dsn: server.Database(t)}
	b.conn = b.connect()
	b.exec(b.conn, "CREATE SCHEMA tower; CREATE TABLE tower.commits (seq bigint)")
	b.migrate()
	return b
}

func (b *bench) connect() *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), b.dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (b *bench) exec(conn *pgx.Conn, sql string) {
	b.Helper()
	if _, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		b.Fatalf("%v\n%s", err, sql)
	}
}

func (b *bench) plan() *Plan {
	b.Helper()
	found, err := b.Find(context.Background(), b.conn)
	if err != nil {
		b.Fatal(err)
	}
	return b.Plan(found)
}

// migrate does what the plan says. Afterwards there is nothing to plan.
func (b *bench) migrate() *Plan {
	b.Helper()
	plan := b.plan()
	for _, s := range plan.Statements {
		b.exec(b.conn, s.SQL)
	}
	if again := b.plan(); len(again.Statements)+len(again.Problems) > 0 {
		b.Fatalf("after the plan there is more to do: %+v", again)
	}
	return plan
}

// write makes the changes as a node does.
func (b *bench) write(commits ...store.Appended) error {
	ctx := context.Background()
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SELECT set_config('tower.writer', 'on', true)")
	if err := b.Write(batch, commits); err != nil {
		return err
	}
	batch.Queue("COMMIT")
	err := b.conn.SendBatch(ctx, batch).Close()
	if err != nil {
		b.exec(b.conn, "ROLLBACK")
	}
	return err
}

// read returns all records, by model and id.
func (b *bench) read() map[string]store.Row {
	b.Helper()
	all := map[string]store.Row{}
	last := ""
	err := b.Read(context.Background(), b.conn, func(model string, rows []store.Row) error {
		for _, row := range rows {
			key := model + "/" + string(row.ID)
			if key <= last && last[:len(model)] == model {
				b.Errorf("%s comes after %s", key, last)
			}
			all[key], last = row, key
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}
