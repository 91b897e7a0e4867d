package network

import "slices"

// A HostState is how far a command to a host has come, as Systems Manager says. It is
// the word of the agent on the host, which may be the intruder's.
type HostState string

// The states of a command to a host.
const (
	// HostAwaited commands may still run or end.
	HostAwaited HostState = "awaited"
	// HostSucceeded commands ended with status 0.
	HostSucceeded HostState = "succeeded"
	// HostFailed commands ended with another status.
	HostFailed HostState = "failed"
	// HostStopped commands were running and ran out of time. What they did is unknown.
	HostStopped HostState = "stopped"
	// HostUndelivered commands never ran.
	HostUndelivered HostState = "undelivered"
)

// A HostReport is what is known of a command to a host. All that the host says in it
// may be made up: it never clears an exposure and never denies anybody. Its texts are
// bounded and printable ASCII.
type HostReport struct {
	Command string    // Systems Manager's id of the command; empty: there is none
	State   HostState // empty: nobody has asked yet
	Detail  string    // Systems Manager's own word for the state

	Rules        string // the rules in force, by the host's word: "nft", "iptables", "windows", "none"; empty: it says nothing that can be read
	Closed, Left int    // sockets that it closed, and established ones that are left
	Truncated    bool   // the connections are not complete
	Error        string
	Connections  []string // what was connected before the rules were set, a line each
}

// Ended reports whether nothing more will come of the command.
func (r HostReport) Ended() bool { return r.State != "" && r.State != HostAwaited }

// Equal reports whether both say the same.
func (r HostReport) Equal(o HostReport) bool {
	same := slices.Equal(r.Connections, o.Connections)
	return same && r.Command == o.Command && r.State == o.State && r.Detail == o.Detail && r.Rules == o.Rules &&
		r.Closed == o.Closed && r.Left == o.Left && r.Truncated == o.Truncated && r.Error == o.Error
}
