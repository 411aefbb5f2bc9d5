// Package form renders the forms of pages: fields with their labels, values and
// problems. And it converts between values and the boxes of a form. [Text] is what a box
// shows, and [Set] reads what a form sends. A box cannot show every value: a time in it
// has milliseconds, and a text has the line breaks of the browser. So [Keep] puts the
// exact value beside such a box, and what nobody has touched is stored as it was.
package form
