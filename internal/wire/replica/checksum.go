package replica

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// MaxRows is how many checksums of records an audit holds at most.
const MaxRows = 200

// A Sum is the checksum of what a cursor holds: its records in order and the records
// that it includes, or its value. Of the list of a page it is that of the ids, in order.
type Sum struct {
	All  uint32   // of everything
	Rows []uint32 // of the first MaxRows records, in order
}

// Sum returns the checksum of the replica. It returns an error if a record or the value is
// not JSON.
func (r *Replica) Sum() (Sum, error) {
	if r.Value != nil {
		return SumOfValue(r.Value)
	}
	s := Summer{}
	if r.HTML {
		for _, id := range r.ids {
			s.AddID(id)
		}
		return s.Sum(), nil
	}
	for _, record := range r.Records() {
		if err := s.Add(record); err != nil {
			return Sum{}, err
		}
	}
	for model, records := range r.included {
		for _, record := range records {
			if err := s.Include(model, record); err != nil {
				return Sum{}, err
			}
		}
	}
	return s.Sum(), nil
}

// SumOfValue returns the checksum of a cursor that carries a value, which is JSON.
func SumOfValue(value []byte) (Sum, error) {
	all, err := Checksum(value, 0)
	return Sum{All: all}, err
}

// A Summer computes the checksum of a cursor. The zero value is that of an empty one.
type Summer struct {
	rows     []any
	sums     []uint32
	included uint32
}

// Add adds the JSON of the next record.
func (s *Summer) Add(record []byte) error {
	sum, err := Checksum(record, 0)
	s.sums, s.rows = append(s.sums, sum), append(s.rows, number(sum))
	return err
}

// AddID adds the id of the next record in the list of a page.
func (s *Summer) AddID(id string) {
	sum := checksum(id, 0)
	s.sums, s.rows = append(s.sums, sum), append(s.rows, number(sum))
}

// Include adds the JSON of a record that the cursor includes. Their order does not matter.
func (s *Summer) Include(model string, record []byte) error {
	sum, err := Checksum(record, checksum(model, 0))
	s.included += sum
	return err
}

// Sum returns the checksum of what was added.
func (s *Summer) Sum() Sum {
	all := checksum([]any{s.rows, number(s.included)}, 0)
	return Sum{all, slices.Clone(s.sums[:min(len(s.sums), MaxRows)])}
}

func number(n uint32) json.Number { return json.Number(strconv.FormatUint(uint64(n), 10)) }

// Checksum returns the checksum of a JSON text, continued from a seed. It depends neither
// on the order of an object's members nor on how numbers and strings are written. The
// client library computes the same.
func Checksum(text []byte, seed uint32) (uint32, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return checksum(v, seed), err
}

func checksum(v any, seed uint32) uint32 {
	switch v := v.(type) {
	case []any:
		seed = hash("[", seed)
		for _, one := range v {
			seed = checksum(one, seed)
		}
		return hash("]", seed)
	case map[string]any:
		var all uint32
		seed = hash("{", seed)
		for key, one := range v {
			all += checksum(one, hash(key, seed))
		}
		return hash(string(number(all)), seed)
	case string:
		return hash(v, seed)
	case json.Number:
		return hash(digits(string(v)), seed)
	case bool:
		return hash(strconv.FormatBool(v), seed)
	}
	return hash("null", seed)
}

// digits returns a number as JavaScript writes it. A whole number keeps its digits: the
// client library reads one beyond 2^53 as a string of them.
func digits(token string) string {
	whole := !strings.ContainsAny(token, ".eE")
	if whole && token != "-0" {
		return token
	}
	f, err := strconv.ParseFloat(token, 64)
	switch {
	case err != nil && f > 0:
		return "Infinity"
	case err != nil && f < 0:
		return "-Infinity"
	case f == 0:
		return "0"
	}
	data, _ := json.Marshal(f) // a finite number always has a JSON form, which is that of JavaScript
	return string(data)
}

// hash is FNV-1a of a text, continued from a seed, and then the finalizer of MurmurHash3,
// so that sums and chains of hashes do not cancel.
func hash(text string, seed uint32) uint32 {
	h := seed ^ 2166136261
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 16777619
	}
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
