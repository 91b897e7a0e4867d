// Package flowlog writes the flow logs of a simulated VPC: which records each
// interface has of a minute, and how a record looks.
package flowlog

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// DefaultFormat is the format of a flow log that gives none
// (https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html).
const DefaultFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} " +
	"${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// What a record says of itself.
const (
	OK       = "OK"
	NoData   = "NODATA"   // there was no traffic
	SkipData = "SKIPDATA" // records were lost: nothing is known
)

// A Record is what an interface saw of one flow in one direction, in one window of
// time; or that it saw nothing, by its Status.
type Record struct {
	Account           string
	Interface         string
	Instance, Subnet  string
	VPC, Zone, Region string
	From, To          netip.AddrPort
	Protocol          world.Protocol
	Packets, Bytes    int
	Start, End        time.Time
	Accepted          bool
	Egress            bool
	TCPFlags          int
	Status            string
}

// fields are the fields that a format may name.
var fields = map[string]func(Record) string{
	"version":      func(Record) string { return "5" },
	"account-id":   func(r Record) string { return r.Account },
	"interface-id": func(r Record) string { return r.Interface },
	"instance-id":  func(r Record) string { return r.Instance },
	"subnet-id":    func(r Record) string { return r.Subnet },
	"vpc-id":       func(r Record) string { return r.VPC },
	"az-id":        func(r Record) string { return r.Zone },
	"region":       func(r Record) string { return r.Region },
	"start":        func(r Record) string { return strconv.FormatInt(r.Start.Unix(), 10) },
	"end":          func(r Record) string { return strconv.FormatInt(r.End.Unix(), 10) },
	"log-status":   func(r Record) string { return r.Status },

	"srcaddr":        data(func(r Record) string { return r.From.Addr().String() }),
	"dstaddr":        data(func(r Record) string { return r.To.Addr().String() }),
	"pkt-srcaddr":    data(func(r Record) string { return r.From.Addr().String() }),
	"pkt-dstaddr":    data(func(r Record) string { return r.To.Addr().String() }),
	"srcport":        data(func(r Record) string { return strconv.Itoa(int(r.From.Port())) }),
	"dstport":        data(func(r Record) string { return strconv.Itoa(int(r.To.Port())) }),
	"protocol":       data(func(r Record) string { return strconv.Itoa(int(r.Protocol)) }),
	"packets":        data(func(r Record) string { return strconv.Itoa(r.Packets) }),
	"bytes":          data(func(r Record) string { return strconv.Itoa(r.Bytes) }),
	"action":         data(func(r Record) string { return action(r.Accepted) }),
	"tcp-flags":      data(func(r Record) string { return strconv.Itoa(r.TCPFlags) }),
	"type":           data(func(r Record) string { return family(r.From.Addr()) }),
	"flow-direction": data(func(r Record) string { return direction(r.Egress) }),
	"traffic-path":   data(trafficPath),
	"reject-reason":  func(Record) string { return "-" }, // of Block Public Access only

	"pkt-src-aws-service": func(Record) string { return "-" },
	"pkt-dst-aws-service": func(Record) string { return "-" },
	"sublocation-type":    func(Record) string { return "-" },
	"sublocation-id":      func(Record) string { return "-" },
}

// data is a field that a record without traffic doesn't have.
func data(f func(Record) string) func(Record) string {
	return func(r Record) string {
		if r.Status != OK {
			return "-"
		}
		return f(r)
	}
}

func action(accepted bool) string {
	if accepted {
		return "ACCEPT"
	}
	return "REJECT"
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func direction(egress bool) string {
	if egress {
		return "egress"
	}
	return "ingress"
}

// trafficPath is the way that traffic takes out: within the VPC, or by an internet
// gateway. Traffic in has none.
func trafficPath(r Record) string {
	switch {
	case !r.Egress:
		return "-"
	case r.To.Addr().IsPrivate():
		return "1"
	default:
		return "8"
	}
}

// field is the field that a word of a format, like ${srcaddr}, names; nil if there is none.
func field(word string) func(Record) string {
	name, opens := strings.CutPrefix(word, "${")
	name, closes := strings.CutSuffix(name, "}")
	if !opens || !closes {
		return nil
	}
	return fields[name]
}

// CheckFormat reports what is wrong with a format; an empty one is the default.
func CheckFormat(format string) error {
	for word := range strings.FieldsSeq(format) {
		if field(word) == nil {
			return fmt.Errorf("the log format has no field %s", word)
		}
	}
	return nil
}

// Text is a record in a format that CheckFormat accepts.
func (r Record) Text(format string) string {
	if format == "" {
		format = DefaultFormat
	}
	var words []string
	for word := range strings.FieldsSeq(format) {
		value := field(word)(r)
		if value == "" {
			value = "-"
		}
		words = append(words, value)
	}
	return strings.Join(words, " ")
}
