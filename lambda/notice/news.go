package notice

import (
	"cmp"
	"slices"
	"strings"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
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

// Of is the news that is owed of a containment. The record may have moved on since: the
// steps are as they are now, the status as it was then. It is nil where the verdict was
// not to act.
func Of(o record.Owed, rec *record.Record, at Place) News {
	then := record.Record{Instance: o.Instance, Generation: o.Generation, Status: o.Status}
	if rec != nil {
		then = *rec
		then.Status = o.Status
	}
	i := answer.NewAnswer([]containment.Outcome{{Instance: o.Instance, Verdict: o.Verdict, Reason: o.Reason, Record: then}}).Incidents[0]
	return News{Kind: kindOf(o, i), Place: at, Name: then.Name, Incident: i, Changed: o.Applied, Findings: Findings(then.Findings)}
}

// Kinds by verdict, and, where the verdict does not say, by status.
var (
	byVerdict = map[record.Verdict]Kind{record.Held: Held, record.Sample: Sample, record.Exempt: Exempt, "admit": Admitted}
	byStatus  = map[record.Status]Kind{
		record.Released: Released, record.Releasing: Releasing, record.Closed: Closed, record.Observed: Observed,
		record.PartiallyContained: Partially, record.Containing: Unfinished,
	}
)

// kindOf is what an owed entry amounts to.
func kindOf(o record.Owed, i answer.IncidentAnswer) Kind {
	if kind, ok := byVerdict[o.Verdict]; ok {
		return kind
	}
	if kind := watched(i); o.Verdict == record.Watched && kind != "" {
		return kind
	}
	if kind, ok := byStatus[o.Status]; ok {
		return kind
	}
	if o.Verdict == record.Reconcile && o.Was != "" && o.Was != record.Containing {
		return Repaired
	}
	return Contained
}

// watched is what the flow logs of an incident show; empty where they show nothing.
func watched(i answer.IncidentAnswer) Kind {
	has := func(kind record.ExposureKind) bool {
		return slices.ContainsFunc(i.Exposure, func(e answer.ExposureAnswer) bool { return e.Kind == kind })
	}
	switch {
	case has(record.QuarantineLeaks):
		return Leaks
	case has(record.SurvivingPeer):
		return Survivor
	default:
		return ""
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
