package edge

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Request is what is kept of the request that a client connected with. It does not
// change, and it holds no part of the request itself.
type Request struct {
	Remote, Scheme, Host string
	Path, Query          string
	UserAgent            string

	languages string
	cookies   string // without tower's own
	header    http.Header
}

// Keep returns the part of a request that outlives it. names are the headers to keep.
func Keep(r *http.Request, f *Facts, names []string) *Request {
	kept := &Request{Remote: f.Remote, Scheme: f.Scheme, Host: f.Host,
		Path: strings.Clone(r.URL.Path), Query: strings.Clone(r.URL.RawQuery),
		UserAgent: strings.Clone(r.UserAgent()), languages: strings.Clone(strings.Join(r.Header["Accept-Language"], ",")),
		cookies: applicationCookies(r.Header["Cookie"])}
	for _, name := range names {
		name = http.CanonicalHeaderKey(name)
		if values := r.Header[name]; values != nil {
			if kept.header == nil {
				kept.header = http.Header{}
			}
			kept.header[name] = slices.Clone(values)
		}
	}
	return kept
}

// The names of tower's cookies: of a session, and of the newest commit of a client. A cookie
// for HTTPS only has the prefix __Host-, so that no other host can set it.
const (
	SessionCookie = "tower"
	CommitCookie  = "tower-at"
)

// CookieName returns the name that one of tower's cookies has.
func CookieName(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

// IsOwnCookie reports whether a cookie is one of tower's.
func IsOwnCookie(name string) bool {
	name = strings.TrimPrefix(name, "__Host-")
	return name == SessionCookie || name == CommitCookie
}

// applicationCookies returns the cookies in headers, without those of sessions.
func applicationCookies(headers []string) string {
	var kept []string
	for _, pair := range strings.Split(strings.Join(headers, ";"), ";") {
		pair = strings.TrimSpace(pair)
		if name, _, _ := strings.Cut(pair, "="); pair != "" && !IsOwnCookie(name) {
			kept = append(kept, pair)
		}
	}
	return strings.Clone(strings.Join(kept, "; "))
}

// Cookie returns the value of a cookie of the application, and whether the client sent one.
func (r *Request) Cookie(name string) (string, bool) {
	cookies, err := http.ParseCookie(r.cookies)
	if err != nil { // one of them is malformed: read them one by one
		for _, pair := range strings.Split(r.cookies, "; ") {
			one, _ := http.ParseCookie(pair) // nil if it is malformed
			cookies = append(cookies, one...)
		}
	}
	for _, cookie := range cookies {
		if cookie.Name == name {
			return cookie.Value, true
		}
	}
	return "", false
}

// Header returns the first value of a kept header, "" if there is none.
func (r *Request) Header(name string) string { return r.header.Get(name) }

// Values returns the values of the query.
func (r *Request) Values() url.Values {
	values, _ := url.ParseQuery(r.Query) // without what is malformed
	return values
}

// Languages returns the languages that the client prefers, the best first, as it names
// them: "de-CH", "de", "en". It omits those that the client rules out, and "*".
func (r *Request) Languages() []string {
	type choice struct {
		tag     string
		quality float64
	}
	var choices []choice
	for _, member := range strings.Split(r.languages, ",") {
		tag, params, _ := strings.Cut(member, ";")
		c := choice{strings.TrimSpace(tag), 1}
		if text, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); found {
			quality, err := strconv.ParseFloat(text, 64)
			if err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
			c.quality = quality
		}
		known := slices.ContainsFunc(choices, func(other choice) bool { return strings.EqualFold(other.tag, c.tag) })
		if isLanguage(c.tag) && c.quality > 0 && !known {
			choices = append(choices, c)
		}
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.quality, a.quality) })
	tags := make([]string, len(choices))
	for i, c := range choices {
		tags[i] = c.tag
	}
	return tags
}

// isLanguage reports whether a text has the form of a language tag.
func isLanguage(tag string) bool {
	for _, part := range strings.Split(tag, "-") {
		if part == "" || len(part) > 8 || strings.Trim(strings.ToLower(part), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return true
}
