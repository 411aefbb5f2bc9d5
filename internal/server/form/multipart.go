package form

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// ReadMultipart returns the values of a form that a browser sent as multipart/form-data. An
// action takes no files: each file that was chosen is a problem of its field, and its
// contents are not kept. An error says that the form cannot be read.
func ReadMultipart(parts *multipart.Reader) (url.Values, *record.Problems, error) {
	values, problems := url.Values{}, &record.Problems{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return values, problems, nil
		}
		if err != nil {
			return values, problems, unless(problems, fmt.Errorf("read the form: %w", err))
		}
		kind, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		name := disposition["name"]
		if err != nil || kind != "form-data" || name == "" {
			return values, problems, errors.New("a part of the form has no name")
		}
		_, isFile := disposition["filename"]
		if strings.HasPrefix(strings.ToLower(part.Header.Get("Content-Type")), "multipart/") {
			isFile = true // several files in one part
		}
		if !isFile {
			value, err := io.ReadAll(part)
			if err != nil {
				return values, problems, unless(problems, fmt.Errorf("read the field %s: %w", name, err))
			}
			values.Add(name, string(value))
			continue
		}
		size, err := io.Copy(io.Discard, part)
		if size > 0 || disposition["filename"] != "" { // otherwise no file was chosen
			problems.Add(name, "cannot be a file here")
		}
		if err != nil {
			return values, problems, unless(problems, fmt.Errorf("read the field %s: %w", name, err))
		}
	}
}

// unless returns err unless there are problems: they say more than a file that is too large.
func unless(problems *record.Problems, err error) error {
	if problems.Any() {
		return nil
	}
	return err
}
