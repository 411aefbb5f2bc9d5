package record

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

type level int8

// shout is encoded by a method of its own.
type shout string

func (s shout) MarshalText() ([]byte, error) { return []byte(string(s) + "!"), nil }
func (s *shout) UnmarshalText(text []byte) error {
	*s = shout(strings.TrimSuffix(string(text), "!"))
	return nil
}

type sized []string

func (l sized) MarshalJSON() ([]byte, error) { return json.Marshal(len(l)) }
func (l *sized) UnmarshalJSON(data []byte) error {
	var n int
	err := json.Unmarshal(data, &n)
	*l = make(sized, n)
	return err
}

// seldom is zero if it is odd.
type seldom int

func (s seldom) IsZero() bool { return s%2 == 1 }

type place struct {
	Street string `json:"street,omitempty"`
	Number *int   `json:"number"`
}

// The values of plainFields need not be decoded, some of varied must be, and the others
// must be decoded as one.
type plainFields struct {
	Text    string     `json:"te<x>t"`
	Hidden  string     `json:"hidden" tower:"private"`
	Spare   string     `json:"spare,omitempty" tower:"private"`
	Level   level      `json:"level,string"`
	Half    float32    `json:"half"`
	Yes     bool       `json:"yes,omitempty"`
	At      time.Time  `json:"at,omitzero"`
	Until   *time.Time `json:"until" tower:"private"`
	Count   *uint16    `json:"count,omitempty"`
	Name    *string    `json:"name"`
	Tags    []string   `json:"tags"`
	Floats  []float64  `json:"floats,omitempty" tower:"private"`
	Levels  []level    `json:"levels"`
	Moments []time.Time
}

type plainly struct {
	Record
	plainFields
}

type varied struct {
	Record
	plainFields
	Place  place           `json:"place"`
	Places []place         `json:"places" tower:"private"`
	Bytes  []byte          `json:"bytes,omitempty"`
	Raw    json.RawMessage `json:"raw"`
	Any    any             `json:"any" tower:"private"`
	Shout  shout           `json:"shout"`
	Shouts []shout         `json:"shouts"`
	Sized  sized           `json:"sized"`
	Map    map[string]int  `json:"map"`
	Image  File            `json:"image"`
}

type whole struct {
	Record
	plainFields
	Seldom seldom     `json:"seldom,omitzero"`
	Rarely *time.Time `json:"rarely,omitzero"`
}

type quoted struct {
	Record
	Word string `json:"word,string"`
}

type hiding struct {
	Record
	plainFields
	unseen int    //nolint:unused // it is there to be left alone
	Unsent string `json:"-"`
}

// TestFrozenImagesAreWhatTheirJSONSays holds random records against decoding what is stored of
// them, and against Split.
func TestFrozenImagesAreWhatTheirJSONSays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, prototype := range []any{&plainly{}, &varied{}, &whole{}, &quoted{}, &hiding{}, &everything{}} {
		m := mustModel(t, "things", prototype)
		var before *Image
		for range 300 {
			record := reflect.New(m.structType)
			fill(random, record.Elem(), 0)
			image, err := m.Freeze(record.Interface(), before)
			if err != nil {
				t.Fatal(err)
			}
			frozen, _ := image.Record()
			decoded, err := image.Copy()
			if err != nil || !reflect.DeepEqual(frozen, decoded) {
				t.Fatalf("%s: %v\nfrozen  %#v\ndecoded %#v", image.JSON, err, frozen, decoded)
			}
			if err := m.Settle(record.Interface(), image); err != nil {
				t.Fatal(err)
			}
			data, _ := json.Marshal(frozen)
			public, private, err := m.divide(data, m.written(data))
			wantPublic, wantPrivate, wantErr := m.Split(data, nil)
			if err != nil || wantErr != nil || string(public) != string(wantPublic) || string(private) != string(wantPrivate) {
				t.Fatalf("%v, %v: %s is divided into\n%s\n%s, not\n%s\n%s", err, wantErr, data, public, private, wantPublic, wantPrivate)
			}
			if before = nil; random.IntN(2) == 0 {
				before = image
			}
		}
	}
	if m := mustModel(t, "plain", &plainly{}); m.decoded || m.copyOf(&plainly{}) == nil {
		t.Error("a plain record is decoded")
	}
}

var texts = []string{"", "a", `"quoted" \ and <b>`, "{[,]}", "ü\u2028\x00", `\ufffd`, "\ufffd"}

// fill sets v, and what it holds, to random values, some of them empty.
func fill(random *rand.Rand, v reflect.Value, depth int) {
	if v.Kind() != reflect.Struct && (!v.CanSet() || random.IntN(5) == 0) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[random.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{math.Copysign(0, -1), 1.5, 1e300, -1e-7}[random.IntN(4)])
		if v.Kind() == reflect.Float32 {
			v.SetFloat(float64(random.Float32()))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(random, v.Elem(), depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{nil, 1.0, "x", map[string]any{"y": true}}))
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(` { "a" : [ 1 , "<" ] } `))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			fill(random, v.Index(i), depth)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			at := time.UnixMicro(random.Int64N(1e15)).Add(time.Duration(random.IntN(1000)))
			if random.IntN(2) == 0 {
				at = time.Now().In(time.FixedZone("", 3600))
			}
			v.Set(reflect.ValueOf(at))
			return
		}
		for i := range v.NumField() {
			fill(random, v.Field(i), depth+1)
		}
	default:
		if v.CanInt() {
			v.SetInt(random.Int64N(100))
		} else {
			v.SetUint(random.Uint64N(100))
		}
	}
}
