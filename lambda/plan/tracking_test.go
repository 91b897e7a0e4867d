package plan

import (
	"slices"
	"testing"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Timeouts are lowered wherever a peer is not cut by a denial, and nowhere else.
func TestTimeoutsAreLoweredWhereNothingCuts(t *testing.T) {
	t.Parallel()
	foreign := ordinary()
	foreign.ACLs = map[string]network.ACL{"acl-1": foreign.ACLs["acl-1"]}
	acl := foreign.ACLs["acl-1"]
	acl.Account = "999999999999"
	foreign.ACLs["acl-1"] = acl
	oneWay := withEntries(ordinary(), allow(1, network.In, "0.0.0.0/0"))
	shut := withEntries(foreign, denyAll(1, network.Out, "198.51.100.7/32"))
	refused := ordinary()
	refused.Refused = map[string]network.Refusal{}
	for _, dir := range network.Directions {
		refused.Refused[record.Denial{ACL: "acl-1", Direction: dir, Prefix: prefixes("198.51.100.7/32")[0]}.ID()] = network.Refusal{Reason: "EC2 refuses"}
	}
	unreadable := incident("198.51.100.7")
	unreadable.Unreadable = []string{"198.51.100.x"}
	omitted := incident("198.51.100.7")
	omitted.Omitted = 1
	for name, tc := range map[string]struct {
		seen  network.Network
		in    Incident
		rules Rules
		want  bool
	}{
		"no peer known":            {seen: ordinary(), in: incident(), want: true},
		"cut":                      {seen: ordinary(), in: incident("198.51.100.7")},
		"cut in one direction":     {seen: oneWay, in: incident("198.51.100.7")},
		"same subnet":              {seen: ordinary(), in: incident("10.0.1.77"), want: true},
		"one of two in the subnet": {seen: ordinary(), in: incident("198.51.100.7", "10.0.1.77"), want: true},
		"foreign ACL":              {seen: foreign, in: incident("198.51.100.7"), want: true},
		"foreign ACL that cuts":    {seen: shut, in: incident("198.51.100.7")},
		"no room":                  {seen: ordinary(), in: incident("198.51.100.7"), rules: Rules{ACLQuota: 2}, want: true},
		"no slot below":            {seen: withEntries(oneWay, allow(1, network.Out, "0.0.0.0/0")), in: incident("198.51.100.7"), want: true},
		"EC2 refuses the entries":  {seen: refused, in: incident("198.51.100.7"), want: true},
		"unreadable":               {seen: ordinary(), in: unreadable, want: true},
		"more than a record keeps": {seen: ordinary(), in: omitted, want: true},
		"exempt":                   {seen: ordinary(), in: incident("198.51.100.7"), rules: Rules{NeverDeny: prefixes("198.51.100.0/24")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.rules.ACLQuota == 0 {
				tc.rules.ACLQuota = network.DefaultACLQuota
			}
			tc.seen.Interfaces = slices.Clone(tc.seen.Interfaces)
			tc.seen.Interfaces[0].Groups = []string{"sg-q"}
			plan := NewPlan(tc.in, tc.seen, record.Known{}, tc.rules)
			_, lowered := plan.Record.Step("tracking/" + tc.seen.Interfaces[0].ID)
			if lowered != tc.want {
				t.Errorf("timeouts are lowered: %t, want %t\n%s", lowered, tc.want, plan.text())
			}
		})
	}
}
