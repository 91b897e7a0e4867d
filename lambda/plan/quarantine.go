package plan

import (
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// quarantine plans the swap of each interface's groups.
func (p *planner) quarantine() {
	for _, i := range p.seen.Interfaces {
		if i.ManagedBy != "" && !p.seen.Quarantined(i) {
			p.expose(record.UnchangeableInterface, "%s is managed by %s, which alone can change its groups", i.ID, i.ManagedBy)
			continue
		}
		s := p.replace(record.QuarantineOf(i.ID, p.originals(i), p.seen.Ready(i.VPC)))
		if s.State == record.Failed {
			p.expose(record.UnchangeableInterface, "%s keeps its groups: %s", i.ID, s.Note)
		}
	}
}

// originals are the groups to restore to an interface that the record doesn't have
// yet: today's groups. The interface's tag is believed only when today's say
// nothing, since it may be left from an earlier containment.
func (p *planner) originals(i network.Interface) []string {
	groups := slices.DeleteFunc(slices.Clone(i.Groups), func(g string) bool {
		return slices.Contains(p.seen.Admitted, g) || slices.ContainsFunc(p.seen.Quarantine[i.VPC], func(q network.Quarantined) bool { return q.Group == g })
	})
	if len(groups) == 0 {
		return i.Originals
	}
	return groups
}

func groups(seen network.Network, r record.Replacement) ([]string, bool) {
	i, found := seen.Find(r.Resource)
	return i.Groups, found
}

// quarantined reports whether an interface is in a quarantine group without rules,
// whichever of its VPC's that is.
func quarantined(seen network.Network, r record.Replacement) bool {
	i, found := seen.Find(r.Resource)
	return found && seen.Quarantined(i)
}

// heldInQuarantine reports whether an interface is in a quarantine group, with rules
// or without.
func heldInQuarantine(seen network.Network, r record.Replacement) bool {
	i, found := seen.Find(r.Resource)
	return found && seen.Held(i)
}

// groupsBefore are the groups to give back to an interface, as far as they exist.
func groupsBefore(seen network.Network, r record.Replacement) restoration {
	before := r.Before
	if i, _ := seen.Find(r.Resource); len(before) == 0 {
		before = i.Originals
	}
	if len(before) == 0 {
		return restoration{refuse: "nobody knows what groups the interface had: it stays in quarantine; set its groups by hand"}
	}
	there, missing := existing(seen, before)
	switch {
	case len(there) == 0:
		return restoration{refuse: "none of its groups exists any more: it stays in quarantine; set its groups by hand"}
	case len(missing) > 0:
		return restoration{value: there, note: "without " + strings.Join(missing, ", ") + ", which no longer exists"}
	default:
		return restoration{value: there}
	}
}

// existing splits recorded groups into those that can be restored and those that
// have been deleted since. A group that was not asked for counts as there: EC2
// refuses it if it isn't.
func existing(seen network.Network, groups []string) (there, missing []string) {
	for _, g := range groups {
		if seen.Groups == nil || slices.Contains(seen.Groups, g) {
			there = append(there, g)
		} else {
			missing = append(missing, g)
		}
	}
	return there, missing
}
