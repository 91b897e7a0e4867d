package notice

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
)

// What a message repeats of others' texts is bounded, in bytes.
const (
	maxName     = 64
	maxReason   = 600
	maxExposure = 300
	maxLines    = 12 // of a section; the command shows the rest
	maxSubject  = 100
)

// headlines say what happened, the part that matters first.
var headlines = map[Kind]string{
	Contained:  "Contained",
	Partially:  "PARTIALLY contained",
	Unfinished: "NOT YET contained, the function tries again",
	Held:       "HELD, NOT contained",
	Released:   "Released",
	Releasing:  "Released IN PART",
	Repaired:   "Drift repaired, contained again",
	Survivor:   "SURVIVOR, packets still flow",
	Leaks:      "QUARANTINE LEAKS, new connections succeed",
	Admitted:   "Forensic access changed",
	Closed:     "Closed, the instance is gone",
	Sample:     "Sample finding, the pipeline works",
	Observed:   "Observed only, NOT contained",
	Exempt:     "Exempt, NOT contained",
}

// who names the instance, with its Name tag where it has one.
func (n News) who() string {
	if n.Name == "" {
		return n.Incident.Instance
	}
	return fmt.Sprintf("%s (%s)", plain.Line(n.Name, maxName), n.Incident.Instance)
}

// headline is the first line: what happened to which instance.
func (n News) headline() string {
	return headlines[n.Kind] + ": " + n.who()
}

// Subject is plain ASCII of at most 100 characters, without line breaks, as SNS asks
// for. The instance's id comes before its name, which may be cut off.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func (n News) subject() string {
	s := headlines[n.Kind] + ": " + n.Incident.Instance
	if n.Name != "" {
		s += " (" + plain.Line(n.Name, maxName) + ")"
	}
	if n.Incident.Unrecorded {
		s = "UNRECORDED " + s
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxSubject)]
}

// A section is a heading and its lines.
type section struct {
	heading string
	lines   []string
}

// sections are what was cut, what may still flow, and what else to know.
func (n News) sections() []section {
	var all []section
	if lines := n.cut(); len(lines) > 0 {
		all = append(all, section{n.cutHeading(), lines})
	}
	if lines := n.lingering(); len(lines) > 0 {
		all = append(all, section{"Still denied, until its connection cannot revive", lines})
	}
	if lines := n.missing(); len(lines) > 0 {
		all = append(all, section{"Not done", lines})
	}
	if lines := n.exposure(); len(lines) > 0 {
		all = append(all, section{"What may still flow", lines})
	}
	if len(n.Incident.Warnings) > 0 {
		all = append(all, section{"Warnings", n.warnings()})
	}
	for i := range all {
		all[i].lines = bounded(all[i].lines)
	}
	return all
}

func (n News) cut() []string {
	if n.Kind == Released || n.Kind == Closed || n.Kind == Held || n.Kind == Sample || n.Kind == Exempt {
		return nil
	}
	return plain.Cut(n.Incident.Steps)
}

func (n News) cutHeading() string {
	switch n.Kind {
	case Observed:
		return "What would be cut"
	case Repaired:
		return "What is cut (put back: " + plain.Some(n.changed(), 4) + ")"
	default:
		return "What is cut"
	}
}

// changed are the resources that were changed just now.
func (n News) changed() []string {
	var names []string
	for _, s := range n.Incident.Steps {
		if slices.Contains(n.Changed, s.ID) && !slices.Contains(names, s.Resource) {
			names = append(names, s.Resource)
		}
	}
	return names
}

// lingering are the denials that outlive a release, or the instance.
func (n News) lingering() []string {
	if n.Kind != Released && n.Kind != Releasing && n.Kind != Closed {
		return nil
	}
	until := plain.Lingering(n.Incident.Steps)
	var lines []string
	for _, s := range n.Incident.Steps {
		if at := until[s.Prefix]; at != "" {
			lines = append(lines, fmt.Sprintf("%s, until %s", plain.Address(s.Prefix), at))
			delete(until, s.Prefix)
		}
	}
	return lines
}

// missing are the steps that are not as they should be.
func (n News) missing() []string {
	var lines []string
	for _, s := range n.Incident.Steps {
		switch s.State {
		case record.Failed, record.ChangedElsewhere:
		case record.Pending:
			if n.Kind != Unfinished && n.Kind != Releasing {
				continue
			}
		default:
			continue
		}
		line := string(s.State) + ": " + plain.Line(s.ID, maxExposure)
		if s.Note != "" {
			line += " (" + plain.Line(s.Note, maxExposure) + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// exposure is what may still flow, the gravest first.
func (n News) exposure() []string {
	rank := func(k record.ExposureKind) int {
		switch {
		case k == record.SurvivingPeer || k == record.QuarantineLeaks:
			return 0
		case k.Partial():
			return 1
		default:
			return 2
		}
	}
	listed := slices.Clone(n.Incident.Exposure)
	if n.Kind == Closed || n.Kind == Held || n.Kind == Sample || n.Kind == Exempt {
		return nil
	}
	var lines []string
	for r := range 3 {
		for _, e := range listed {
			if rank(e.Kind) == r {
				lines = append(lines, plain.Exposure(e.Kind)+": "+plain.Line(e.Detail, maxExposure))
			}
		}
	}
	return lines
}

func (n News) warnings() []string {
	var lines []string
	for _, w := range n.Incident.Warnings {
		lines = append(lines, plain.Line(w, maxExposure))
	}
	return lines
}

func bounded(lines []string) []string {
	if len(lines) <= maxLines {
		return lines
	}
	more := fmt.Sprintf("and %d more", len(lines)-maxLines+1)
	return append(slices.Clone(lines[:maxLines-1]), more)
}

// next are the commands that a person may want: what shows more, and what goes on
// from here.
func (n News) next() []string {
	show := n.command("show")
	switch n.Kind {
	case Held:
		return []string{show, n.command("contain", "--reason", "REASON")}
	case Contained, Partially, Unfinished, Repaired, Survivor, Leaks, Admitted, Releasing:
		return []string{show, n.command("release", "--reason", "REASON")}
	case Released:
		return []string{show, n.command("release", "--force", "--reason", "REASON")}
	default:
		return []string{show}
	}
}

// text is the message for people.
func (n News) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", n.headline())
	if n.Incident.Reason != "" {
		fmt.Fprintf(&b, "Why: %s\n", plain.Line(n.Incident.Reason, maxReason))
	}
	if n.Place.Account != "" {
		fmt.Fprintf(&b, "Where: account %s, %s, incident %s\n", n.Place.Account, n.Place.Region, n.Thread())
	}
	if n.Incident.Unrecorded {
		b.WriteString("NOT in the ledger: only the interfaces' tags hold the original groups. Reconcile records it once the table answers.\n")
	}
	for _, s := range n.sections() {
		fmt.Fprintf(&b, "\n%s:\n", s.heading)
		for _, line := range s.lines {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	b.WriteString("\n")
	for i, command := range n.next() {
		fmt.Fprintf(&b, "%-9s %s\n", n.purpose(i)+":", command)
	}
	return b.String()
}

// purpose says what a command of next is for.
func (n News) purpose(i int) string {
	switch {
	case i == 0:
		return "Show"
	case n.Kind == Held:
		return "Contain"
	case n.Kind == Released:
		return "Undo all"
	default:
		return "Release"
	}
}
