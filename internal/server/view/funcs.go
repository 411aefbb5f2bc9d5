package view

import (
	"errors"
	"fmt"
	"html/template"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// ref returns the record with an id, nil if the list does not include it or the user may
// not see it.
func (b *boundPartials) ref(id record.ID) (any, error) {
	for _, image := range b.with {
		if image.ID == id {
			return image.Record()
		}
	}
	return nil, nil
}

// noRef is the function ref for lists that include nothing.
func noRef(id record.ID) (any, error) {
	return nil, errors.New("ref needs a live list whose scope includes the reference: .Include(&post.AuthorID)")
}

// timeLayout is the default layout of a time in a page: 2 January 2006, 15:04 UTC.
const timeLayout = "2 January 2006, 15:04 MST"

// timeElement is the function time of views. It returns a <time> element for a time.Time or
// a pointer to one, and nothing for the zero time and nil. A layout as for time.Format
// changes the text.
func timeElement(value any, layout ...string) (template.HTML, error) {
	at, isTime := value.(time.Time)
	if pointer, isPointer := value.(*time.Time); isPointer {
		if isTime = true; pointer != nil {
			at = *pointer
		}
	}
	if !isTime || len(layout) > 1 {
		return "", fmt.Errorf(`time takes a time and at most one layout, as in {{time .CreatedAt "2 Jan 2006"}}; it got a %T`, value)
	}
	if at.IsZero() {
		return "", nil
	}
	text := append(layout, timeLayout)[0]
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, at.Format(time.RFC3339), template.HTMLEscapeString(at.Format(text)))), nil
}
