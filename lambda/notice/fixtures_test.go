package notice

import (
	"tourniquet/lambda/answer"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

const (
	instance = "i-0123456789abcdef0"
	why      = "Backdoor:EC2/C&CActivity.B, severity 8.0"
)

var here = Place{Partition: "aws", Account: "111122223333", Region: "eu-west-1"}

func quarantine(eni string, s record.State) answer.StepAnswer {
	return answer.StepAnswer{
		ID: "quarantine/" + eni, Kind: record.KindQuarantine, Resource: eni, State: s,
		Before: []string{"sg-web"}, After: []string{"sg-quarantine"},
	}
}

func denials(acl, prefix string, s record.State, until string) []answer.StepAnswer {
	var steps []answer.StepAnswer
	for _, d := range network.Directions {
		steps = append(steps, answer.StepAnswer{
			ID: "denial/" + acl + "/" + string(d) + "/" + prefix, Kind: record.KindDenial, Resource: acl,
			Direction: d, Number: 90, Prefix: prefix, State: s, Until: until,
		})
	}
	return steps
}

func incident(v record.Verdict, s record.Status, reason string, steps ...answer.StepAnswer) answer.IncidentAnswer {
	return answer.IncidentAnswer{Instance: instance, Generation: 1, Verdict: v, Reason: reason, Status: s, Steps: steps}
}

var dns = answer.ExposureAnswer{
	Kind:   record.ResolverDNS,
	Detail: "DNS queries to the VPC's resolver pass groups and ACLs; only Route 53 Resolver DNS Firewall stops a DNS tunnel",
}

// outcome is one kind of news, as an invocation would have it.
type outcome struct {
	name     string
	incident answer.IncidentAnswer
	changed  []string
}

// news is the outcome's, as it is owed.
func (o outcome) news(name string) News {
	was := record.Status("")
	if o.incident.Verdict == record.Reconcile {
		was = record.Contained
	}
	kind := kindOf(record.Owed{Verdict: o.incident.Verdict, Was: was, Status: o.incident.Status}, o.incident)
	return News{Kind: kind, Place: here, Name: name, Incident: o.incident, Changed: o.changed}
}

func with(i answer.IncidentAnswer, e ...answer.ExposureAnswer) answer.IncidentAnswer {
	i.Exposure = e
	return i
}

// outcomes are one of each kind that the contract names, and those beside them.
func outcomes() []outcome {
	applied := append([]answer.StepAnswer{quarantine("eni-front", record.Applied)}, denials("acl-front", "198.51.100.7/32", record.Applied, "")...)
	lingering := append([]answer.StepAnswer{quarantine("eni-front", record.Restored)}, denials("acl-front", "198.51.100.7/32", record.Lingering, "2026-12-01T03:00:00Z")...)
	failed := quarantine("eni-back", record.Failed)
	failed.Note = "OperationNotPermitted: the interface is managed by Amazon EKS"
	partial := with(incident(record.Contain, record.PartiallyContained, why, append(applied, failed)...), dns, answer.ExposureAnswer{
		Kind: record.UnchangeableInterface, Detail: "eni-back is managed by Amazon EKS, which alone can change its groups",
	})
	unrecorded := with(incident(record.Contain, record.Contained, why, applied...), dns)
	unrecorded.Unrecorded = true
	all := []string{"quarantine/eni-front"}
	held := incident(record.Held, "", "25 instances are contained by events already, and the guard allows 25")
	held.Generation = 0
	sample := incident(record.Sample, "", "a sample finding: Backdoor:EC2/C&CActivity.B")
	sample.Generation = 0
	var planned []answer.StepAnswer
	for _, s := range applied {
		s.State = record.Planned
		planned = append(planned, s)
	}
	return []outcome{
		{"contained", with(incident(record.Contain, record.Contained, why, applied...), dns), all},
		{"partially-contained", partial, all},
		{"unrecorded", unrecorded, all},
		{"held", held, nil},
		{"released", incident(record.Release, record.Released, "released by arn:aws:iam::111122223333:user/alice: reimaged", lingering...), nil},
		{"drift-repaired", with(incident(record.Reconcile, record.Contained, "had drifted, and was contained again: quarantine/eni-front", applied...), dns), all},
		{"survivor", with(incident("watch", record.Contained, "the flow logs name a survivor", applied...), dns, answer.ExposureAnswer{
			Kind: "survivor", Detail: "203.0.113.9 port 443 still exchanges packets with eni-front: 48,213 bytes, last seen 2026-11-26T03:05:00Z",
		}), nil},
		{"closed", incident(record.Reconcile, record.Closed, instance+" is gone: closed", lingering...), nil},
		{"sample", sample, nil},
		{"observed", with(incident(record.ObservedOnly, record.Observed, why, planned...), dns), nil},
	}
}
