package conformance

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed scripts
var scripts embed.FS

// A Script is a conversation of clients with a server.
type Script struct {
	Name  string // "resume"
	About string // its first comment
	acts  []act
}

// An act is one line of a script.
type act struct {
	line   int
	client string // "http" for a request outside of a connection
	do     string // connect, send, receive, close, closed
	method string // of a request
	path   string
	status int // that is expected, or a close code
	json   any // a frame or a body; nil: none
}

// Scripts returns the scripts of the protocol, in a fixed order.
func Scripts() ([]Script, error) {
	entries, err := fs.ReadDir(scripts, "scripts")
	if err != nil {
		return nil, err
	}
	var all []Script
	for _, entry := range entries {
		text, err := fs.ReadFile(scripts, "scripts/"+entry.Name())
		if err != nil {
			return nil, err
		}
		script, err := parse(strings.TrimSuffix(entry.Name(), ".txt"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		all = append(all, script)
	}
	return all, nil
}

func parse(name, text string) (Script, error) {
	s := Script{Name: name}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok || line == "" {
			if s.About == "" {
				s.About = strings.TrimSpace(comment)
			}
			continue
		}
		a, err := parseAct(line)
		if err != nil {
			return s, fmt.Errorf("line %d: %w", i+1, err)
		}
		a.line = i + 1
		s.acts = append(s.acts, a)
	}
	return s, nil
}

func parseAct(line string) (a act, err error) {
	client, rest, _ := strings.Cut(line, " ")
	sign, text, _ := strings.Cut(rest, " ")
	a.client = client
	switch {
	case sign == "connect" || sign == "close":
		a.do = sign
		return a, nil
	case sign == "→" && client == "http":
		a.do = "send"
		var body string
		a.method, body, _ = strings.Cut(text, " ")
		a.path, body, _ = strings.Cut(body, " ")
		if body == "" {
			return a, nil
		}
		text = body
	case sign == "→":
		a.do = "send"
	case sign == "←" && client == "http", sign == "←" && strings.HasPrefix(text, "close "):
		a.do = "receive"
		if client != "http" {
			a.do, text = "closed", strings.TrimPrefix(text, "close ")
		}
		code, body, found := strings.Cut(text, " ")
		if a.status, err = strconv.Atoi(code); err != nil || !found {
			return a, err
		}
		text = body
	case sign == "←":
		a.do = "receive"
	default:
		return a, fmt.Errorf("%q is none of connect, close, → and ←", sign)
	}
	if text == "not JSON" { // a message that no server can read
		return a, nil
	}
	a.json, err = decode([]byte(text))
	return a, err
}

func decode(data []byte) (v any, err error) {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w in %s", err, data)
	}
	return v, nil
}
