package guardduty

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decode reads a JSON object into a T as well as it can. A field of a wrong JSON
// type stays empty, since it must not cost a containment; encoding/json skips it
// and reads on. Keys match in any case. It fails for anything but an object.
func decode[T any](raw []byte) (v T, ok bool) {
	if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) == 0 || raw[0] != '{' {
		return v, false
	}
	err := json.Unmarshal(raw, &v)
	_, mismatch := errors.AsType[*json.UnmarshalTypeError](err)
	return v, err == nil || mismatch
}

// scalar is a string, number or truth value in its textual form. The casing of
// the wire, the CLI and Security Hub's flattened fields each write some fields
// as another of the three.
type scalar struct {
	s     string
	wrong bool // there was an object or an array
}

func (s *scalar) UnmarshalJSON(b []byte) error {
	*s = scalar{}
	switch b[0] {
	case '"':
		if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			s.s = string(inner)
			return nil
		}
		return json.Unmarshal(b, &s.s)
	case 'n':
	case '{', '[':
		s.wrong = true
	default:
		s.s = string(b)
	}
	return nil
}

func (s scalar) absent() bool { return s.s == "" && !s.wrong }

// got describes the value for an error message.
func (s scalar) got() string {
	switch {
	case s.wrong:
		return "got an object or array"
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

// integer reads a whole number from 0 to most, and is 0 for anything else.
func (s scalar) integer(most int) int {
	n, ok := s.number()
	if !ok || n < 0 || n > float64(most) {
		return 0
	}
	return int(n)
}

func (s scalar) truth() bool { return strings.EqualFold(s.s, "true") }

// endOfTime is the first second that RFC 3339 can't write.
const endOfTime = 253402300800

// time reads an RFC 3339 time or seconds since 1970, and is zero for anything
// else.
func (s scalar) time() time.Time {
	if t, err := time.Parse(time.RFC3339Nano, s.s); err == nil {
		return t.UTC()
	}
	n, ok := s.number()
	if !ok || n <= 0 || n >= endOfTime {
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC()
}
