package form

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// A Receiver takes the content of a file that a form sends in a field. It returns the value of
// the field, or the problem with the file. It need not read all of it. An error says that the form cannot be read.
type Receiver func(field, name string, content io.Reader) (value, problem string, err error)

// ReadMultipart returns the values of a form that a browser sent as multipart/form-data, of
// which those that are no files have so many bytes in all. A file that was chosen is received,
// if there is a receiver for its field. Otherwise it is a problem of the field, and its content
// is not kept. An error says that the form cannot be read.
func ReadMultipart(parts *multipart.Reader, most int64, receivers map[string]Receiver) (url.Values, *record.Problems, error) {
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
		if isFile {
			err = receive(part, name, disposition["filename"], receivers[name], values, problems)
		} else {
			var value []byte
			value, err = io.ReadAll(io.LimitReader(part, most+1))
			if most -= int64(len(value)); most < 0 {
				err = errors.New("its values are too large")
			}
			values.Add(name, string(value))
		}
		if err != nil {
			return values, problems, unless(problems, fmt.Errorf("read the field %s: %w", name, err))
		}
	}
}

// receive reads a file of a form to its end.
func receive(part *multipart.Part, field, filename string, receiver Receiver, values url.Values, problems *record.Problems) error {
	content := bufio.NewReader(part)
	_, err := content.Peek(1)
	switch empty := errors.Is(err, io.EOF); {
	case empty && filename == "": // no file was chosen
		return nil
	case err != nil && !empty:
		return err
	case receiver == nil:
		problems.Add(field, "cannot be a file here")
	default:
		value, problem, err := receiver(field, filename, content)
		if err != nil {
			return err
		}
		if problem != "" {
			problems.Add(field, problem)
		} else {
			values.Add(field, value)
		}
	}
	_, err = io.Copy(io.Discard, content)
	return err
}

// unless returns err unless there are problems: they say more than a file that is too large.
func unless(problems *record.Problems, err error) error {
	if problems.Any() {
		return nil
	}
	return err
}
