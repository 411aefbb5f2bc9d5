package edge

import "strings"

// names maps what a user agent contains to what people call it; the first match counts.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems = [][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// Device returns what a user agent says it is, for people: "Firefox on Linux", or else the
// name of its program, "curl". It proves nothing.
func Device(userAgent string) string {
	named := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(userAgent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	browser, system := named(browsers), named(systems)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	}
	program, _, _ := strings.Cut(userAgent, " ")
	program, _, _ = strings.Cut(program, "/")
	if runes := []rune(program); len(runes) > maxProgram {
		program = string(runes[:maxProgram]) + "…"
	}
	return program
}

const maxProgram = 40 // characters
