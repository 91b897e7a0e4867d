package guardduty

import (
	"bytes"
	"encoding/json"
	"iter"
)

// What an event may hold at most. The bounds lie above anything that GuardDuty
// sends, and keep what an event of MaxEventSize costs in memory to a few times its
// size, whatever it consists of.
const (
	// maxList bounds each list and map of a finding. GuardDuty gives at most 400
	// resources, 400 endpoints and 100 signals, and a resource has 50 tags.
	// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
	maxList = 500

	// maxFindings bounds the findings of an event. GetFindings returns 50, a
	// custom action of Security Hub 20.
	// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_GetFindings.html
	maxFindings = 500

	// maxPeers bounds the peers of an instance. A network ACL holds 40 entries at
	// most; the rest are recorded and reported.
	maxPeers = 500

	// maxEventPeers bounds the peers of an event: each instance of a sequence may
	// have every endpoint as peer.
	maxEventPeers = maxPeers * 100
)

// A list is a JSON array of which at most maxList elements are kept. What is no
// array is an empty list, since a field of a wrong type must not cost a containment.
type list[T any] struct {
	items []T
	given int // how many elements there were
}

// UnmarshalJSON reads an array one element at a time: encoding/json would make room
// for all of them first.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = list[T]{}
	for element := range elements(b) {
		if l.given++; l.given <= maxList {
			var v T
			unmarshal(element, &v)
			l.items = append(l.items, v)
		}
	}
	return nil
}

// unmarshal reads as much of a valid JSON value as fits in v. A value of a wrong
// type is passed over by encoding/json, which reads on and tells in the end.
func unmarshal(raw []byte, v any) {
	if own, ok := v.(json.Unmarshaler); ok {
		_ = own.UnmarshalJSON(raw) // saves what json.Unmarshal sets up for each value
		return
	}
	_ = json.Unmarshal(raw, v)
}

// elements are the elements of a valid JSON array; there are none in anything else.
func elements(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if b = bytes.TrimLeft(b, " \t\r\n"); len(b) == 0 || b[0] != '[' {
			return
		}
		for rest := bytes.TrimSpace(b[1 : len(b)-1]); len(rest) > 0; {
			n := valueLength(rest)
			if !yield(bytes.TrimSpace(rest[:n])) || n == len(rest) {
				return
			}
			rest = rest[n+1:]
		}
	}
}

// valueLength is how much of b comes before the first comma that is outside of
// strings, arrays and objects.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLength(b[i:]) - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// stringLength is the length of the JSON string that b begins with, its quotes
// included.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// flatFields are the fields of a JSON object whose values are scalars, those that
// keep keeps and maxList of them at most.
func flatFields(raw []byte, keep func(key string) bool) map[string]scalar {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	fields := make(map[string]scalar)
	for dec.More() && len(fields) < maxList {
		key, err := dec.Token()
		if err != nil {
			return fields
		}
		var value scalar
		if err := dec.Decode(&value); err != nil {
			return fields
		}
		if name, ok := key.(string); ok && keep(name) {
			fields[name] = value
		}
	}
	return fields
}
