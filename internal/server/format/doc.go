// Package format writes numbers and times as a browser's Intl does, for the locales in
// locales.json. The table is made by Chromium: see TestFormatsAreThoseOfTheBrowser in
// internal/client, which also compares the two.
package format
