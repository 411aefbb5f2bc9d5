package answer

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strings"
	"time"
)

// A Kind is what an Answer consists of.
type Kind string

// The kinds of answers.
const (
	KindRedirect Kind = "redirect"
	KindText     Kind = "text"
	KindHTML     Kind = "html"
	KindStatus   Kind = "status"
	KindFile     Kind = "file"
	KindStream   Kind = "stream"
)

// An Answer is the result of an action or a page that is not JSON and not a view. All but
// files and streams can be stored as JSON.
type Answer struct {
	Kind     Kind        `json:"kind"`
	Status   int         `json:"status,omitempty"` // 0: the usual one of its kind
	Header   http.Header `json:"header,omitempty"` // besides those of its kind
	Location string      `json:"location,omitempty"`
	Text     string      `json:"text,omitempty"`

	Name     string                `json:"-"` // of a file or a stream
	Type     string                `json:"-"` // "": by the name
	Inline   bool                  `json:"-"` // a browser shows it instead of saving it
	Content  io.ReadSeeker         `json:"-"` // of a file; closed if it can be
	Modified time.Time             `json:"-"`
	Write    func(io.Writer) error `json:"-"` // of a stream

	Err error `json:"-"` // why it cannot be given
}

// Of returns the Answer in the result of an action or a page, nil if the result is none.
// Package tower sets it, and Type, the type that it looks for.
var (
	Of   = func(any) *Answer { return nil }
	Type reflect.Type
)

// ErrNotLocal is the error of a redirect that would leave the application.
var ErrNotLocal = errors.New("a redirect leads to a path of this application, such as /posts")

// Redirect returns an answer that leads to a path of this application. A path of another
// site is an error.
func Redirect(to string) *Answer {
	a := &Answer{Kind: KindRedirect, Location: to}
	if !IsLocal(to) {
		a.Err = fmt.Errorf("%w, and not to %q", ErrNotLocal, to)
	}
	return a
}

// RedirectExternal returns an answer that leads to an address of any site.
func RedirectExternal(to string) *Answer {
	a := &Answer{Kind: KindRedirect, Location: to}
	if target, err := url.Parse(to); err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" {
		a.Err = fmt.Errorf("%q is not an address such as https://example.com/path", to)
	}
	return a
}

// IsLocal reports whether a browser takes to for a path of the site it is on.
func IsLocal(to string) bool {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return false
	}
	target, err := url.Parse(to)
	return err == nil && target.Host == "" && target.Scheme == ""
}

// IsFile reports whether only an HTTP response can carry the answer.
func (a *Answer) IsFile() bool { return a.Kind == KindFile || a.Kind == KindStream }

// Code returns the status of the answer.
func (a *Answer) Code() int {
	switch {
	case a.Status != 0:
		return a.Status
	case a.Kind == KindRedirect:
		return http.StatusSeeOther
	}
	return http.StatusOK
}

// Out returns what a call over a socket receives as its output.
func (a *Answer) Out() any {
	if a.Kind == KindText || a.Kind == KindHTML {
		return a.Text
	}
	return nil
}

// Check returns an error if the answer cannot be given.
func (a *Answer) Check() error {
	switch code := a.Code(); {
	case a.Err != nil:
		return a.Err
	case code < 200 || code > 599:
		return fmt.Errorf("%d is not the status of an answer", code)
	case (a.Kind == KindRedirect) != (code >= 300 && code < 400) && code != http.StatusNotModified:
		return fmt.Errorf("status %d does not fit a %s", code, a.Kind)
	}
	return nil
}

// Close releases the content of a file that is not sent.
func (a *Answer) Close() {
	if closer, ok := a.Content.(io.Closer); ok {
		_ = closer.Close() // it was only read
	}
}

// Serve writes the answer. It may fail after the answer has begun.
func (a *Answer) Serve(w http.ResponseWriter, r *http.Request) error {
	defer a.Close()
	if err := a.Check(); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	switch a.Kind {
	case KindRedirect:
		header.Set("Location", a.Location)
	case KindText:
		header.Set("Content-Type", "text/plain; charset=utf-8")
	case KindHTML:
		header.Set("Content-Type", "text/html; charset=utf-8")
	case KindFile, KindStream:
		a.describeFile(header)
	}
	for name, values := range a.Header {
		header[name] = values
	}
	if a.Kind == KindFile {
		http.ServeContent(w, r, "", a.Modified, a.Content)
		return nil
	}
	w.WriteHeader(a.Code())
	var err error
	switch {
	case r.Method == http.MethodHead:
	case a.Kind == KindStream:
		err = a.Write(w)
	default:
		_, err = io.WriteString(w, a.Text)
	}
	return err
}

// describeFile sets the header of a file: its type, its name, and that a browser asks
// again each time, because the user's rights may have changed.
func (a *Answer) describeFile(header http.Header) {
	name := fileName(a.Name)
	kind := a.Type
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	header.Set("Content-Type", kind)
	header.Set("Cache-Control", "private, no-cache")
	disposition := "attachment"
	if a.Inline {
		disposition = "inline"
	}
	var values map[string]string
	if name != "" {
		values = map[string]string{"filename": name}
	}
	header.Set("Content-Disposition", mime.FormatMediaType(disposition, values))
}

// fileName returns the last part of a name, without what moves or hides text.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffd:
			return -1
		}
		return r
	}, name)
	if name = path.Base(name); name == "." || name == "/" {
		return ""
	}
	return name
}
