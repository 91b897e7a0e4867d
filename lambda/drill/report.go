package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/simvpc"
)

// A report is what a drill shows.
type report struct {
	Finding  findingReport   `json:"finding"`
	Differs  []string        `json:"differs,omitempty"` // what the world has otherwise than the finding
	Decision policy.Decision `json:"decision"`
	Naive    bool            `json:"naive,omitempty"` // it stopped after the group swap
	// NoPeer: the finding names none. Those with whom the instance has a connection
	// outside the world are taken for peers, since one of them is the intruder.
	NoPeer    bool             `json:"noPeer,omitempty"`
	Observed  []string         `json:"observed"`
	Plan      answer.Answer    `json:"plan"`
	Calls     []callReport     `json:"changes"`
	Answer    answer.Answer    `json:"answer"`
	Prompts   []promptReport   `json:"prompts"`
	Flows     []flowReport     `json:"flows"`
	Minute    minuteReport     `json:"minute"`
	Deletion  []deletionReport `json:"deletion"`
	Evidence  *evidenceReport  `json:"evidence,omitempty"`  // of a member of an Auto Scaling group
	Forensics *forensicsReport `json:"forensics,omitempty"` // where the world has a group for it
	Unnamed   *unnamedReport   `json:"unnamed,omitempty"`   // the second act of the built-in drill
	Release   releaseReport    `json:"release"`
	ByOracle  []string         `json:"byOracle,omitempty"` // flows that no packets show, and why

	disagreements []string // between packets and oracle: a fault of this program
}

// A promptReport is what the intruder has typed, and what came back.
type promptReport struct {
	When    string `json:"when"` // before, groups swapped, contained, and so in the second act
	From    string `json:"from"`
	Command string `json:"command"`
	Answer  string `json:"answer,omitempty"`
	Silence string `json:"silence,omitempty"` // why no answer came
}

// A minuteReport says what the minute after the containment brought.
type minuteReport struct {
	Connections int    `json:"connections"` // of peers, cut, whose ends went on sending
	Stopped     int    `json:"stopped"`     // of their packets
	Arrived     int    `json:"arrived"`
	Neighbour   string `json:"neighbour,omitempty"`
}

type findingReport struct {
	Type     string   `json:"type"`
	Severity float64  `json:"severity"`
	Instance string   `json:"instance"`
	Peers    []string `json:"peers"`
}

// A callReport is one change made through the API.
type callReport struct {
	Millis float64 `json:"millis"` // since the event arrived
	Call   string  `json:"call"`
	Error  string  `json:"error,omitempty"`
}

// A flowReport says whether a flow passes before, after a swap of the groups
// alone, after Tourniquet, and when the instance has been released while the denials
// linger.
type flowReport struct {
	Flow string `json:"flow"`
	Peer bool   `json:"peer"` // with a peer of the finding
	New  bool   `json:"new"`  // a connection still to be made
	// Collateral: it is a neighbour's, with a peer of the finding. A denial is for the
	// whole subnet, so that the neighbour loses the peer too.
	Collateral bool   `json:"collateral"`
	Packets    bool   `json:"packets"` // real packets showed it; else the oracle says so
	Before     bool   `json:"before"`
	Naive      bool   `json:"afterGroupSwapAlone"`
	After      bool   `json:"afterTourniquet"`
	Released   bool   `json:"released"`
	Why        string `json:"why"`
	// Unnamed is after Tourniquet when the finding names no peer: in the second act.
	Unnamed    bool   `json:"afterTourniquetUnnamed,omitempty"`
	UnnamedWhy string `json:"whyUnnamed,omitempty"`
}

func summarize(f guardduty.Finding, in plan.Incident) findingReport {
	r := findingReport{Type: f.Type, Severity: f.Severity, Instance: in.Instance, Peers: []string{}}
	for _, a := range in.Target(nil).Peers {
		r.Peers = append(r.Peers, a.String())
	}
	return r
}

func observed(n network.Network) []string {
	var lines []string
	for _, i := range n.Interfaces {
		subnet := n.Subnets[i.Subnet]
		lines = append(lines, fmt.Sprintf("%s in %s behind %s, groups %s", i.ID, subnet.ID, subnet.ACL, strings.Join(i.Groups, " ")))
	}
	return lines
}

func calls(log []simvpc.Call, start time.Time) []callReport {
	var changes []callReport
	for _, c := range log {
		if !c.Mutating {
			continue
		}
		what := []string{c.Op}
		for _, p := range []string{
			"NetworkInterfaceId", "NetworkAclId", "RuleNumber", "CidrBlock", "Ipv6CidrBlock", "SecurityGroupId.1", "ResourceId.1", "GroupName",
			"AutoScalingGroupName", "InstanceIds.member.1", "InstanceId", "InstanceId.1", "DocumentName",
		} {
			if v := c.Params.Get(p); v != "" {
				what = append(what, v)
			}
		}
		if e := c.Params.Get("Egress"); e != "" {
			what = append(what, map[string]string{"true": "out", "false": "in"}[e])
		}
		changes = append(changes, callReport{
			Millis: float64(c.End.Sub(start).Microseconds()) / 1000, Call: strings.Join(what, " "), Error: c.Code,
		})
	}
	return changes
}

