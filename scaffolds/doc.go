// Package scaffolds writes what tower generates: a new application, the sample
// application, and models, controllers and views of an existing application.
//
// Every change is planned first. A [Plan] lists what happens to each file. Making
// one writes nothing; applying it writes everything or nothing. What was generated
// is recorded in .tower/manifest.json, so that [Destroy] removes exactly that.
//
// The applications are real trees, in app/ and demo/: they compile and pass their
// tests where they are, against the tower that they are part of.
package scaffolds
