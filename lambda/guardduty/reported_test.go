package guardduty

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// The files of testdata/reported once led to nothing, or to too much.
func TestReported(t *testing.T) {
	t.Parallel()
	const victim = "i-0123456789abcdef0"
	c2 := []netip.Addr{netip.MustParseAddr("198.51.100.7")}
	for name, want := range map[string]struct {
		typ   string
		peers []netip.Addr
		err   string
	}{
		"reported/securityhub-dotted-type":    {"Backdoor:EC2/C&CActivity.B", c2, ""},
		"reported/sequence-caller-endpoint":   {"AttackSequence:EC2/CompromisedInstanceGroup", c2, ""},
		"reported/sequence-without-instances": {err: "service.detection.sequence.resources: names no instance"},
	} {
		findings, err := ParseEvent(read(t, name))
		if want.err != "" {
			if len(findings) != 0 || !strings.HasPrefix(errorText(err), want.err) {
				t.Errorf("%s: %d findings, %v; want %s", name, len(findings), err, want.err)
			}
			continue
		}
		if err != nil || len(findings) != 1 || findings[0].Type != want.typ {
			t.Errorf("%s: %+v, %v; want one finding of type %s", name, findings, err, want.typ)
			continue
		}
		i := findings[0].Instances[0]
		if i.ID != victim || !slices.Equal(peerAddrs(i), want.peers) || len(findings[0].UnreadableFields) != 0 {
			t.Errorf("%s: %s with peers %v, unreadable %q; want peers %v", name, i.ID, peerAddrs(i), findings[0].UnreadableFields, want.peers)
		}
	}
}

func peerAddrs(i Instance) []netip.Addr {
	var all []netip.Addr
	for _, p := range i.Peers {
		all = append(all, p.Addr)
	}
	return all
}

// A person who presses the button in Security Hub has chosen the finding. However
// Security Hub writes its type, the instance is contained, and the type is shown.
func TestSecurityHubTypes(t *testing.T) {
	t.Parallel()
	for types, want := range map[string]string{
		`["TTPs/Command and Control/Backdoor:EC2-C&CActivity.B"]`:                             "Backdoor:EC2/C&CActivity.B",
		`["Software and Configuration Checks/Backdoor:EC2.C&CActivity.B"]`:                    "Backdoor:EC2/C&CActivity.B",
		`["Software and Configuration Checks/Backdoor:EC2.C&CActivity.B!DNS"]`:                "Backdoor:EC2/C&CActivity.B!DNS",
		`["Backdoor:EC2/C&CActivity.B"]`:                                                      "Backdoor:EC2/C&CActivity.B",
		`["TTPs/Command and Control"]`:                                                        "TTPs/Command and Control",
		`["TTPs/Command and Control", "TTPs/Command and Control/Backdoor:EC2-C&CActivity.B"]`: "Backdoor:EC2/C&CActivity.B",
		`["TTPs"]`:                                  "TTPs",
		`["Unusual Behaviors/VM/Backdoor:EC2"]`:     "Unusual Behaviors/VM/Backdoor:EC2",
		`["Something\u202eNew\nwith a line break"]`: "Something\ufffdNew\ufffdwith a line break",
		`[7]`:  "7",
		`[""]`: "",
		`[]`:   "",
		`null`: "",
	} {
		got, err := ParseEvent([]byte(asffWith("Types", types)))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 1 {
			t.Errorf("types %s: %+v, %v", types, got, err)
			continue
		}
		if got[0].Type != want || len(got[0].UnreadableFields) != 0 {
			t.Errorf("types %s: type %q, unreadable %q; want %q", types, got[0].Type, got[0].UnreadableFields, want)
		}
	}
}
