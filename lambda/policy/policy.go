package policy

import (
	"fmt"
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// A Decision is a verdict and why, in words for people.
type Decision struct {
	Verdict record.Verdict
	Reason  string
}

// DefaultMinSeverity is where GuardDuty's "High" begins.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
const DefaultMinSeverity = 7.0

// Policy is what an operator decides about when to contain.
type Policy struct {
	Account      string // the function's own; empty: any
	Region       string // likewise
	MinSeverity  float64
	Types        TypeSet
	ContainHosts bool // contain the host of a container, an ECS task or a pod
	ExemptTag    Tag
	MaxContained int // how many instances events may have contained at once
}

// A Tag selects instances by a tag.
type Tag struct {
	Key   string
	Value string // empty: any value
}

// matches reports whether tags have the tag.
func (t Tag) matches(tags map[string]string) bool {
	v, ok := tags[t.Key]
	return t.Key != "" && ok && (t.Value == "" || t.Value == v)
}

// Decide judges a finding by what it says itself, before anything is observed.
func (p Policy) Decide(f guardduty.Finding) Decision {
	what := fmt.Sprintf("%s, severity %.1f", f.Type, f.Severity)
	if d := p.concerns(f); d.Verdict != record.Contain {
		return Decision{d.Verdict, what + ": " + d.Reason}
	}
	if f.Origin == guardduty.SecurityHub { // a person chose the finding
		return Decision{record.Contain, what + ", sent by an analyst from Security Hub"}
	}
	if why := p.refuses(f); why != "" {
		return Decision{record.NotActionable, what + ": " + why}
	}
	return Decision{record.Contain, what}
}

// concerns judges whether a finding is real, and of an instance here.
func (p Policy) concerns(f guardduty.Finding) Decision {
	switch {
	case p.Account != "" && f.AccountID != "" && f.AccountID != p.Account:
		return Decision{record.OtherAccount, fmt.Sprintf("the finding is of account %s, this function acts in %s", f.AccountID, p.Account)}
	case p.Region != "" && f.Region != "" && f.Region != p.Region:
		return Decision{record.NotActionable, fmt.Sprintf("the finding is of Region %s, this function acts in %s", f.Region, p.Region)}
	case f.Sample:
		return Decision{record.Sample, "a sample finding: the pipeline works, nothing was changed"}
	case f.Archived:
		return Decision{record.NotActionable, "the finding is archived"}
	case len(f.Instances) == 0:
		return Decision{record.NotActionable, namesNone(f)}
	default:
		return Decision{Verdict: record.Contain}
	}
}

// namesNone says what a finding is on that names no instance.
func namesNone(f guardduty.Finding) string {
	on := resource(f.ResourceType)
	switch {
	case f.ResourceType == "Instance": // GuardDuty's own name it, or are malformed
		return "another product than GuardDuty made the finding"
	case onWorkload(f):
		on += ", which runs on Fargate or on a host that GuardDuty doesn't name"
	}
	return "the finding names no EC2 instance: it is on " + on
}

// refuses is why GuardDuty's finding does not suffice to contain, or empty.
func (p Policy) refuses(f guardduty.Finding) string {
	if onWorkload(f) && !p.ContainHosts {
		return fmt.Sprintf("the finding is on %s, whose host other workloads may share: contained only when hosts are configured to be",
			resource(f.ResourceType))
	}
	if why := p.Types.refuses(f); why != "" {
		return why
	}
	if !onInstance(f) && !onWorkload(f) && !slices.Contains(p.Types.Add, f.Type) {
		return fmt.Sprintf("the finding is on %s, not on the instance that it names: contained only when its type is configured",
			resource(f.ResourceType))
	}
	if f.Severity < p.MinSeverity {
		return fmt.Sprintf("below the severity floor of %.1f", p.MinSeverity)
	}
	return ""
}

// onInstance reports whether a finding is on the instances that it names, and not
// on something that merely ran there or used their credentials.
func onInstance(f guardduty.Finding) bool {
	return f.ResourceType == "" || f.ResourceType == "Instance" || f.ResourceType == "AttackSequence"
}

// onWorkload reports whether a finding is on something that runs on the instance
// beside others.
func onWorkload(f guardduty.Finding) bool {
	switch f.ResourceType {
	case "Container", "ECSCluster", "EKSCluster", "KubernetesWorkload":
		return true
	default:
		return false
	}
}

// resource says what a finding is on. GuardDuty leaves the list of types open.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Resource.html
func resource(kind string) string {
	name := map[string]string{
		"AccessKey":          "credentials",
		"Container":          "a container",
		"EBSSnapshot":        "an EBS snapshot",
		"EBSVolume":          "an EBS volume",
		"EC2Image":           "a machine image",
		"ECSCluster":         "an ECS task",
		"EKSCluster":         "an EKS cluster or pod",
		"Instance":           "an instance",
		"KubernetesWorkload": "a Kubernetes workload",
		"Lambda":             "a Lambda function",
		"RDSDBInstance":      "an RDS database",
		"RDSLimitlessDB":     "an RDS database",
		"S3Bucket":           "an S3 bucket",
		"S3Object":           "an S3 object",
	}[kind]
	if name == "" {
		name = "something else"
	}
	return fmt.Sprintf("%s (resource type %q)", name, kind)
}

// Admit judges an incident by the instance as observed and the ledger as read. A
// containment that is open already is not counted against the blast-radius guard.
func (p Policy) Admit(in plan.Incident, seen network.Network, known record.Known) Decision {
	if in.Trigger == plan.ByRepair && seen.Gone() {
		return p.Yield(in, known) // its record is closed
	}
	if why := absent(in, seen); why != "" {
		return Decision{record.NotActionable, why}
	}
	switch {
	case in.Trigger == plan.ByAdoption && (known.Open() != nil || !adoptable(seen)):
		return Decision{record.NotActionable, in.Instance + " was not contained without the ledger"}
	case in.Trigger != plan.ByAdoption && p.ExemptTag.matches(seen.Instance.Tags):
		return Decision{record.Exempt, fmt.Sprintf("%s carries the exempt tag %s", seen.Instance.ID, p.ExemptTag.Key)}
	case p.isReached(in, known):
		return p.Hold(in)
	}
	return p.Yield(in, known)
}

// isReached reports whether the blast-radius guard holds an incident back.
func (p Policy) isReached(in plan.Incident, known record.Known) bool {
	return in.Trigger == plan.ByEvent && known.Open() == nil && known.Contained >= p.MaxContained && !stale(in, known)
}

// absent is why there is no instance to contain, or empty.
func absent(in plan.Incident, seen network.Network) string {
	switch {
	case !seen.Exists():
		return in.Instance + " does not exist in this account and Region"
	case seen.Gone():
		return fmt.Sprintf("%s is %s", seen.Instance.ID, seen.Instance.State)
	default:
		return ""
	}
}

// adoptable reports whether an instance says that it was contained without the
// ledger, and is in quarantine. Tags alone cause nothing.
func adoptable(seen network.Network) bool {
	_, marked := seen.Instance.Tags[network.PeersTag]
	return marked && seen.AnyHeld()
}

// Hold is the decision on an incident that the blast-radius guard holds back.
func (p Policy) Hold(in plan.Incident) Decision {
	return Decision{record.Held, fmt.Sprintf("%s: already %d instances are contained by events; contain this one by hand if it must be",
		in.Reason, p.MaxContained)}
}

// Yield judges, at every observation, whether an incident has to give way to a release.
func (p Policy) Yield(in plan.Incident, known record.Known) Decision {
	switch {
	case in.Trigger == plan.ByRepair && known.Open() == nil:
		return Decision{record.NotActionable, in.Instance + " is not contained any more"}
	case in.Trigger == plan.ByRepair && known.Record.Status == record.Releasing:
		return Decision{record.NotActionable, "its release is not finished"}
	case stale(in, known):
		return Decision{record.NotActionable, fmt.Sprintf("last seen %s, before the instance's release at %s",
			in.Seen().UTC().Format(time.RFC3339), known.Record.Released.UTC().Format(time.RFC3339))}
	}
	return Decision{record.Contain, in.Reason}
}

// stale reports whether all that the incident's findings saw was before the
// instance's release, or in the same second: findings are no more precise. A
// person's command is as old as the moment in which it was given.
func stale(in plan.Incident, known record.Known) bool {
	r := known.Record
	if r == nil || r.Status != record.Released && r.Status != record.Releasing {
		return false
	}
	if in.Trigger == plan.ByPerson {
		return in.Asked.Before(r.Released)
	}
	return !in.Seen().IsZero() && !in.Seen().Truncate(time.Second).After(r.Released.Truncate(time.Second))
}

// A TypeSet is the finding types that are contained automatically: those that the
// table of package guardduty says to, changed by what an operator adds or removes.
// Both lists hold exact types. What is removed stays out, whatever is added.
type TypeSet struct {
	Add    []string
	Remove []string
}

// Knows reports whether a finding type is in the table, or was added or removed by
// name. What it doesn't know, nobody has decided on.
func (s TypeSet) Knows(name string) bool {
	_, known := guardduty.LookUp(name)
	return known || slices.Contains(s.Add, name) || slices.Contains(s.Remove, name)
}

// refuses is why a finding of this type and role is not contained, or empty.
func (s TypeSet) refuses(f guardduty.Finding) string {
	t, known := guardduty.LookUp(f.Type)
	switch {
	case slices.Contains(s.Remove, f.Type):
		return "the configuration takes this finding type out"
	case known && t.Response == guardduty.Never:
		return "this finding type is never contained on an event: " + t.Why
	case known && t.ActorOnly && f.Role != "ACTOR":
		return fmt.Sprintf("the instance is the %s, and anyone can attack it: contained only as ACTOR", orUnknown(f.Role))
	case slices.Contains(s.Add, f.Type):
		return ""
	case !known:
		return "this finding type is not in the list of types to contain"
	case t.Response != guardduty.Contain:
		return "this finding type is contained only when configured: " + t.Why
	}
	return ""
}

func orUnknown(role string) string {
	if role == "" {
		return "party of unknown role"
	}
	return role
}
