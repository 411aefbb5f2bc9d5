package repl

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// appendJSON writes v as JSON. What JSON cannot say is written as its text.
func appendJSON(out []byte, v value) []byte {
	switch v.kind {
	case undefinedValue, nullValue:
		return append(out, "null"...)
	case boolValue:
		return append(out, v.text...)
	case numberValue:
		if v.text == "NaN" || v.text == "Infinity" || v.text == "-Infinity" {
			return append(out, "null"...)
		}
		return append(out, v.text...)
	case listValue:
		out = append(out, '[')
		for i, item := range v.items {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, item)
		}
		return append(out, ']')
	case objectValue, recordValue:
		out = append(out, '{')
		for i, f := range v.fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, f.name), ':')
			out = appendJSON(out, f.value)
		}
		return append(out, '}')
	case functionValue:
		return appendText(out, "function "+v.text)
	case errorValue:
		return appendText(out, v.label+": "+v.text)
	case textValue:
		if v.data != nil {
			return appendJSON(out, *v.data)
		}
	}
	return appendText(out, v.text)
}

func appendText(out []byte, text string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always has a JSON form
	return append(out, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

// decoded is a value of JSON text that needs no engine, such as a stored record.
func decoded(text json.RawMessage) value {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	v, err := decodeValue(decoder)
	if err != nil {
		return value{}
	}
	return v
}

func decodeValue(decoder *json.Decoder) (value, error) {
	token, err := decoder.Token()
	if err != nil {
		return value{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		out := value{kind: listValue}
		if t == '{' {
			out.kind = objectValue
		}
		for decoder.More() {
			name := ""
			if out.kind == objectValue {
				token, err := decoder.Token()
				if err != nil {
					return value{}, err
				}
				name, _ = token.(string)
			}
			item, err := decodeValue(decoder)
			if err != nil {
				return value{}, err
			}
			if out.total++; out.kind == objectValue {
				out.fields = append(out.fields, field{name, item})
			} else {
				out.items = append(out.items, item)
			}
		}
		_, err := decoder.Token()
		return out, err
	case bool:
		return scalar(boolValue, strconv.FormatBool(t)), nil
	case json.Number:
		return scalar(numberValue, t.String()), nil
	case string:
		return textOrTime(t), nil
	}
	return scalar(nullValue, "null"), nil
}
