package record

import (
	"bytes"
	"unicode/utf8"
)

// maxDepth is how deeply a stored value may be nested: lists and objects within lists
// and objects.
const maxDepth = 100

// textProblem returns what keeps JSON from being stored as it is, "" if nothing does.
// encoding/json replaces what is not Unicode without an error.
func textProblem(data []byte) string {
	switch {
	case !utf8.Valid(data), loneSurrogate(data):
		return "is not valid Unicode text"
	case depth(data) > maxDepth:
		return depthProblem
	}
	return ""
}

const depthProblem = "is nested too deeply: at most 100 levels"

// depth returns how deeply JSON is nested; 0 for a value that is no list and no object.
func depth(data []byte) int {
	deepest, now, inText := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}

// loneSurrogate reports whether JSON escapes one half of a surrogate pair without the
// other.
func loneSurrogate(data []byte) bool {
	for i := bytes.Index(data, []byte(`\`)); i >= 0 && i+1 < len(data); {
		first := surrogate(data[i:])
		switch {
		case first == low:
			return true
		case first == high && surrogate(data[i+6:]) != low:
			return true
		case first == high:
			i += 12
		default:
			i += 2
		}
		next := bytes.IndexByte(data[min(i, len(data)):], '\\')
		if next < 0 {
			return false
		}
		i += next
	}
	return false
}

type half int

const (
	none half = iota
	high
	low
)

// surrogate returns which half of a pair an escape at the beginning of data is.
func surrogate(data []byte) half {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' || data[2]|0x20 != 'd' {
		return none
	}
	switch c := data[3] | 0x20; {
	case c >= 'c' && c <= 'f':
		return low
	case data[3] == '8', data[3] == '9', c == 'a', c == 'b':
		return high
	}
	return none
}
