package simvpc_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tourniquet/lambda/simvpc"
)

var comparable = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func TestCanonicalText(t *testing.T) {
	t.Parallel()
	in := `
# reverse shell over two interfaces
interface eni-2 i-1 subnet-1 groups sg-b,sg-a description "second one" timeout 2m
interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10
instance i-1 tags "a key"="#1" Name=web   # the web server
vpc vpc-1 2001:db8:1::/56 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.9/24 2001:db8:1:1::/64
group sg-b vpc-1 name "b group"
  out tcp 1-65535 sg-a
  in icmp 8 10.0.0.0/8
  in icmp 10.9.0.0/16
  in 47 10.0.0.1/32
group sg-a vpc-1
acl acl-1 vpc-1 subnets subnet-1 quota 40
  200 out deny tcp 22-25 198.51.100.7/32
  100 in allow all 0.0.0.0/0
  90 in deny all 2001:db8::7/32
flow tcp [2001:db8:1:1::10]:4444 -> [2001:db8:9::1]:443 via egress-only-igw
flow icmp 10.0.1.10 -> 10.9.0.1
`
	want := `account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64
group sg-a vpc-1
group sg-b vpc-1 name "b group"
  in  icmp 10.9.0.0/16
  in  icmp 8 10.0.0.0/8
  in  47 10.0.0.1/32
  out tcp 1-65535 sg-a
acl acl-1 vpc-1 subnets subnet-1 quota 40
     90 in  deny  all 2001:db8::/32
    100 in  allow all 0.0.0.0/0
    200 out deny  tcp 22-25 198.51.100.7/32
instance i-1 type m5.large state running tags Name=web "a key"="#1"
interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-default-1 device 1
interface eni-2 i-1 subnet-1 10.0.1.4 groups sg-a sg-b timeout 120s description "second one"
flow icmp 10.0.1.10 -> 10.9.0.1
flow tcp [2001:db8:1:1::10]:4444 -> [2001:db8:9::1]:443 via egress-only-igw
`
	w := world(t, in)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(w.String(), "\n")); diff != "" {
		t.Error(diff)
	}
	if got := w.Flows[0].Tracked; len(got) != 1 || got[0] != "eni-1" {
		t.Errorf("ICMP flow tracked by %v, want eni-1", got)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	const vpc = "vpc vpc-1 10.0.0.0/16\nsubnet subnet-1 vpc-1 10.0.1.0/24\ninstance i-1\n"
	for name, test := range map[string]struct{ text, want string }{
		"keyword":         {"router r-1", "line 1: router: keyword"},
		"account":         {"account 12", "line 1: account: account"},
		"two accounts":    {"account 111122223333\naccount 111122223333", "line 2: account: account: given twice"},
		"vpc id":          {"\nvpc VPC-1 10.0.0.0/16", "line 2: vpc: id"},
		"no cidr":         {"vpc vpc-1", "line 1: vpc: CIDR"},
		"bad cidr":        {"vpc vpc-1 10.0.0.0/33", "line 1: vpc: CIDR"},
		"trailing word":   {"vpc vpc-1 10.0.0.0/16 nonsense", "line 1: vpc: nonsense: unknown keyword"},
		"twice":           {vpc + "vpc vpc-1 10.1.0.0/16", "line 4: vpc: id: vpc-1 is declared twice"},
		"unknown vpc":     {"subnet subnet-1 vpc-9 10.0.0.0/24", "line 1: subnet: VPC: vpc-9 is not declared"},
		"outside vpc":     {vpc + "subnet subnet-2 vpc-1 10.9.0.0/24", "line 4: subnet: CIDR"},
		"stray rule":      {"in tcp 22 0.0.0.0/0", "line 1: in: direction"},
		"stray entry":     {"100 in allow all 0.0.0.0/0", "line 1: entry: number"},
		"bad ports":       {vpc + "group sg-1 vpc-1\nin tcp 99999 0.0.0.0/0", "line 5: in: ports"},
		"bad protocol":    {vpc + "group sg-1 vpc-1\nin tpc 22 0.0.0.0/0", "line 5: in: protocol"},
		"rule to nobody":  {vpc + "group sg-1 vpc-1\nin tcp 22 sg-2", "line 4: group: rule: sg-2 is not declared"},
		"same rule":       {vpc + "group sg-1 vpc-1\nin tcp 22 10.0.0.0/8\nin tcp 22 10.1.0.0/8", "line 6: in: rule"},
		"same name":       {vpc + "group sg-1 vpc-1 name x\ngroup sg-2 vpc-1 name x", `line 5: group: name: "x" is the name of sg-1 too`},
		"entry number":    {vpc + "acl acl-1 vpc-1\n32767 in deny all 0.0.0.0/0", "line 5: entry: number"},
		"entry taken":     {vpc + "acl acl-1 vpc-1\n1 in deny all 0.0.0.0/0\n1 in deny all ::/0", "line 6: entry: number: 1 in is taken"},
		"entry action":    {vpc + "acl acl-1 vpc-1\n1 in block all 0.0.0.0/0", "line 5: entry: action"},
		"served twice":    {vpc + "acl acl-1 vpc-1 subnets subnet-1\nacl acl-2 vpc-1 subnets subnet-1", "line 5: acl: subnets: subnet-1 is served by acl-1"},
		"serves nobody":   {vpc + "acl acl-1 vpc-1 subnets subnet-2", "line 4: acl: subnets: subnet-2 is not declared"},
		"quota":           {vpc + "acl acl-1 vpc-1 quota 2\n1 in deny all 10.0.0.0/8\n2 in deny all 10.0.0.0/8", "line 4: acl: quota"},
		"state":           {"instance i-1 state asleep", "line 1: instance: state"},
		"unknown host":    {vpc + "interface eni-1 i-2 subnet-1", "line 4: interface: instance: i-2 is not declared"},
		"unknown subnet":  {vpc + "interface eni-1 i-1 subnet-2", "line 4: interface: subnet: subnet-2 is not declared"},
		"unknown group":   {vpc + "interface eni-1 i-1 subnet-1 groups sg-9", "line 4: interface: groups: vpc-1 has no group sg-9"},
		"foreign address": {vpc + "interface eni-1 i-1 subnet-1 10.0.2.1", "line 4: interface: address: 10.0.2.1 is not in subnet-1"},
		"address taken":   {vpc + "interface eni-1 i-1 subnet-1 10.0.1.4\ninterface eni-2 i-1 subnet-1 10.0.1.4", "line 5: interface: address: 10.0.1.4 belongs to eni-1"},
		"device taken":    {vpc + "interface eni-1 i-1 subnet-1\ninterface eni-2 i-1 subnet-1 device 0", "device: 0 is the index of"},
		"timeout":         {vpc + "interface eni-1 i-1 subnet-1 timeout 59s", "line 4: interface: timeout"},
		"terminated":      {"vpc vpc-1 10.0.0.0/16\nsubnet subnet-1 vpc-1 10.0.1.0/24\ninstance i-1 state terminated\ninterface eni-1 i-1 subnet-1", "line 4: interface: instance"},
		"flow arrow":      {"flow tcp 10.0.1.4:1 10.0.1.5:2", "line 1: flow: arrow"},
		"flow port":       {"flow tcp 10.0.1.4 -> 10.0.1.5:2", "line 1: flow: from"},
		"flow families":   {"flow tcp 10.0.1.4:1 -> [::1]:2", "line 1: flow: to"},
		"flow tracked":    {vpc + "interface eni-1 i-1 subnet-1\nflow tcp 10.9.1.4:1 -> 10.9.1.5:2 tracked eni-1", "line 5: flow: tracked"},
		"open quote":      {`instance i-1 tags Name="web`, "line 1: a quote"},
		"tag":             {"instance i-1 tags Name", "line 1: instance: tags"},
		"tag twice":       {"instance i-1 tags a=1 a=2", `line 1: instance: tags: "a" is given twice`},
	} {
		_, err := simvpc.ParseWorld(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	_, err := simvpc.ParseWorld("router r-1\naccount 12")
	if err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v, want both lines named", err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	a := world(t, web)
	b := a.Clone()
	if diff := simvpc.Diff(a, b); diff != "" {
		t.Errorf("clone differs: %s", diff)
	}
	b.Interface("eni-3").Groups = []string{"sg-quarantine"}
	acl := b.ACL("acl-default-1")
	acl.Entries = append(acl.Entries, simvpc.Entry{Number: 90, Protocol: simvpc.All, CIDR: netip.MustParsePrefix("198.51.100.7/32")})
	b.Normalize()
	want := `- interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db
+ acl-default-1: 90 in  deny  all 198.51.100.7/32
+ interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-quarantine
`
	if diff := cmp.Diff(sorted(want), sorted(simvpc.Diff(a, b))); diff != "" {
		t.Error(diff)
	}
}

func sorted(text string) map[string]bool {
	lines := map[string]bool{}
	for l := range strings.Lines(text) {
		lines[l] = true
	}
	return lines
}

// drawWorld draws a small world, any field of which may be set.
func drawWorld(t *rapid.T) *simvpc.World {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"#\\,'é\t\n☃")), 0, 5, -1)
	some := rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"#\\,'é\t☃")), 1, 5, -1)
	tags := rapid.MapOfN(some, text, 0, 2)
	w := &simvpc.World{Account: "444455556666", Region: "us-east-1"}
	for v := range rapid.IntRange(1, 2).Draw(t, "vpcs") {
		vpc := &simvpc.VPC{
			ID: fmt.Sprintf("vpc-%d", v), Tags: tags.Draw(t, "tags"),
			CIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", v))},
		}
		if rapid.Bool().Draw(t, "v6") {
			vpc.CIDRs = append(vpc.CIDRs, netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::/56", v)))
		}
		w.VPCs = append(w.VPCs, vpc)
		for s := range 2 {
			w.Subnets = append(w.Subnets, &simvpc.Subnet{
				ID: fmt.Sprintf("subnet-%d%d", v, s), VPC: vpc.ID, Zone: rapid.SampledFrom([]string{"", "us-east-1b"}).Draw(t, "zone"),
				CIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", v, s))},
			})
		}
		drawRules(t, w, v, some)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "instances") {
		w.Instances = append(w.Instances, &simvpc.Instance{
			ID: fmt.Sprintf("i-%d", i), Tags: tags.Draw(t, "tags"),
			Type: rapid.SampledFrom([]string{"", "m8i.large", "t2.micro"}).Draw(t, "type"),
		})
		for n := range rapid.IntRange(0, 2).Draw(t, "interfaces") {
			w.Interfaces = append(w.Interfaces, drawInterface(t, i, n, some, tags))
		}
	}
	return w
}

