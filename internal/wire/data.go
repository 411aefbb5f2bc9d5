package wire

// An Import asks for records to be created from files on the application's machine.
type Import struct {
	Files   []ImportFile `json:"files"`
	DryRun  bool         `json:"dryRun,omitempty"`  // check the files alone
	Private bool         `json:"private,omitempty"` // they may have private fields
}

// An ImportFile is a file of one model's records.
type ImportFile struct {
	Path   string `json:"path"` // absolute
	Model  string `json:"model"`
	Format string `json:"format"` // "ndjson" or "csv"
}

// Imported says what was imported, or, if there are problems, why nothing was.
type Imported struct {
	Files    []ImportCount   `json:"files"` // in the order of the request
	Problems []ImportProblem `json:"problems,omitempty"`
	Found    int             `json:"found,omitempty"` // number of all problems
}

// An ImportCount is what came of one file.
type ImportCount struct {
	Created int `json:"created"` // or would be, if only checked
	Kept    int `json:"kept"`    // records that were there with the same values
}

// An ImportProblem is why a row cannot be imported.
type ImportProblem struct {
	File  int    `json:"file"` // its index
	Line  int    `json:"line"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}
