package plan

import (
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// BearsOut reports whether a look at an instance that shows its interfaces without what
// is on record of them is enough to plan by: it shows the interfaces on record and no
// other, each in quarantine, and every ACL in which the record has a denial.
func BearsOut(open record.Record, seen network.Network) bool {
	seen.Admitted = open.Admitted
	recorded := 0
	for _, s := range open.Steps {
		switch step := s.Step.(type) {
		case record.Denial:
			if _, serves := seen.ACLs[step.ACL]; !serves && s.State == record.Applied {
				return false
			}
		case record.Replacement:
			if step.Of == record.KindQuarantine && s.State != record.Gone {
				recorded++
			}
		}
	}
	return recorded == len(seen.Interfaces) && !slices.ContainsFunc(seen.Interfaces, func(i network.Interface) bool {
		s, known := open.Step(record.QuarantineOf(i.ID, nil, "").ID())
		return !known || s.State != record.Applied || !seen.Quarantined(i)
	})
}
