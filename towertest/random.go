package towertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/route"
)

// A source makes random steps for a run, from what exists at the moment. It uses few
// different values, so that records share titles and authors.
type source struct {
	*checker
	run     *run
	random  *rand.Rand
	cursors []*route.Route
	words   literals
	clients int // number of clients made so far
}

const (
	maxClients = 5
	maxLists   = 6  // of one client
	maxRecords = 24 // of a model; beyond it, the source deletes more than it creates
)

func newSource(k *checker, r *run) *source {
	return &source{checker: k, run: r, random: rand.New(rand.NewPCG(k.Seed, 1)), cursors: server.Cursors(server.AppOf(r.app.App)), words: literalsOf(r.app.App)}
}

func (s *source) next() (step, error) {
	here, away := s.watchers(true), s.watchers(false)
	n := s.random.IntN(20)
	switch {
	case n < 2 && len(here) < maxClients, n < 10 && len(here) == 0 && len(away) == 0 && s.run.seen.commits > 2:
		s.clients++
		return step{Do: "connect", Client: s.clients, User: s.user(), Over: pick(s.random, Transports()), Node: s.node()}, nil
	case n < 6 && len(here) > 0 && len(s.cursors) > 0:
		client := pick(s.random, here)
		if len(s.run.clients[client].lists) == maxLists {
			break
		}
		route := pick(s.random, s.cursors)
		in, err := s.input(route)
		return step{Do: "open", Client: client, Cursor: route.Name, In: in}, err
	case n < 8 && len(here) > 2:
		return step{Do: "leave", Client: pick(s.random, here)}, nil
	case n < 10 && len(away) > 0:
		return step{Do: "return", Client: pick(s.random, away), Over: pick(s.random, Transports()), Node: s.node()}, nil
	case n < 11 && len(here) > 0:
		return step{Do: "pass"}, nil
	}
	changes, err := s.changes()
	return step{Do: "commit", Changes: changes, Program: s.run.program != nil && s.random.IntN(3) == 0}, err
}

// node returns one to which a client connects.
func (s *source) node() int {
	if len(s.run.nodes) == 1 {
		return 0
	}
	return s.random.IntN(len(s.run.nodes))
}

