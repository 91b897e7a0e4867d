package network

import (
	"net/netip"
	"time"
)

// A FlowStatus is what a record of a flow log says of its window.
type FlowStatus string

// What a record says of its window.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
const (
	FlowOK       FlowStatus = "OK"
	FlowNoData   FlowStatus = "NODATA"   // nothing went in or out
	FlowSkipData FlowStatus = "SKIPDATA" // records were lost: nothing is known
)

// A FlowRecord is what the flow log of a network interface says of one flow in one
// window of time.
type FlowRecord struct {
	Interface  string
	Start, End time.Time
	Status     FlowStatus // with another one than FlowOK, nothing below is known

	From, To netip.AddrPort // the packets' own addresses
	Protocol int            // IANA's number
	Egress   bool           // from the instance
	Accepted bool           // by groups and ACL
	Opens    bool           // a TCP connection was begun in the window
	Bytes    int64
}

// Far is the end of the flow that is not the interface.
func (r FlowRecord) Far() netip.AddrPort {
	if r.Egress {
		return r.To
	}
	return r.From
}

// A FlowLogRead is what was read of the flow log of one interface.
type FlowLogRead struct {
	Records []FlowRecord
	Err     error // why it was not read, or not wholly
}

// A FlowReading is what the flow logs of an instance said at a moment.
type FlowReading struct {
	Read    time.Time // when; zero: nothing was read
	Records []FlowRecord
}
