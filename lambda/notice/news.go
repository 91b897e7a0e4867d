package notice

import (
	"cmp"
	"slices"
	"strings"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/record"
)

// Place is where an incident is, and how its command finds the stack.
type Place struct {
	Partition string // "aws" when empty
	Account   string
	Region    string
	Stack     string // the CloudFormation stack; the command's default when empty
}

// PlaceOf reads a place from the ARN of the function that runs.
func PlaceOf(functionARN string) Place {
	// arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME
	parts := strings.Split(functionARN, ":")
	if len(parts) < 6 {
		return Place{}
	}
	return Place{Partition: parts[1], Region: parts[3], Account: parts[4]}
}

// News is one thing to tell of one incident.
type News struct {
	Kind     Kind
	Place    Place
	Name     string // the instance's Name tag; empty when it has none
	Incident answer.IncidentAnswer
	Changed  []string // ids of the steps that were applied just now
	Findings []Finding
}

// A Finding is a finding that named the instance.
type Finding struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	Severity float64 `json:"severity"`
}

// Findings are those of a record.
func Findings(refs []record.FindingRef) []Finding {
	var all []Finding
	for _, f := range refs {
		all = append(all, Finding{ID: f.ID, Type: f.Type, Severity: f.Severity})
	}
	return all
}

// Kind is what sort of thing happened.
type Kind string

// The kinds of news. Each has a subject and a first line of its own.
const (
	Contained  Kind = "contained"
	Partially  Kind = "partially-contained"
	Unfinished Kind = "containing" // steps are missing that a retry may still apply
	Held       Kind = "held"
	Released   Kind = "released"
	Releasing  Kind = "releasing" // a release left something to do
	Repaired   Kind = "drift-repaired"
	Survivor   Kind = "survivor"
	Leaks      Kind = "quarantine-leaks"
	Admitted   Kind = "admitted"
	Closed     Kind = "closed"
	Sample     Kind = "sample"
	Observed   Kind = "observed"
	Exempt     Kind = "exempt"
)

// The kinds of exposure that watch adds.
const (
	exposureSurvivor = record.ExposureKind("survivor")
	exposureLeaks    = record.ExposureKind("quarantine-leaks")
)

// KindOf is what an incident's entry in an answer amounts to, given the steps that
// were applied just now. It is empty when nobody needs to hear of it: the verdict is
// not to act for a reason that nobody waits for, or nothing changed.
func KindOf(i answer.IncidentAnswer, changed []string) Kind {
	switch i.Verdict {
	case record.Held:
		return Held
	case record.Sample:
		return Sample
	case record.ObservedOnly:
		return Observed
	case record.Exempt:
		return Exempt
	case "admit":
		return Admitted
	case "watch":
		return watched(i)
	case record.Release, record.Expire:
		return released(i)
	case record.Contain, record.Reconcile:
		return contained(i, changed)
	default:
		return ""
	}
}

func watched(i answer.IncidentAnswer) Kind {
	var kind Kind
	for _, e := range i.Exposure {
		switch e.Kind {
		case exposureLeaks:
			return Leaks
		case exposureSurvivor:
			kind = Survivor
		}
	}
	return kind
}

func released(i answer.IncidentAnswer) Kind {
	switch {
	case i.Verdict == record.Expire:
		return ""
	case i.Status == record.Released:
		return Released
	default:
		return Releasing
	}
}

func contained(i answer.IncidentAnswer, changed []string) Kind {
	switch {
	case i.Status == record.Closed:
		return Closed
	case len(changed) == 0 && !i.Unrecorded:
		return ""
	case i.Status == record.PartiallyContained:
		return Partially
	case i.Status == record.Containing:
		return Unfinished
	case i.Verdict == record.Reconcile:
		return Repaired
	default:
		return Contained
	}
}

// Thread is the incident's name, by which a chat keeps its messages together.
func (n News) Thread() string {
	return record.Holder{Instance: n.Incident.Instance, Generation: max(n.Incident.Generation, 1)}.String()
}

// ARN is the instance's.
func (n News) ARN() string {
	p := n.Place
	return strings.Join([]string{"arn", cmp.Or(p.Partition, "aws"), "ec2", p.Region, p.Account, "instance/" + n.Incident.Instance}, ":")
}

// command is a line for the operator's shell.
func (n News) command(verb string, more ...string) string {
	words := []string{"tourniquet", verb, n.Incident.Instance}
	if n.Place.Region != "" {
		words = append(words, "--region", n.Place.Region)
	}
	if n.Place.Stack != "" {
		words = append(words, "--stack", n.Place.Stack)
	}
	return strings.Join(slices.Concat(words, more), " ")
}
