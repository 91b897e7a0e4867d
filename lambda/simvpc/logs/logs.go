// Package logs is the part of CloudWatch Logs that reads flow logs, over a
// simulated VPC whose traffic writes them.
package logs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/flowlog"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A Service is CloudWatch Logs. It is called by one at a time.
type Service struct {
	recorder *flowlog.Recorder
	events   []flowlog.Delivery // of all log groups, in the order of their windows
}

// New returns a service that records from now on.
func New(w *world.World, now time.Time) *Service {
	return &Service{recorder: flowlog.NewRecorder(w, now)}
}

// Script makes the next windows of an interface other than they would be.
func (s *Service) Script(eni string, scripts ...flowlog.Script) { s.recorder.Add(eni, scripts...) }

// Protocol is JSON.
func (s *Service) Protocol() *wire.Protocol { return wire.JSON }

// Pass writes the records of what passed up to now.
func (s *Service) Pass(w *world.World, now time.Time) bool {
	s.events = append(s.events, s.recorder.Pass(w, now)...)
	return false
}

// Operation finds an action of the API.
func (s *Service) Operation(name string) (wire.Operation, bool) {
	op, ok := map[string]wire.Operation{
		"FilterLogEvents": {Run: s.filter},
	}[name]
	return op, ok
}

// most is how many events an answer may have
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html).
const most = 10_000

type filterInput struct {
	Group      string   `json:"logGroupName"`
	Identifier string   `json:"logGroupIdentifier"`
	Streams    []string `json:"logStreamNames"`
	Prefix     string   `json:"logStreamNamePrefix"`
	Start      *int64   `json:"startTime"`
	End        *int64   `json:"endTime"`
	Pattern    string   `json:"filterPattern"`
	Limit      *int     `json:"limit"`
	Token      string   `json:"nextToken"`
	FromHead   *bool    `json:"startFromHead"`
	Mixed      *bool    `json:"interleaved"`
	Unmask     bool     `json:"unmask"`
}

type event struct {
	ID        string `json:"eventId"`
	Stream    string `json:"logStreamName"`
	Timestamp int64  `json:"timestamp"`
	Ingested  int64  `json:"ingestionTime"`
	Message   string `json:"message"`
}

type filterOutput struct {
	Events []event `json:"events"`
	Token  string  `json:"nextToken,omitempty"`
}

// filter finds events by group, stream, time and words. Records that are still on
// their way are not there yet.
func (s *Service) filter(r *wire.Request) (any, error) {
	in, err := wire.Decode[filterInput](r)
	if err != nil {
		return nil, err
	}
	group := in.Group
	if _, name, ok := strings.Cut(in.Identifier, ":log-group:"); ok {
		group = strings.TrimSuffix(name, ":*")
	} else if in.Identifier != "" {
		group = in.Identifier
	}
	if err := in.check(r.World, group); err != nil {
		return nil, err
	}
	var found []event
	for n, d := range s.events {
		if d.LogGroup != group || d.At.After(r.Now) || !in.accepts(d) {
			continue
		}
		found = append(found, event{
			ID: fmt.Sprintf("%056d", n), Stream: d.Stream, Timestamp: d.Record.Start.UnixMilli(), Ingested: d.At.UnixMilli(), Message: d.Message,
		})
	}
	slices.SortStableFunc(found, func(a, b event) int { return int(a.Timestamp - b.Timestamp) })
	return in.page(found)
}

func (in *filterInput) check(w *world.World, group string) error {
	switch {
	case group == "":
		return wire.Fail("InvalidParameterException", "Either logGroupName or logGroupIdentifier must be given")
	case in.Group != "" && in.Identifier != "":
		return wire.Fail("InvalidParameterException", "logGroupName and logGroupIdentifier can't be given together")
	case in.Prefix != "" && len(in.Streams) > 0:
		return wire.Fail("InvalidParameterException", "logStreamNames and logStreamNamePrefix can't be given together")
	case in.Limit != nil && (*in.Limit < 1 || *in.Limit > most):
		return wire.Fail("InvalidParameterException", "limit: %d is not from 1 to %d", *in.Limit, most)
	case strings.ContainsAny(in.Pattern, `[]{}?-"%`):
		return wire.Fail("InvalidParameterException", "filterPattern: simvpc knows plain words only, not %q", in.Pattern)
	case !slices.Contains(w.LogGroups, group):
		return wire.Fail("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return nil
}

// accepts reports whether an event is one that was asked for.
func (in *filterInput) accepts(d flowlog.Delivery) bool {
	at := d.Record.Start.UnixMilli()
	switch {
	case in.Start != nil && at < *in.Start, in.End != nil && at >= *in.End:
		return false
	case len(in.Streams) > 0 && !slices.Contains(in.Streams, d.Stream):
		return false
	}
	words := strings.Fields(d.Message)
	for word := range strings.FieldsSeq(in.Pattern) {
		if !slices.Contains(words, word) {
			return false
		}
	}
	return strings.HasPrefix(d.Stream, in.Prefix)
}

// page cuts one page out of what was found.
func (in *filterInput) page(found []event) (any, error) {
	from := 0
	if in.Token != "" {
		n, err := strconv.Atoi(in.Token)
		if err != nil || n < 0 || n > len(found) {
			return nil, wire.Fail("InvalidParameterException", "The specified nextToken is invalid.")
		}
		from = n
	}
	size := most
	if in.Limit != nil {
		size = *in.Limit
	}
	out := filterOutput{Events: found[from:min(from+size, len(found))]}
	if out.Events == nil {
		out.Events = []event{}
	}
	if from+size < len(found) {
		out.Token = strconv.Itoa(from + size)
	}
	return out, nil
}