func (s *source) watchers(connected bool) (numbers []int) {
	for number, w := range s.run.clients {
		if (w.client != nil) == connected {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// user returns an existing user, or now and then a visitor.
func (s *source) user() tower.ID {
	ids := s.ids(s.Users)
	if len(ids) == 0 || s.random.IntN(5) == 0 {
		return ""
	}
	return s.familiar(ids)
}

// ids returns the ids of a model's records.
func (s *source) ids(model string) (ids []tower.ID) {
	for _, image := range s.run.all[s.run.models[model]] {
		ids = append(ids, image.ID)
	}
	return ids
}

func (s *source) changes() ([]change, error) {
	if len(s.run.seen.models) == 0 {
		return nil, fmt.Errorf("the application has no models: there is nothing to check")
	}
	var changes []change
	for range 1 + s.random.IntN(2)*s.random.IntN(4) {
		c, err := s.change()
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (s *source) change() (change, error) {
	m := s.run.models[pick(s.random, s.run.seen.models)]
	ids := s.ids(m.Name)
	n := s.random.IntN(10)
	if len(ids) > maxRecords {
		n = 3 + s.random.IntN(7)
	}
	switch {
	case n < 4 && len(ids) <= maxRecords || len(ids) < 2:
		set, err := s.record(m)
		return change{Op: "create", Model: m.Name, ID: s.newID(), Set: set}, err
	case n < 8:
		set, err := s.record(m)
		names := slices.Sorted(maps.Keys(set))
		for range s.random.IntN(len(names) + 1) {
			delete(set, pick(s.random, names))
		}
		return change{Op: "update", Model: m.Name, ID: s.familiar(ids), Set: set}, err
	default:
		return change{Op: "delete", Model: m.Name, ID: pick(s.random, ids)}, nil
	}
}

// newID makes an id that does not contain the time of its creation, so that the orders by
// time and by id differ.
func (s *source) newID() tower.ID {
	var id ulid.ULID
	for i := range id {
		id[i] = byte(s.random.UintN(256))
	}
	return tower.ID(id.String())
}

// record makes the fields of a random record, as JSON.
func (s *source) record(m *record.Model) (map[string]json.RawMessage, error) {
	rec := m.New()
	v := reflect.ValueOf(rec).Elem()
	for _, f := range m.Fields {
		if !s.owned(f) {
			sf, _ := v.Type().FieldByName(f.GoName)
			s.fill(v.FieldByName(f.GoName), f, rulesOf(sf))
		}
	}
	if fill := s.Fill[m.Name]; fill != nil {
		fill(s.random, rec)
	}
	data, err := json.Marshal(rec)
	var set map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &set)
	}
	if err != nil {
		return nil, fmt.Errorf("a random record of %s: %w", m.Name, err)
	}
	for name := range set {
		if f := m.Field(name); f == nil || s.owned(f) {
			delete(set, name)
		}
	}
	return set, nil
}

// owned reports whether the store fills a field.
func (s *source) owned(f *record.Field) bool {
	return f.GoName == "ID" || f.GoName == "CreatedAt" || f.GoName == "UpdatedAt"
}

// rules returns the rules of a field's validate tag that random values can aim at.
type rules map[string]string

func rulesOf(sf reflect.StructField) rules {
	found := rules{}
	for rule := range strings.SplitSeq(sf.Tag.Get("validate"), ",") {
		name, value, _ := strings.Cut(rule, "=")
		if name == "dive" {
			break
		}
		found[name] = value
	}
	return found
}

func (r rules) has(name string) bool { _, ok := r[name]; return ok }

// bounds returns the smallest and the largest whole number that the rules allow.
func (r rules) bounds(low, high int) (int, int) {
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(r[name])
		return n, err == nil
	}
	span := high - low
	for name, beside := range map[string]int{"min": 0, "gte": 0, "gt": 1, "len": 0} {
		if n, ok := number(name); ok {
			low = n + beside
			high = max(high, low+span)
		}
	}
	for name, beside := range map[string]int{"max": 0, "lte": 0, "lt": 1, "len": 0} {
		if n, ok := number(name); ok {
			high = min(high, n-beside)
			low = min(low, high)
		}
	}
	return low, high
}

// fill sets a field to a random value of its kind.
func (s *source) fill(v reflect.Value, f *record.Field, r rules) {
	if v.Kind() == reflect.Pointer {
		if !r.has("required") && s.random.IntN(3) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if f.Ref != "" {
		if ids := s.ids(f.Ref); len(ids) > 0 && (r.has("required") || s.random.IntN(6) > 0) {
			v.SetString(string(s.familiar(ids)))
		}
		return
	}
	if f.Kind == record.List {
		low, high := r.bounds(0, 3)
		v.Set(reflect.MakeSlice(v.Type(), low+s.random.IntN(high-low+1), high))
		for i := range v.Len() {
			s.scalar(v.Index(i), f.GoName, f.Elem, rules{}, false)
		}
		return
	}
	s.scalar(v, f.GoName, f.Kind, r, f.Unique)
}

// scalar sets a value of the field or input with a Go name. Values that the application's
// code compares the field with are frequent.
func (s *source) scalar(v reflect.Value, name string, kind record.Kind, r rules, unique bool) {
	many := 6
	if unique {
		many = 1000
	}
	if options := strings.Fields(r["oneof"]); len(options) > 0 && kind == record.String {
		v.SetString(strings.Trim(pick(s.random, options), "'"))
		return
	}
	switch kind {
	case record.Bool:
		v.SetBool(r.has("required") || s.random.IntN(2) == 0)
	case record.Int, record.Uint, record.Float:
		low, high := r.bounds(0, many-1)
		n := low + s.random.IntN(high-low+1)
		if known := s.words.numbers[name]; len(known) > 0 && s.random.IntN(2) == 0 {
			n = pick(s.random, known) + s.random.IntN(3) - 1
		}
		if r.has("required") && n == 0 {
			n = high
		}
		v.Set(reflect.ValueOf(n).Convert(v.Type()))
	case record.Time:
		v.Set(reflect.ValueOf(s.time(unique)))
	case record.String:
		known := s.words.texts[name]
		if len(known) > 0 && !unique && s.random.IntN(3) > 0 {
			v.SetString(pick(s.random, known))
			return
		}
		v.SetString(s.text(many, r))
	}
}

// time returns a time around now. Half of the times pass within the next steps.
func (s *source) time(unique bool) time.Time {
	now := s.run.now.Truncate(time.Microsecond)
	if s.random.IntN(2) == 0 {
		return now.Add(time.Duration(1+s.random.IntN(3)) * s.run.tick() / 2)
	}
	hours := s.random.IntN(7) - 3
	if unique {
		hours = s.random.IntN(2001) - 1000
	}
	return now.Add(time.Duration(hours) * time.Hour)
}

func (s *source) text(many int, r rules) string {
	n := s.random.IntN(many)
	switch {
	case r.has("email"):
		return fmt.Sprintf("p%d@example.com", n)
	case r.has("url"), r.has("http_url"):
		return fmt.Sprintf("https://example.com/%d", n)
	case r.has("numeric"), r.has("number"):
		return strconv.Itoa(n)
	}
	text := fmt.Sprintf("%c%d", 'a'+rune(n%26), n)
	if r.has("alpha") || r.has("lowercase") {
		text = strings.Repeat(string('a'+rune(n%26)), 1+n/26)
	}
	low, high := r.bounds(1, 1<<20)
	text += strings.Repeat("x", max(0, low-len(text)))
	return text[:min(len(text), max(high, 0))]
}

// input makes the input of a cursor, nil for none.
func (s *source) input(route *route.Route) (json.RawMessage, error) {
	if given := s.Inputs[route.Name]; len(given) > 0 {
		return json.Marshal(pick(s.random, given))
	}
	in := reflect.New(route.In).Elem()
	for _, sf := range reflect.VisibleFields(route.In) {
		if !sf.IsExported() || sf.Anonymous {
			continue
		}
		v := in.FieldByIndex(sf.Index)
		if sf.Type == reflect.TypeFor[tower.ID]() {
			if ids := s.anyIDs(route); len(ids) > 0 {
				v.SetString(string(pick(s.random, ids)))
			}
			continue
		}
		if kind := scalarKind(sf.Type); kind != record.Null {
			s.scalar(v, sf.Name, kind, rulesOf(sf), false)
		}
	}
	if in.NumField() == 0 {
		return nil, nil
	}
	return json.Marshal(in.Interface())
}

// anyIDs returns the ids of the cursor's own records, or now and then of all records.
func (s *source) anyIDs(route *route.Route) (ids []tower.ID) {
	for _, name := range s.run.seen.models {
		if s.run.models[name].Is(route.Out) || s.random.IntN(4) == 0 {
			ids = append(ids, s.ids(name)...)
		}
	}
	return ids
}

func scalarKind(t reflect.Type) record.Kind {
	if t == reflect.TypeFor[time.Time]() {
		return record.Time
	}
	switch v := reflect.New(t).Elem(); {
	case v.CanInt():
		return record.Int
	case v.CanUint():
		return record.Uint
	case v.CanFloat():
		return record.Float
	case t.Kind() == reflect.Bool:
		return record.Bool
	case t.Kind() == reflect.String:
		return record.String
	}
	return record.Null
}

// familiar picks one of the records, most often one of the first few, so that the same
// records are referred to and changed again and again.
func (s *source) familiar(ids []tower.ID) tower.ID {
	if few := min(3, len(ids)); s.random.IntN(3) > 0 {
		ids = ids[:few]
	}
	return pick(s.random, ids)
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }
