package tower

import (
	"html/template"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/towerkit/tower/internal/server/answer"
)

// An Answer is what an action or a page answers instead of JSON or its view: a redirect, a
// text, a fragment of HTML, a status, a file or a stream. Return one where the output of
// the method is an *Answer, or any:
//
//	func (c *Posts) Show(ctx context.Context, in ShowPost) (any, error) {
//		if c.CurrentUser == nil {
//			return tower.Redirect("/session/new"), nil
//		}
//		return tower.Visible(ctx, c, models.Posts, in.ID)
//	}
//
// A call over a socket receives a text or a fragment as its output, a string, and a status
// as its status. A form follows a redirect. A file or a stream cannot be carried: such a
// call fails, after it has taken effect, with [CodeBadRequest]. A call that is sent twice
// receives its answer again, except for files and streams.
type Answer struct{ answer *answer.Answer }

func init() {
	answer.Type = reflect.TypeFor[Answer]()
	answer.Of = func(result any) *answer.Answer {
		if a, ok := result.(*Answer); ok && a != nil {
			return a.answer
		}
		return nil
	}
}

// Redirect answers with a path of this application, with status 303. The path may come
// from a client: one that leads to another site fails with status 400.
func Redirect(path string) *Answer { return &Answer{answer.Redirect(path)} }

// RedirectExternal answers with an address of any site. It must not come from a client
// unchecked.
func RedirectExternal(url string) *Answer { return &Answer{answer.RedirectExternal(url)} }

// SendText answers with plain text.
func SendText(text string) *Answer {
	return &Answer{&answer.Answer{Kind: answer.KindText, Text: text}}
}

// SendHTML answers with a fragment of HTML, without a layout.
func SendHTML(html template.HTML) *Answer {
	return &Answer{&answer.Answer{Kind: answer.KindHTML, Text: string(html)}}
}

// SendStatus answers with a status and nothing else.
func SendStatus(status int) *Answer {
	return &Answer{&answer.Answer{Kind: answer.KindStatus, Status: status}}
}

// SendFile answers with a file that a browser saves under its name. Requests for ranges,
// and conditional requests, are answered as [http.ServeContent] does; modified is the time
// that they compare, or zero for none, and an ETag can be set with WithHeader. The type
// follows from the extension of the name: see [Answer.WithType]. tower closes the content
// if it can be closed.
func SendFile(name string, content io.ReadSeeker, modified time.Time) *Answer {
	return &Answer{&answer.Answer{Kind: answer.KindFile, Name: name, Content: content, Modified: modified}}
}

// SendStream answers with what write writes, in as little memory as write needs, as a file
// that a browser saves under its name. If write fails, the connection breaks off, so that
// nobody takes the answer for a whole one. The context of the action ends when write
// returns, or after the action's timeout.
func SendStream(name string, write func(w io.Writer) error) *Answer {
	return &Answer{&answer.Answer{Kind: answer.KindStream, Name: name, Write: write}}
}

// WithStatus sets the status. A redirect needs one from 300 to 399, all others none of
// these; a file keeps its own.
func (a *Answer) WithStatus(status int) *Answer {
	a.answer.Status = status
	return a
}

// WithType sets the media type of a file or a stream: "text/csv".
func (a *Answer) WithType(mediaType string) *Answer {
	a.answer.Type = mediaType
	return a
}

// WithHeader sets a header of the answer over HTTP.
func (a *Answer) WithHeader(name, value string) *Answer {
	if a.answer.Header == nil {
		a.answer.Header = http.Header{}
	}
	a.answer.Header.Set(name, value)
	return a
}

// Inline lets a browser show a file instead of saving it. Do not show what a user has
// uploaded, unless its type is one that runs no script.
func (a *Answer) Inline() *Answer {
	a.answer.Inline = true
	return a
}
