package world_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tourniquet/lambda/simvpc/internal/draw"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

const web = draw.Web

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
flow icmp 10.0.1.10 -> 10.9.0.1 tracked eni-1
flow tcp [2001:db8:1:1::10]:4444 -> [2001:db8:9::1]:443 via egress-only-igw tracked eni-1
`
	w := read(t, in)
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
		"not a subnet":    {vpc + "interface eni-1 i-1 subnet-1 associated subnet-1", "line 4: interface: associated: subnet-1 is not another subnet"},
		"nobody's":        {"secondary si-1 i-9 10.9.0.5", "line 1: secondary: instance: i-9 is not declared"},
		"secondary taken": {vpc + "interface eni-1 i-1 subnet-1 10.0.1.4\nsecondary si-1 i-1 10.0.1.4", "line 5: secondary: address: 10.0.1.4 belongs to eni-1"},
		"visibility":      {"managed-resources shown", "line 1: managed-resources: visibility"},
		"no such group":   {"instance i-1 autoscaling web", `line 1: instance: autoscaling: "web" is not declared`},
		"not in a group":  {"instance i-1 lifecycle Standby", "line 1: instance: lifecycle"},
		"two mains":       {vpc + "route-table rtb-1 vpc-1 main\nroute-table rtb-2 vpc-1 main", "line 5: route-table: main"},
		"served by two":   {vpc + "route-table rtb-1 vpc-1 subnets subnet-1\nroute-table rtb-2 vpc-1 subnets subnet-1", "line 5: route-table: subnets"},
		"loose route":     {"to 0.0.0.0/0 igw-1", "line 1: to: to"},
		"bad target":      {vpc + "route-table rtb-1 vpc-1\nto 0.0.0.0/0 nat-1", "line 5: to: target"},
		"desired":         {"autoscaling-group web min 2 max 3 desired 1", "line 1: autoscaling-group: desired: 1 is not between 2 and 3"},
		"nobody's volume": {"volume vol-1 i-9 /dev/xvda", "line 1: volume: instance: i-9 is not declared"},
		"log of nothing":  {"flow-log fl-1 eni-9 group g", "line 1: flow-log: resource: eni-9 is not declared"},
		"log to nowhere":  {vpc + "flow-log fl-1 subnet-1", "line 4: flow-log: group"},
		"shutdown":        {"instance i-1 shutdown restart", "line 1: instance: shutdown"},
		"group quota":     {"groups-per-interface 17", "line 1: groups-per-interface: number: 17"},
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
		_, err := world.Parse(test.text, oracle.TrackedBy)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	_, err := world.Parse("router r-1\naccount 12", oracle.TrackedBy)
	if err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v, want both lines named", err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	a := read(t, web)
	b := a.Clone()
	if diff := world.Diff(a, b); diff != "" {
		t.Errorf("clone differs: %s", diff)
	}
	b.Interface("eni-3").Groups = []string{"sg-quarantine"}
	acl := b.ACL("acl-default-1")
	acl.Entries = append(acl.Entries, world.Entry{Number: 90, Protocol: world.All, CIDR: netip.MustParsePrefix("198.51.100.7/32")})
	b.Normalize()
	want := `- interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db
+ acl-default-1: 90 in  deny  all 198.51.100.7/32
+ interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-quarantine
`
	if diff := cmp.Diff(sorted(want), sorted(world.Diff(a, b))); diff != "" {
		t.Error(diff)
	}
}

// read parses a world's text.
func read(t testing.TB, text string) *world.World {
	t.Helper()
	w, err := world.Parse(text, oracle.TrackedBy)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func sorted(text string) map[string]bool {
	lines := map[string]bool{}
	for l := range strings.Lines(text) {
		lines[l] = true
	}
	return lines
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := draw.World(t)
		w.Normalize()
		for range rapid.IntRange(0, 3).Draw(t, "flows") {
			oracle.Establish(w, draw.Flow(t, w))
		}
		if rapid.Bool().Draw(t, "later") {
			for _, n := range w.Interfaces {
				n.Groups = []string{"sg-default-0"}
			}
			oracle.Advance(w, time.Duration(rapid.IntRange(0, 1000).Draw(t, "idle"))*time.Second)
		}
		text := w.String()
		again, err := world.Parse(text, oracle.TrackedBy)
		if err != nil {
			t.Fatalf("%s\n%s", err, text)
		}
		if diff := cmp.Diff(w, again, comparable); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
		if diff := cmp.Diff(text, again.String()); diff != "" {
			t.Fatal(diff)
		}
		if diff := world.Diff(w, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseWorld(f *testing.F) {
	f.Add(web)
	f.Add("account 111122223333\nregion x\nvpc vpc-1 10.0.0.0/16\nflow tcp 10.0.1.10:1 -> 1.2.3.4:5 via nat idle 5m untracked")
	f.Add(`managed-resources visible
groups-per-interface 9
vpc vpc-1 10.0.0.0/16 no-dns dns-names
subnet subnet-1 vpc-1 10.0.1.0/24 dns64 map-public
internet-gateway igw-1 vpc-1
route-table rtb-1 vpc-1 subnets subnet-1
  to 0.0.0.0/0 igw-1
autoscaling-group web min 1 max 3 desired 2 health ELB deleting
instance i-1 image ami-1 operator eks spot protected shutdown terminate profile p profile-changing no-metadata ssm windows isolated
instance i-2 autoscaling web lifecycle Standby pinned health-port 80 status-check suppressed
interface eni-1 i-1 subnet-1 10.0.1.9 groups sg-default-1
secondary si-1 i-1 10.9.0.1
elastic-ip eipalloc-1 192.0.2.1
volume vol-1 - /dev/xvda root keep size 9 encrypted modifying
snapshot snap-1 vol-1 state pending description "a b"
log-group g
flow-log fl-1 eni-1 group g role r interval 60 traffic REJECT format "x y"
flow udp 10.0.1.9:1 -> 10.9.0.1:2 agent quiet untracked idle 3s`)
	f.Add("instance i-1 tags \x85Name=\xc5\x85")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := world.Parse(text, oracle.TrackedBy)
		if err != nil {
			return
		}
		canonical := w.String()
		again, err := world.Parse(canonical, oracle.TrackedBy)
		if err != nil {
			t.Fatalf("canonical text is refused: %s\n%s", err, canonical)
		}
		if diff := cmp.Diff(canonical, again.String()); diff != "" {
			t.Fatal(diff)
		}
	})
}