func drawInterface(t *rapid.T, i, n int, some *rapid.Generator[string], tags *rapid.Generator[map[string]string]) *simvpc.Interface {
	return &simvpc.Interface{
		ID: fmt.Sprintf("eni-%d%d", 9-i, 9-n), Instance: fmt.Sprintf("i-%d", i), Device: n,
		Subnet: "subnet-0" + fmt.Sprint(n%2), Private: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(n % 2), byte(10 + i)})},
		Groups: rapid.SampledFrom([][]string{nil, {"sg-0a"}, {"sg-0b", "sg-0a"}}).Draw(t, "groups"),
		Tags:   tags.Draw(t, "tags"), Description: rapid.OneOf(rapid.Just(""), some).Draw(t, "description"),
		Unchangeable: rapid.Bool().Draw(t, "unchangeable"), Keep: rapid.Bool().Draw(t, "keep"),
		RequesterID: rapid.OneOf(rapid.Just(""), some).Draw(t, "requester"),
		TCPTimeout:  time.Duration(rapid.SampledFrom([]int{0, 60, 432000}).Draw(t, "timeout")) * time.Second,
	}
}

func drawRules(t *rapid.T, w *simvpc.World, v int, some *rapid.Generator[string]) {
	cidrs := rapid.SampledFrom([]string{"0.0.0.0/0", "::/0", "198.51.100.7/32", "10.0.0.0/8", "2001:db8::/32"})
	protocol := rapid.SampledFrom([]simvpc.Protocol{simvpc.All, simvpc.TCP, simvpc.UDP, simvpc.ICMP, 47})
	ports := func(p simvpc.Protocol) simvpc.Ports {
		switch p {
		case simvpc.TCP, simvpc.UDP:
			from := rapid.IntRange(0, 65535).Draw(t, "from")
			return simvpc.Ports{From: from, To: rapid.IntRange(from, 65535).Draw(t, "to")}
		case simvpc.ICMP:
			return rapid.SampledFrom([]simvpc.Ports{{From: -1, To: -1}, {From: 8, To: -1}, {From: 3, To: 4}}).Draw(t, "type")
		default:
			return simvpc.Ports{}
		}
	}
	for _, name := range []string{"a", "b"} {
		g := &simvpc.SecurityGroup{ID: fmt.Sprintf("sg-%d%s", v, name), VPC: w.VPCs[v].ID, Name: name + some.Draw(t, "name")}
		for port := range rapid.IntRange(0, 3).Draw(t, "rules") {
			r := simvpc.Rule{Protocol: simvpc.TCP, Ports: simvpc.Ports{From: port, To: port}, CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr"))}
			if rapid.Bool().Draw(t, "of group") {
				r.CIDR, r.Group = netip.Prefix{}, g.ID
			}
			g.In = append(g.In, r)
		}
		if p := protocol.Draw(t, "protocol"); rapid.Bool().Draw(t, "egress") {
			g.Out = []simvpc.Rule{{Protocol: p, Ports: ports(p), CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr"))}}
		}
		w.Groups = append(w.Groups, g)
	}
	a := &simvpc.NetworkACL{ID: fmt.Sprintf("acl-%d", v), VPC: w.VPCs[v].ID, Default: rapid.Bool().Draw(t, "default")}
	for number := range rapid.IntRange(0, 4).Draw(t, "entries") {
		p := protocol.Draw(t, "protocol")
		a.Entries = append(a.Entries, simvpc.Entry{
			Number: 100 - number, Egress: rapid.Bool().Draw(t, "egress"), Allow: rapid.Bool().Draw(t, "allow"),
			Protocol: p, Ports: ports(p), CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr")),
		})
	}
	w.ACLs = append(w.ACLs, a)
	if rapid.Bool().Draw(t, "serves") {
		w.Subnets[len(w.Subnets)-1].ACL = a.ID
	}
}

// drawFlow draws a flow between interfaces, or one of them and the outside.
func drawFlow(t *rapid.T, w *simvpc.World) simvpc.Flow {
	ends := []string{"198.51.100.7", "198.51.100.8", "10.7.0.1"}
	for _, n := range w.Interfaces {
		ends = append(ends, n.Private[0].String())
	}
	f := simvpc.Flow{Protocol: rapid.SampledFrom([]simvpc.Protocol{simvpc.TCP, simvpc.UDP, simvpc.ICMP, 47}).Draw(t, "protocol")}
	port := rapid.SampledFrom([]uint16{0, 1, 2, 443, 50000})
	end := func() netip.AddrPort {
		a := netip.MustParseAddr(rapid.SampledFrom(ends).Draw(t, "end"))
		if f.Protocol != simvpc.TCP && f.Protocol != simvpc.UDP {
			return netip.AddrPortFrom(a, 0)
		}
		return netip.AddrPortFrom(a, port.Draw(t, "port"))
	}
	f.From, f.To = end(), end()
	f.Via = rapid.SampledFrom([]string{"", "", "nat"}).Draw(t, "via")
	return f
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.Normalize()
		for range rapid.IntRange(0, 3).Draw(t, "flows") {
			w.Establish(drawFlow(t, w))
		}
		if rapid.Bool().Draw(t, "later") {
			for _, n := range w.Interfaces {
				n.Groups = []string{"sg-default-0"}
			}
			w.Advance(time.Duration(rapid.IntRange(0, 1000).Draw(t, "idle")) * time.Second)
		}
		text := w.String()
		again, err := simvpc.ParseWorld(text)
		if err != nil {
			t.Fatalf("%s\n%s", err, text)
		}
		if diff := cmp.Diff(w, again, comparable); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
		if diff := cmp.Diff(text, again.String()); diff != "" {
			t.Fatal(diff)
		}
		if diff := simvpc.Diff(w, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseWorld(f *testing.F) {
	f.Add(web)
	f.Add("account 111122223333\nregion x\nvpc vpc-1 10.0.0.0/16\nflow tcp 10.0.1.10:1 -> 1.2.3.4:5 via nat idle 5m untracked")
	f.Add("instance i-1 tags \x85Name=\xc5\x85")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := simvpc.ParseWorld(text)
		if err != nil {
			return
		}
		canonical := w.String()
		again, err := simvpc.ParseWorld(canonical)
		if err != nil {
			t.Fatalf("canonical text is refused: %s\n%s", err, canonical)
		}
		if diff := cmp.Diff(canonical, again.String()); diff != "" {
			t.Fatal(diff)
		}
	})
}
