package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The bounds of a result. MaxOutput is in bytes: SSM keeps 24,000 characters of what
// a command prints.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
const (
	MaxOutput      = 24_000
	MaxConnections = 300
	maxWord        = 80  // characters of a name or a path
	maxText        = 500 // characters of an error
)

// A Result is what a host says of itself, in its own words: the intruder may have
// written all of it. It never clears an exposure and never denies anybody. All texts
// are bounded and printable ASCII.
type Result struct {
	// Rules are the rules of ours in force: "nft", "iptables", "windows", "none", or
	// empty where the output has no result.
	Rules string
	// Closed is how many sockets were closed, Left how many established ones remain.
	Closed, Left int
	// Truncated says that the evidence is not complete, by the host's word or because
	// of our bounds.
	Truncated bool
	// Error is what went wrong, or why the output can't be read.
	Error string
	// Connections are the evidence: what was established before the rules were set.
	Connections []Connection
}

// Readable reports whether the output ended in a result.
func (r Result) Readable() bool { return r.Rules != "" }

// A Connection is one that a host says was established. Its remote is a lead for a
// person: an intruder can name a neighbour's database here, to have it cut off.
type Connection struct {
	Protocol      string // "tcp" or "udp"
	Local, Remote netip.AddrPort
	User          string // a number, or a name on Windows
	Process       int    // zero: unknown
	Name          string // of the process, which it chooses itself
	File          string // the process's executable
	Namespace     int    // a process in its network namespace, if that is not the host's
}

// ParseResult reads the output of a script. What it can't read is left out, and said.
func ParseResult(output string) Result {
	cut := len(output) > MaxOutput
	if cut {
		output = output[:MaxOutput]
	}
	output = strings.TrimRight(output, "\r\n \t\x00")
	end := strings.LastIndexByte(output, '\n') + 1
	r, err := parseLast(output[end:])
	if err != nil {
		r = Result{Error: clean("the output has no result: "+err.Error(), maxText)}
		end = len(output)
	}
	for line := range strings.Lines(output[:end]) {
		c, ok := parseConnection(line)
		if !ok {
			continue
		}
		if len(r.Connections) == MaxConnections {
			r.Truncated = true
			break
		}
		r.Connections = append(r.Connections, c)
	}
	r.Truncated = r.Truncated || cut
	return r
}

// parseLast reads the line of JSON that ends an output.
func parseLast(line string) (Result, error) {
	var in struct {
		Version      int
		Rules        string
		Closed, Left int
		Truncated    bool
		Error        string
	}
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return Result{}, errors.New("the last line is not its JSON")
	}
	if in.Version != 1 {
		return Result{}, fmt.Errorf("version %d is unknown", in.Version)
	}
	switch in.Rules {
	case "nft", "iptables", "windows", "none":
	default:
		return Result{}, fmt.Errorf("rules %q are unknown", clean(in.Rules, maxWord))
	}
	if in.Closed < 0 || in.Left < 0 {
		return Result{}, errors.New("a count is negative")
	}
	return Result{
		Rules: in.Rules, Closed: in.Closed, Left: in.Left, Truncated: in.Truncated, Error: clean(in.Error, maxText),
	}, nil
}

// parseConnection reads a line of evidence: protocol, local and remote endpoint, user,
// process, its name, its executable, and the namespace if there is one.
func parseConnection(line string) (Connection, bool) {
	f := strings.Fields(line)
	if len(f) < 7 || len(f) > 8 || f[0] != "tcp" && f[0] != "udp" {
		return Connection{}, false
	}
	local, err1 := netip.ParseAddrPort(f[1])
	remote, err2 := netip.ParseAddrPort(f[2])
	if err1 != nil || err2 != nil || local.Addr().Zone() != "" || remote.Addr().Zone() != "" {
		return Connection{}, false
	}
	c := Connection{
		Protocol: f[0], Local: unmap(local), Remote: unmap(remote), User: clean(f[3], maxWord),
		Name: clean(f[5], maxWord), File: clean(f[6], maxWord),
	}
	c.Process = process(f[4])
	if len(f) == 8 {
		c.Namespace = process(f[7])
	}
	return c, true
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// process reads the number of a process; what is none is zero.
func process(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// clean makes a text of a host safe to print, store and send: printable ASCII, and at
// most so many characters.
func clean(s string, most int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == most {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
