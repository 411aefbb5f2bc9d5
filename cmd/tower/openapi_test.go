package main

import (
	"context"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rogpeppe/go-internal/testscript"
)

// checkOpenAPI is the command "openapi FILE" of scripts: it validates a document.
func checkOpenAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: openapi FILE")
	}
	ts.Check(validOpenAPI(ts.MkAbs(args[0])))
}

// writeBoard is the command "sample" of scripts: it writes the application of tower demo into
// the folder board.
func writeBoard(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sample")
	}
	_, err := writeSample(ts.MkAbs("."))
	ts.Check(err)
}

func validOpenAPI(file string) error {
	document, err := openapi3.NewLoader().LoadFromFile(file)
	if err == nil {
		err = document.Validate(context.Background())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
