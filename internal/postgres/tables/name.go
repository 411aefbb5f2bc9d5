package tables

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
)

// maxName is how long a name may be; PostgreSQL cuts the rest.
const maxName = 63

// snake returns a name as people write it in SQL: createdAt is created_at, userID user_id.
func snake(name string) string {
	letters := []rune(name)
	var b strings.Builder
	for i, c := range letters {
		if unicode.IsUpper(c) && i > 0 && letters[i-1] != '_' {
			afterSmall := !unicode.IsUpper(letters[i-1])
			beforeSmall := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if afterSmall || beforeSmall {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// shortened returns a name of an index or a constraint that PostgreSQL does not cut. Names
// that begin alike stay apart.
func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return fmt.Sprintf("%s_%08x", strings.ToValidUTF8(name[:maxName-9], ""), sum.Sum32())
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

// literal returns a text as SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
