package containment_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// The VPC's resolver is known for what it is wherever the incident has it from: from a
// finding, or from the record, in a process that was not told of it.
func TestTheResolverIsNeverDenied(t *testing.T) {
	t.Parallel()
	const resolver = "10.0.0.2"
	for name, turns := range map[string][][]string{
		"named by the finding":         {{resolver, "198.51.100.7"}},
		"named by an earlier finding":  {{resolver}, {"198.51.100.9"}},
		"named by a later finding":     {{"198.51.100.7"}, {resolver}},
		"named under NAT64":            {{"64:ff9b::a00:2"}, {"198.51.100.9"}},
		"named alone, and then again":  {{resolver}, {resolver}},
		"named first, and then nobody": {{resolver}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := crashWorld(t)
			s := newStage(w)
			for n, peers := range turns {
				in := incidentWith(w, "f"+string(rune('1'+n)), peers...)
				out, err := s.process(always).responder().Contain(t.Context(), in)
				if err != nil || out.Record.Status != record.Contained {
					t.Fatalf("%s: %v, status %s", name, err, out.Record.Status)
				}
				says := slices.ContainsFunc(out.Record.Exposure, func(e record.Exposure) bool { return strings.Contains(e.Detail, "is the VPC's DNS resolver") })
				if told := slices.ContainsFunc(turns[:n+1], func(peers []string) bool {
					return slices.Contains(peers, resolver) || slices.Contains(peers, "64:ff9b::a00:2")
				}); says != told {
					t.Errorf("%s: turn %d says of the resolver: %v", name, n, says)
				}
			}
			for _, acl := range s.server.World().ACLs {
				for _, e := range acl.Entries {
					if !e.Allow && network.MayBeResolver(e.CIDR.Addr()) {
						t.Errorf("%s: %s denies %s", name, acl.ID, e.CIDR)
					}
				}
			}
		})
	}
}
