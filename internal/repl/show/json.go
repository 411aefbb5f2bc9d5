package show

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// AppendJSON appends v as JSON to out. It writes values that JSON cannot represent as
// their text.
func AppendJSON(out []byte, v Value) []byte {
	switch v.Kind {
	case Undefined, Null:
		return append(out, "null"...)
	case Bool:
		return append(out, v.Text...)
	case Number:
		if v.Text == "NaN" || v.Text == "Infinity" || v.Text == "-Infinity" {
			return append(out, "null"...)
		}
		return append(out, v.Text...)
	case List:
		out = append(out, '[')
		for i, item := range v.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = AppendJSON(out, item)
		}
		return append(out, ']')
	case Object, Record:
		out = append(out, '{')
		for i, f := range v.Fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, f.Name), ':')
			out = AppendJSON(out, f.Value)
		}
		return append(out, '}')
	case Function:
		return appendText(out, "function "+v.Text)
	case Error:
		return appendText(out, v.Label+": "+v.Text)
	case Text:
		if v.Data != nil {
			return AppendJSON(out, *v.Data)
		}
	}
	return appendText(out, v.Text)
}

func appendText(out []byte, text string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // encoding a string cannot fail
	return append(out, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

// Decode returns the value of JSON text, such as a stored record. It needs no
// JavaScript engine. It returns the zero Value for invalid JSON.
func Decode(text json.RawMessage) Value {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	v, err := decodeValue(decoder)
	if err != nil {
		return Value{}
	}
	return v
}

func decodeValue(decoder *json.Decoder) (Value, error) {
	token, err := decoder.Token()
	if err != nil {
		return Value{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		out := Value{Kind: List}
		if t == '{' {
			out.Kind = Object
		}
		for decoder.More() {
			name := ""
			if out.Kind == Object {
				token, err := decoder.Token()
				if err != nil {
					return Value{}, err
				}
				name, _ = token.(string)
			}
			item, err := decodeValue(decoder)
			if err != nil {
				return Value{}, err
			}
			if out.Total++; out.Kind == Object {
				out.Fields = append(out.Fields, Field{name, item})
			} else {
				out.Items = append(out.Items, item)
			}
		}
		_, err := decoder.Token()
		return out, err
	case bool:
		return Scalar(Bool, strconv.FormatBool(t)), nil
	case json.Number:
		return Scalar(Number, t.String()), nil
	case string:
		return TextOrTime(t), nil
	}
	return Scalar(Null, "null"), nil
}
