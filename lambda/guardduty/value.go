package guardduty

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A value is a part of an event that knows whether it could be read. Reading one
// never fails: an unreadable field must not cost a containment.
type value interface {
	unreadable() bool
}

// decode reads a JSON object into a T. Keys match in any case. It fails for anything
// but an object.
func decode[T any](raw []byte) (T, bool) {
	var o object[T]
	err := json.Unmarshal(raw, &o)
	return o.V, err == nil && o.given
}

// An object is a JSON object. Null is the same as absent.
type object[T any] struct {
	V     T
	given bool
	wrong kind // what stood in the object's place
}

// UnmarshalJSON reads the object. When a key is given several times, only the first is
// read: one key repeated a million times would otherwise cost memory each time.
func (o *object[T]) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == 'n':
		return nil
	case b[0] != '{':
		o.wrong = kindOf(b)
		return nil
	case o.given:
		o.wrong = repeated
		return nil
	}
	o.given = true
	return json.Unmarshal(b, &o.V)
}

// MarshalJSON writes what was read. Nothing needs it but encoding/json: before it reads
// a type, it works out how to write it, with all that is in it, unless the type says how.
// That is half of what the first finding costs.
func (o object[T]) MarshalJSON() ([]byte, error) {
	if !o.given {
		return []byte("null"), nil
	}
	return json.Marshal(o.V)
}

func (o object[T]) unreadable() bool { return o.wrong != expected }

// A kind says what a JSON value is that stands where another was expected.
type kind uint8

const (
	expected kind = iota // nothing else than what was expected, or nothing at all
	anObject
	anArray
	aString
	aTruthValue
	aNumber
	repeated // the key was given several times
)

func kindOf(b []byte) kind {
	switch b[0] {
	case '{':
		return anObject
	case '[':
		return anArray
	case '"':
		return aString
	case 't', 'f':
		return aTruthValue
	default:
		return aNumber
	}
}

func (k kind) String() string {
	return [...]string{"missing", "an object", "an array", "a string", "a truth value", "a number", "the key several times"}[k]
}

// got describes, for an error message, what stands in the place of a value.
func (k kind) got() string {
	if k == expected {
		return k.String()
	}
	return "got " + k.String()
}

// scalar is a string, number or truth value in its textual form. GuardDuty, the CLI
// and Security Hub's flattened fields each write some fields as another of the three.
type scalar struct {
	s     string
	wrong kind // what stood in the scalar's place
}

func (s *scalar) UnmarshalJSON(b []byte) error {
	*s = scalar{}
	switch b[0] {
	case '"':
		if bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) { // nearly all are: no need to set up a decoder for each
			s.s = string(b[1 : len(b)-1])
			return nil
		}
		return json.Unmarshal(b, &s.s)
	case 'n':
	case '{', '[':
		s.wrong = kindOf(b)
	default:
		s.s = string(b)
	}
	return nil
}

// MarshalJSON writes the text that was read; see object.
func (s scalar) MarshalJSON() ([]byte, error) { return json.Marshal(s.s) }

func (s scalar) unreadable() bool { return s.wrong != expected }

func (s scalar) absent() bool { return s.s == "" && s.wrong == expected }

// got describes the value for an error message.
func (s scalar) got() string {
	switch {
	case s.wrong != expected:
		return s.wrong.got()
	case s.s == "":
		return "missing"
	default:
		return "got " + strconv.Quote(Clean(s.s, maxUnreadable))
	}
}

func (s scalar) clean(limit int) string { return Clean(s.s, limit) }

// number reads a finite decimal number.
func (s scalar) number() (float64, bool) {
	if s.s == "" || strings.Trim(s.s, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s.s, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

// A boolean is true or false, as a truth value or as text.
type boolean struct{ scalar }

func (b boolean) truth() bool { return strings.EqualFold(b.s, "true") }

func (b boolean) unreadable() bool {
	return !b.absent() && !b.truth() && !strings.EqualFold(b.s, "false")
}

// A port is a number from 0 to 65535.
type port struct{ scalar }

const maxPort = 1<<16 - 1

// number is 0 when the port is absent or unreadable.
func (p port) number() int {
	n, _ := p.read()
	return n
}

func (p port) read() (n int, ok bool) {
	f, ok := p.scalar.number()
	if !ok || f < 0 || f > maxPort {
		return 0, false
	}
	return int(f), true
}

func (p port) unreadable() bool {
	_, ok := p.read()
	return !ok && !p.absent()
}

// A moment is an RFC 3339 time, or seconds since 1970.
type moment struct{ scalar }

// endOfTime is the first second that RFC 3339 can't write.
const endOfTime = 253402300800

// time is zero when the moment is absent or unreadable.
func (m moment) time() time.Time {
	if t, err := time.Parse(time.RFC3339Nano, m.s); err == nil {
		return t.UTC()
	}
	n, ok := m.number()
	if !ok || n <= 0 || n >= endOfTime {
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC()
}

func (m moment) unreadable() bool { return !m.absent() && m.time().IsZero() }

// An address is an IP address.
type address struct{ scalar }

func (a address) unreadable() bool {
	_, ok := parseAddr(a.scalar)
	return !ok && !a.absent()
}

// asText returns the JSON that a string holds, when it holds an object or a list.
func asText(raw []byte) ([]byte, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	inner := bytes.TrimSpace([]byte(s))
	return inner, len(inner) > 0 && (inner[0] == '{' || inner[0] == '[') && json.Valid(inner)
}
