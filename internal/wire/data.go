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

// An Erase asks what the erasure of a record would do, or for the erasure.
type Erase struct {
	Key string `json:"key"` // "users/01J…", or the id alone
	Run bool   `json:"run"`
}

// An Erasure is what an erasure will do, and, once it is done, the proof.
type Erasure struct {
	Key     string         `json:"key"`     // "users/01J…"
	Deleted map[string]int `json:"deleted"` // records by model
	Cleared map[string]int `json:"cleared"` // references by field: "posts.editorId"
	Content int            `json:"content"` // files of the records, and uploads, that are removed
	Files   []string       `json:"files"`   // with older states, that are removed
	Archive string         `json:"archive"` // whose content a new backup replaces; "" if there is none
	Begun   bool           `json:"begun"`   // an earlier erasure of it was not completed
	Proof   *ErasureProof  `json:"proof,omitempty"`
}

// An ErasureProof says what was searched for, and where it was not found.
type ErasureProof struct {
	IDs      int      `json:"ids"`
	Texts    int      `json:"texts"`
	Short    int      `json:"short"`    // texts that are too short to be searched for
	Shared   []string `json:"shared"`   // texts that other records have too
	Files    int      `json:"files"`    // that were searched
	Bytes    int64    `json:"bytes"`    // in them
	Removed  []string `json:"removed"`  // files
	Replaced int      `json:"replaced"` // files of the archive that one backup has replaced
}