// open reports whether a flow with a peer still passes, in either act.
func (r *report) open() bool {
	return slices.ContainsFunc(r.Flows, func(f flowReport) bool { return f.Peer && (f.After || f.Unnamed || r.Naive && f.Naive) })
}

// print shows the end of a drill: what its course has not shown yet.
func (r *report) print(show *screen) {
	if !r.Naive {
		r.Release.print(show)
	}
	show.title("What still passes")
	r.printFlows(show)
	if !r.Naive {
		show.title("What may still flow, and why")
	}
	for _, i := range r.Answer.Incidents {
		for _, e := range i.Exposure {
			show.line("%s: %s", e.Kind, clean(e.Detail))
		}
	}
	colour := green
	if r.open() {
		colour = red
	}
	show.write("\n" + show.paint(colour, r.verdict()) + "\n")
}

// A column of the table of flows says whether a flow passes at one point of the drill.
type column struct {
	head  string
	width int // in a picture, in characters
	cell  func(flowReport) cell
}

// columns are those of the table, in the order of the drill.
func (r *report) columns() []column {
	all := []column{
		{"before", 9, func(f flowReport) cell { return passes(f, f.Before) }},
		{"group swap alone", 18, func(f flowReport) cell { return passes(f, f.Naive) }},
		{"Tourniquet", 12, func(f flowReport) cell { return passes(f, f.After) }},
	}
	if r.Unnamed != nil {
		all = append(all, column{"no peer named", 15, passesUnnamed})
	}
	return append(all, column{"released", 8, func(f flowReport) cell { return passes(f, f.Released) }})
}

func (r *report) printFlows(show *screen) {
	columns := r.columns()
	if r.Naive {
		columns = columns[:2] // it stopped there
	}
	head := []cell{{"", ""}}
	for _, c := range columns {
		head = append(head, cell{c.head, ""})
	}
	rows := [][]cell{head}
	for _, f := range r.Flows {
		row := []cell{{f.mark() + f.Flow, ""}}
		for _, c := range columns {
			row = append(row, c.cell(f))
		}
		rows = append(rows, append(row, cell{clean(f.Why), dim}))
	}
	show.table(rows)
	for _, o := range r.ByOracle {
		show.line("judged by the oracle: %s", clean(o))
	}
	legend := "! with a peer of the finding"
	if r.NoPeer {
		legend = "! with somebody outside: the finding names no peer, so each of them may be the intruder"
	}
	if slices.ContainsFunc(r.Flows, func(f flowReport) bool { return f.Collateral }) {
		legend += "; ~ a neighbour's, with that peer"
	}
	if !r.Naive {
		legend += "; released: an hour later, while the denials linger"
	}
	show.line("%s", legend)
}

func (r *report) verdict() string {
	naive, peers := 0, 0
	for _, f := range r.Flows {
		if f.Peer {
			peers++
		}
		if f.Peer && f.Naive {
			naive++
		}
	}
	switch {
	case r.Naive && r.open():
		return fmt.Sprintf("NOT contained: with the groups swapped, %d of the peers' connections are alive.", naive)
	case r.open():
		return "NOT contained: a flow with a peer still passes."
	case peers == 0:
		return "Quarantined. No connection with a peer was rehearsed, and none was denied."
	case r.NoPeer && !r.Naive:
		return fmt.Sprintf("Contained. The finding names no peer; the group swap alone would have left %d connections alive.", naive)
	case r.Naive:
		return "No connection with a peer has survived the group swap."
	default:
		return fmt.Sprintf("Contained. The group swap alone would have left %d of the peers' connections alive.", naive)
	}
}

// mark is the sign before a flow in a table.
func (f flowReport) mark() string {
	switch {
	case f.Peer:
		return "! "
	case f.Collateral:
		return "~ "
	default:
		return "  "
	}
}

// passes is the word for whether a flow passes, red where it shouldn't.
func passes(f flowReport, yes bool) cell {
	switch {
	case f.Collateral:
		return cell{map[bool]string{true: "passes", false: "cut"}[yes], ""}
	case yes && f.Peer:
		return cell{"passes", red}
	case yes:
		return cell{"passes", green}
	case f.Peer:
		return cell{"cut", green}
	default:
		return cell{"cut", red}
	}
}

// passesUnnamed is the word for whether a flow passes in the second act, in which a
// neighbour's connection with the peer isn't denied.
func passesUnnamed(f flowReport) cell {
	f.Collateral = false
	return passes(f, f.Unnamed)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}
