package plan

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// An AdmissionPlan is a record as an admission leaves it next, and the groups to set then.
type AdmissionPlan struct {
	Record  record.Record
	Changed bool // the ledger does not say so yet

	// Sets are the interfaces whose groups are to be set, each with the groups in Before: a
	// release's restorer sets what is there.
	Sets []record.Step

	// Left are the interfaces that are not in quarantine. Nothing is added to their groups.
	Left []string
}

// NewAdmission works out how groups of the owner's come beside the quarantine group, on
// every interface in their VPC. Those that were admitted before and are not among them
// are taken away. Tagged are the groups that may be admitted, each with its VPC. The error
// says which group may not be.
func NewAdmission(rec record.Record, seen network.Network, groups []string, tagged map[string]string) (AdmissionPlan, error) {
	groups = slices.Compact(slices.Sorted(slices.Values(groups)))
	for _, g := range groups {
		vpc, may := tagged[g]
		switch {
		case !may:
			return AdmissionPlan{}, fmt.Errorf("%s has not the tag %s=%s", g, network.RoleTag, network.ForensicsRole)
		case !slices.Contains(seen.VPCs(), vpc):
			return AdmissionPlan{}, fmt.Errorf("%s is in %s, and the instance has no interface there", g, vpc)
		}
	}
	seen.Admitted = slices.Concat(rec.Admitted, groups, ending(rec, seen)) // whichever are there by now
	p := AdmissionPlan{Record: rec}
	p.Record.Admitted = groups
	p.Record.Steps = slices.Clone(rec.Steps)
	for i, s := range p.Record.Steps {
		q, ok := record.AsQuarantine(s.Step)
		eni, found := seen.Find(q.Resource)
		if !ok || !found || s.State == record.Gone || !seen.Contains(q.Resource) {
			continue
		}
		if !seen.Quarantined(eni) {
			p.Left = append(p.Left, eni.ID)
			continue
		}
		want := admitted(eni, seen, groups, tagged)
		if q.After = want; !slices.Equal(eni.Groups, want) {
			p.Sets = append(p.Sets, record.Replacement{Of: record.KindQuarantine, Resource: eni.ID, Before: want})
			q.After = eni.Groups
		}
		p.Record.Steps[i].Step = q
	}
	p.expose()
	p.Changed = !p.Record.Says(rec)
	return p, nil
}

// ending are the groups that were admitted before, and that an admission which was cut
// off has not taken away yet: those that interfaces had beside the quarantine group.
func ending(rec record.Record, seen network.Network) []string {
	var groups []string
	for _, s := range rec.Steps {
		q, ok := record.AsQuarantine(s.Step)
		eni, found := seen.Find(q.Resource)
		if !ok || !found {
			continue
		}
		for _, g := range q.After {
			if !slices.ContainsFunc(seen.Quarantine[eni.VPC], func(o network.Quarantined) bool { return o.Group == g }) {
				groups = append(groups, g)
			}
		}
	}
	return groups
}

// admitted are the groups that an interface is to have: its quarantine group, and those
// that are admitted in its VPC.
func admitted(eni network.Interface, seen network.Network, groups []string, tagged map[string]string) []string {
	want := slices.DeleteFunc(slices.Clone(eni.Groups), func(g string) bool { return slices.Contains(seen.Admitted, g) })
	for _, g := range groups {
		if tagged[g] == eni.VPC {
			want = append(want, g)
		}
	}
	slices.Sort(want)
	return want
}

// expose says what is admitted.
func (p *AdmissionPlan) expose() {
	p.Record.Exposure = slices.DeleteFunc(slices.Clone(p.Record.Exposure), func(e record.Exposure) bool { return e.Kind == record.ForensicsAdmitted })
	if len(p.Record.Admitted) > 0 {
		p.Record.Exposure = append(p.Record.Exposure, record.Exposure{Kind: record.ForensicsAdmitted, Detail: fmt.Sprintf(
			"a person has admitted %s beside the quarantine group: their rules say what may flow", strings.Join(p.Record.Admitted, ", "))})
	}
}

// Lifted is the plan of an admission for which the host was asked to take its own rules
// away, by a command.
func (p AdmissionPlan) Lifted(commands []string) AdmissionPlan {
	p.Record.Steps = slices.Clone(p.Record.Steps)
	for i, s := range p.Record.Steps {
		if s.Step.Kind() == record.KindHost {
			p.Record.Steps[i].State, p.Record.Steps[i].Note = record.Lingering, "for forensics: "+stillThere
		}
	}
	if len(commands) > 0 {
		p.Record.Restore = network.HostReport{Command: commands[len(commands)-1], State: network.HostAwaited}
		p.Record.Asked++
	}
	p.Changed = true
	return p
}
