package wire

import "time"

// A MigrationReport is what an application says about its models and migrations against
// the records of its store, and about what it did with them.
type MigrationReport struct {
	Env     string `json:"env"`
	Data    string `json:"data"`              // path of the store's file
	Running bool   `json:"running,omitempty"` // another process has it open, and was spoken to
	Fresh   bool   `json:"fresh,omitempty"`   // there is no file yet

	Tables  []TableChange      `json:"tables,omitempty"`  // of the database that nodes share: what its tables need, or got
	Changes []ModelChange      `json:"changes,omitempty"` // of the models since the store was last opened
	Pending []PendingMigration `json:"pending,omitempty"`
	Renamed []StepReport       `json:"renamed,omitempty"` // by tags
	Done    []DoneMigration    `json:"done,omitempty"`
	Misfits []ModelMisfits     `json:"misfits,omitempty"` // records that do not fit, once everything is done
	Taken   []string           `json:"taken,omitempty"`   // values that are not unique, once everything is done
	Lost    []string           `json:"lost,omitempty"`    // what this build would have, and newer builds have dropped
	Refused string             `json:"refused,omitempty"` // why nothing was done, or would be

	Found []Finding `json:"found,omitempty"` // in the database that nodes share, for tower doctor

	Prepared map[string]int      `json:"prepared,omitempty"` // records by model, for the build that starts next
	Migrated []string            `json:"migrated,omitempty"` // ids of what was done now
	Seconds  float64             `json:"seconds,omitempty"`
	Suggest  *SuggestedMigration `json:"suggest,omitempty"`
	Copied   *Comparison         `json:"copied,omitempty"` // what was copied, and is the same on both sides
}

// A Comparison says what of a database and a file was compared, as of a commit.
type Comparison struct {
	Seq     uint64         `json:"seq"`
	Parts   []ComparedPart `json:"parts"`
	Waiting int            `json:"waiting,omitempty"` // records that no commit has yet, and that were not compared
}

// A ComparedPart is the records of a model, or commits.
type ComparedPart struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// A Finding is the result of one check of tower doctor.
type Finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, note or problem
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what the user can do
}

// A TableChange is a statement that brings a table in line with its model.
type TableChange struct {
	SQL  string `json:"sql"`
	Says string `json:"says"` // what it does
}

// A ModelChange is a difference between a model and what is stored.
type ModelChange struct {
	Kind  string `json:"kind"`
	Model string `json:"model"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

// A PendingMigration is what a migration does.
type PendingMigration struct {
	ID    string       `json:"id"`
	Steps []StepReport `json:"steps"`
}

// A StepReport is what one step does to the records. The numbers are zero in a report
// that did not read them.
type StepReport struct {
	Text    string `json:"text"`
	Records int    `json:"records"` // that it goes through
	Changed int    `json:"changed"`
	Made    int    `json:"made,omitempty"`  // records of another model, that it splits off
	Lost    int    `json:"lost"`            // whose value is lost
	Failed  int    `json:"failed"`          // on which it fails
	First   string `json:"first,omitempty"` // the first failure
}

// A DoneMigration is one that the store has been through.
type DoneMigration struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Records int       `json:"records"`
	Unknown bool      `json:"unknown,omitempty"` // this build does not have it
}

// ModelMisfits is what does not fit a model, or breaks a rule of its tags.
type ModelMisfits struct {
	Model   string        `json:"model"`
	Type    string        `json:"type"`
	Records int           `json:"records"`
	Broken  int           `json:"broken"` // that do not fit, or break a rule
	Unfit   int           `json:"unfit"`  // that do not fit: no list has them
	Fields  []FieldMisfit `json:"fields"`
}

// A FieldMisfit is what does not fit a field.
type FieldMisfit struct {
	Field   string   `json:"field"`
	Problem string   `json:"problem"`
	Records int      `json:"records"`
	First   []string `json:"first"` // ids
}

// A SuggestedMigration is the Go text of a migration that would mend what has changed.
type SuggestedMigration struct {
	Steps   []string `json:"steps"`             // expressions of tower.Step
	Funcs   []string `json:"funcs,omitempty"`   // functions that they use
	Imports []string `json:"imports,omitempty"` // of the functions
	Tags    []string `json:"tags,omitempty"`    // what a tag would do instead
}

// A MigrationLine is a line that an application writes for tower db. One field is set.
type MigrationLine struct {
	Progress string           `json:"progress,omitempty"`
	Report   *MigrationReport `json:"report,omitempty"`
	Error    string           `json:"error,omitempty"`
}

// What tower db asks an application for, in TOWER_MIGRATE.
const (
	MigrateStatus   = "status"
	MigratePlan     = "plan"
	MigrateRun      = "run"
	MigrateAccept   = "accept" // run, though records do not fit
	MigrateRehearse = "rehearse"
	MigrateCopy     = "copy"    // and a space, and where to: the address of a database, or a file
	Examine         = "examine" // for tower doctor: the database that nodes share
)

// The requests of a process that migrates the store of another.
const (
	DoRemembered = "remembered" // → Remembered
	DoStale      = "stale"      // In: StaleRows → Rows
	DoPrepare    = "put rows"   // In: PreparedRows → null
	DoIndex      = "index rows" // In: PreparedRows without rows → whether all indexes of what was prepared have been built
	DoApprove    = "approve"    // In: what the build that starts next may do, as the store encodes it → null
)

// Remembered is what a store states about the builds that have opened it.
type Remembered struct {
	Data  string `json:"data"`  // path of the file
	State any    `json:"state"` // as the store encodes it
}

// StaleRows asks for records that are not prepared.
type StaleRows struct {
	Key   string `json:"key"`
	From  string `json:"from"`
	To    string `json:"to"`
	After string `json:"after"`
	Limit int    `json:"limit"`
}

// StoredRows are stored records, or what was prepared of them.
type StoredRows struct {
	Rows []StoredRow `json:"rows"`
	Next string      `json:"next"` // the id after which to go on; "" at the end
}

// A StoredRow is a record as it is stored.
type StoredRow struct {
	ID      string    `json:"id"`
	Version uint64    `json:"version"`
	Public  []byte    `json:"public"`
	Private []byte    `json:"private"`
	Entries []byte    `json:"entries,omitempty"` // what indexes have of a prepared row, as the store encodes it
	Made    []MadeRow `json:"made,omitempty"`    // of a prepared row
}

// A MadeRow is a record that is made of another one.
type MadeRow struct {
	Table int `json:"table"` // of those that PreparedRows makes
	StoredRow
}

// A PreparedTable names where prepared rows go.
type PreparedTable struct {
	To      string   `json:"to"`
	Indexes []string `json:"indexes,omitempty"` // the names of all
}

// PreparedRows are rows to store for a migration.
type PreparedRows struct {
	Key string `json:"key"`
	PreparedTable
	Makes []PreparedTable `json:"makes,omitempty"` // for the records that are made of the rows
	Rows  []StoredRow     `json:"rows,omitempty"`
}
