package show

import "github.com/towerkit/tower/internal/wire"

// RecordName returns the text a person knows a record by, such as its name or title, or
// "".
func RecordName(m wire.ModelInfo, record map[string]any) string {
	for _, name := range []string{"title", "name"} {
		if text, ok := record[name].(string); ok {
			return text
		}
	}
	for _, f := range m.Fields {
		if text, ok := record[f.Name].(string); ok && f.Type == "string" && f.Name != "id" {
			return text
		}
	}
	return ""
}
