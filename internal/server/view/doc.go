// Package view renders the pages of an application: it parses its templates and fills them
// with what a viewer may see, as of one commit. It knows no connection and no store: a
// [Source] reads for a page.
package view
