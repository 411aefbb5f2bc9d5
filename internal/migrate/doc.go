// Package migrate compares an application's models with what a store remembers, and
// changes stored records by migrations.
//
// A migration is a list of steps with an id, which a store goes through once. A step sees
// one record at a time, as its members in JSON, so that it needs no struct of the past.
//
// # How records are migrated
//
// Nothing that is served changes while a migration runs. It prepares the records of the
// models that it changes in a second bucket, in batches, each in a transaction of its own:
// see [Prepare]. The process that has the store open may be this one or another, an older
// build that serves meanwhile: both are a [Source]. Records that change after they were
// prepared are stale, and are prepared again. The build that has the migration takes
// everything over in one transaction as it opens the store, so that every record is
// migrated, or none is. After a crash, what was prepared is still there.
package migrate
