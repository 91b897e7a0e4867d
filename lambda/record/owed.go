package record

import (
	"fmt"
	"time"

	"tourniquet/lambda/guardduty"
)

// A Channel is a way on which something is told.
type Channel string

// The channels.
const (
	ToPeople Channel = "people" // the SNS topic
	ToBus    Channel = "bus"    // the EventBridge bus
)

// An Owed is what must still be told on one channel. It is written with what it tells
// of, in one transaction, and removed once it is delivered: it is told at least once,
// even if the invocation dies in between. Each channel has an entry of its own, so that
// one which fails is tried again alone.
type Owed struct {
	// Time, Instance, ID and To make an entry what it is: writing the same one twice is
	// one. Time counts to the second.
	Time     time.Time
	Instance string
	ID       string // tells entries of the same instance and second apart, as an Event's does
	To       Channel

	Generation int // of the containment; 0 when there is none, as for a held finding
	Verdict    Verdict
	Was        Status // before; empty when it was not contained
	Status     Status // after
	Reason     string
	Finding    string   // its id, when a finding asked
	Request    string   // the invocation's request id
	Applied    []string // the steps that were applied
}

// The bounds of what is stored of an owed entry. A notification is made from it and
// from the record, and has a bound of its own.
const (
	maxOwedReason  = 1024 // bytes
	maxOwedWord    = 512  // bytes
	maxOwedApplied = 100  // steps
)

// Bounded is the entry with texts that are safe to store and to show, and no more than
// a hundred steps; a last line counts those that are left out.
func (o Owed) Bounded() Owed {
	o.Reason = guardduty.Clean(o.Reason, maxOwedReason)
	o.Finding, o.Request = guardduty.Clean(o.Finding, maxOwedWord), guardduty.Clean(o.Request, maxOwedWord)
	o.Applied = AtMost(o.Applied, maxOwedApplied, "steps")
	for i, s := range o.Applied {
		o.Applied[i] = guardduty.Clean(s, maxOwedWord)
	}
	return o
}

// Check is why the entry makes no sense, or nil.
func (o Owed) Check() error {
	switch {
	case o.Instance == "" || o.ID == "" || o.Time.IsZero():
		return fmt.Errorf("an owed entry needs instance, id and time: %q, %q, %s", o.Instance, o.ID, o.Time)
	case o.To != ToPeople && o.To != ToBus:
		return fmt.Errorf("an owed entry to the unknown channel %q", o.To)
	}
	return nil
}

// AtMost is a copy of a list of lines, with so many lines at most. The last one says
// how many of what are left out.
func AtMost(lines []string, most int, what string) []string {
	if len(lines) <= most {
		return append([]string(nil), lines...)
	}
	kept := append([]string(nil), lines[:most-1]...)
	return append(kept, fmt.Sprintf("and %d more %s", len(lines)-most+1, what))
}

// A LeasedError says that somebody else has a lease.
type LeasedError struct {
	Name   string // what is leased
	Holder string // who has it
	Until  time.Time
}

func (e *LeasedError) Error() string {
	return fmt.Sprintf("%s is leased by %s until %s", e.Name, e.Holder, e.Until.UTC().Format(time.RFC3339))
}
