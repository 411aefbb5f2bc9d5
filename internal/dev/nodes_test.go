package dev

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNodes runs the application on three nodes, and replaces its build and kills one of them
// meanwhile. No request is refused, and each build is served by all nodes in the end.
func TestNodes(t *testing.T) {
	t.Parallel()
	s := serveNodes(t, "development", "version 1", 3)
	await := func(build string) map[string]int {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			replicas := map[string]int{}
			for range 9 {
				status, text, err := s.request("GET", "/replica", "")
				if err != nil || status != 200 {
					t.Fatalf("%d %q %v", status, text, err)
				}
				replicas[text]++
			}
			if len(replicas) == 3 && !slices.ContainsFunc(slices.Collect(maps.Keys(replicas)), func(text string) bool { return !strings.HasPrefix(text, build+" ") }) {
				return replicas
			}
			if time.Now().After(deadline) {
				t.Fatalf("requests come to %v", replicas)
			}
		}
	}
	s.serves(1)
	await("1") // they have joined
	first := await("1")
	for _, want := range []string{"1 . ", "1 development.replica.2.db nodes", "1 development.replica.3.db nodes"} {
		if first[want] != 3 {
			t.Errorf("%q answers %d of 9 requests: %v", want, first[want], first)
		}
	}
	s.write("main.go", "version 2")
	s.serves(2)
	await("2")
	for range 3 { // whichever it meets
		_, _, _ = s.request("POST", "/die", "") // it is not answered
		await("2")
	}
}

func TestPrefixed(t *testing.T) {
	var out bytes.Buffer
	p := &prefixed{out: &out, prefix: "2  "}
	for _, text := range []string{"a", "b\nc", "\n", "\n"} {
		if _, err := fmt.Fprint(p, text); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); got != "2  ab\n2  c\n2  \n" {
		t.Errorf("%q", got)
	}
}
