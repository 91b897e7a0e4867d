package guardduty

import (
	"bytes"
	"encoding/json"
)

// What an event may hold at most. The bounds lie above anything that GuardDuty
// sends. They keep what an event of MaxEventSize costs in memory to a few times its
// size, whatever it consists of.
const (
	// maxList bounds each list and map of a finding. GuardDuty gives at most 400
	// resources, 400 endpoints and 100 signals.
	// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
	maxList = 500

	// maxFindings bounds the findings of an event. GetFindings returns 50, a
	// custom action of Security Hub 20.
	// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_GetFindings.html
	maxFindings = 500

	// maxPeers bounds the peers of an instance. A network ACL holds 40 entries at
	// most; the rest are counted and reported.
	maxPeers = 500

	// maxEventPeers bounds the peers of an event: each instance of a sequence may
	// have every endpoint as peer.
	maxEventPeers = maxPeers * 100
)

// A list is a JSON array of which at most maxList elements are kept. Null is the same
// as absent.
type list[T any] struct {
	Items []T
	total int // how many elements there were
	given bool
	wrong kind // what stood in the array's place
}

// UnmarshalJSON reads the array. When a key is given several times, only the first is
// read.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == 'n':
		return nil
	case b[0] != '[':
		l.wrong = kindOf(b)
		return nil
	case l.given:
		l.wrong = repeated
		return nil
	}
	l.given, l.total = true, count(b)
	l.Items = make([]T, min(l.total, maxList))
	eachElement(b, func(n int, dec *json.Decoder) bool {
		return n < len(l.Items) && dec.Decode(&l.Items[n]) == nil
	})
	return nil
}

// MarshalJSON writes the elements that were read; see object.
func (l list[T]) MarshalJSON() ([]byte, error) { return json.Marshal(l.Items) }

// unreadable reports whether the list, or elements at its end, could not be read.
func (l list[T]) unreadable() bool { return l.wrong != expected || l.total > len(l.Items) }

// eachElement calls read for each element of a valid JSON array with the element's
// number, until read returns false. Only an array has elements. It reads
// one element at a time, since json.Unmarshal would make room for all of them first.
func eachElement(raw []byte, read func(n int, dec *json.Decoder) bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		return
	}
	for n := 0; dec.More() && read(n, dec); n++ {
	}
}

// count is the number of elements of a valid JSON array, 0 for anything else.
func count(raw []byte) int {
	var all []skipped
	_ = json.Unmarshal(raw, &all) // anything but an array leaves all empty
	return len(all)
}

// skipped stands for a JSON value that is passed over. It takes no room.
type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

// flatFields returns the fields of a JSON object whose values are scalars and whose
// keys keep accepts. It is not whole when raw is something else than an object, or has
// more than maxList such fields. Nothing and null are an empty object.
func flatFields(raw []byte, keep func(key string) bool) (fields map[string]scalar, whole bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, len(raw) == 0 || start == nil && err == nil
	}
	fields = make(map[string]scalar)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fields, false
		}
		var value scalar
		if err := dec.Decode(&value); err != nil {
			return fields, false
		}
		name, ok := key.(string)
		if !ok || !keep(name) {
			continue
		}
		if len(fields) == maxList {
			return fields, false
		}
		fields[name] = value
	}
	return fields, true
}
