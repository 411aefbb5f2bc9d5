package script

import (
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/dop251/goja"
)

// A jsonReader converts JSON text to JavaScript values. Unlike JSON.parse it keeps
// every digit of a large integer, as a BigInt.
type jsonReader struct {
	vm      *goja.Runtime
	decoder *json.Decoder
}

func (r jsonReader) value() (goja.Value, error) {
	t, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return r.list()
		}
		object := r.vm.NewObject()
		return object, r.fill(object)
	case json.Number:
		return r.number(t.String())
	case nil:
		return goja.Null(), nil
	}
	return r.vm.ToValue(t), nil // string or bool
}

const maxSafeInteger = 1<<53 - 1

func (r jsonReader) number(text string) (goja.Value, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= -maxSafeInteger && n <= maxSafeInteger {
		return r.vm.ToValue(n), nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return r.vm.ToValue(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	return r.vm.ToValue(f), err
}

func (r jsonReader) list() (goja.Value, error) {
	var items []any
	for r.decoder.More() {
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := r.decoder.Token()
	return r.vm.NewArray(items...), err
}

// fill adds the members after an opening brace to object.
func (r jsonReader) fill(object *goja.Object) error {
	// Define instead of set: a member may be called __proto__.
	return r.members(func(name string, v goja.Value) error {
		return object.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	})
}

// members passes the members after an opening brace to add.
func (r jsonReader) members(add func(name string, v goja.Value) error) error {
	for r.decoder.More() {
		name, err := r.decoder.Token()
		if err != nil {
			return err
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		if err := add(name.(string), v); err != nil {
			return err
		}
	}
	_, err := r.decoder.Token()
	return err
}
