package ledger

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// size is how many bytes an item takes, as DynamoDB counts them.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(i Item) int {
	n := 0
	for name, v := range i {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	const collection, element = 3, 1
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 2
	case *types.AttributeValueMemberSS:
		return len(strings.Join(v.Value, ""))
	case *types.AttributeValueMemberM:
		return collection + len(v.Value)*element + size(v.Value)
	case *types.AttributeValueMemberL:
		n := collection + len(v.Value)*element
		for _, e := range v.Value {
			n += valueSize(e)
		}
		return n
	default:
		return 1
	}
}

// largest is the largest instance there is, with 64 interfaces of 16 groups each, in
// fifteen subnets behind as many ACLs of the greatest quota.
func largest() network.Network {
	n := network.Network{
		Instance: network.Instance{ID: id("i", 1), Account: "111122223333", State: "running", Type: "p5.48xlarge", Profile: strings.Repeat("p", 2000)},
		Subnets:  map[string]network.Subnet{}, ACLs: map[string]network.ACL{},
		Quarantine: map[string][]network.Quarantined{id("vpc", 1): {{Group: id("sg", 999), Empty: true}}},
	}
	for s := range 15 {
		acl := network.ACL{ID: id("acl", s), VPC: id("vpc", 1), Account: n.Instance.Account}
		for _, dir := range network.Directions {
			acl = acl.With(network.Entry{Number: 1000, Direction: dir, Prefix: netip.MustParsePrefix("::/0"), Allow: true, AllTraffic: true})
			acl = acl.With(network.Entry{Number: 1001, Direction: dir, Prefix: netip.MustParsePrefix("0.0.0.0/0"), Allow: true, AllTraffic: true})
		}
		n.ACLs[acl.ID] = acl
		n.Subnets[id("subnet", s)] = network.Subnet{ID: id("subnet", s), VPC: acl.VPC, ACL: acl.ID, Prefixes: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", s)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:%x::/64", s)),
		}}
	}
	for i := range 64 {
		n.Interfaces = append(n.Interfaces, anInterface(i))
	}
	return n
}

func id(kind string, n int) string { return fmt.Sprintf("%s-%017x", kind, n) }

func anInterface(n int) network.Interface {
	i := network.Interface{ID: id("eni", n), VPC: id("vpc", 1), Subnet: id("subnet", n%15), TrackingTimeout: network.DefaultTracking}
	for g := range 16 {
		i.Groups = append(i.Groups, id("sg", g))
	}
	return i
}

// endless is an incident with more of everything than a record keeps.
func endless() plan.Incident {
	in := plan.Incident{Instance: id("i", 1), Reason: strings.Repeat("r", 10_000), Request: strings.Repeat("q", 100)}
	for n := range 400 {
		in.Findings = append(in.Findings, record.FindingRef{
			ID: fmt.Sprintf("%0512d", n), Type: strings.Repeat("t", 128), Severity: 8.123456789012345, Seen: noon.Add(time.Duration(n) * time.Second),
		})
		a := netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:0").As16()
		a[14], a[15] = byte(n>>8)|0xf0, byte(n)
		in.Peers = append(in.Peers, guardduty.Peer{
			Addr: netip.AddrFrom16(a), Direction: guardduty.Outbound, Protocol: strings.Repeat("p", 128), LocalPort: 65535, RemotePort: 65535,
			Interface: strings.Repeat("i", 128), Severity: 8.123456789012345, Seen: noon,
		})
		in.Unreadable = append(in.Unreadable, fmt.Sprintf("%064d", n))
	}
	return in
}

// A play is the largest containment, on a ledger and a network of its own.
type play struct {
	t      *testing.T
	book   *Memory
	seen   network.Network
	in     plan.Incident
	now    time.Time
	record int // the largest size of its record so far
}

// wellBelow is what no item may exceed. DynamoDB takes 409,600 bytes.
const wellBelow = 350_000

func (p *play) known() record.Known {
	p.t.Helper()
	k, err := p.book.Load(p.t.Context(), p.in.Instance, []string{id("vpc", 1)})
	if err != nil {
		p.t.Fatal(err)
	}
	return k
}

func (p *play) commit(was *record.Record, r record.Record, slots []record.SlotChange) {
	p.t.Helper()
	p.now = p.now.Add(time.Second)
	c := record.NewChange(was, r, slots, p.now, record.Event{Verdict: record.Contain, Reason: r.Reason})
	c.Limit = 25
	if err := p.book.Commit(p.t.Context(), c); err != nil {
		p.t.Fatal(err)
	}
	items, err := p.book.Items()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, i := range items {
		n := size(i)
		if k, _ := keyOf(i); strings.HasPrefix(k.SK, skContainment) {
			p.record = max(p.record, n)
		}
		if n > wellBelow {
			p.t.Fatalf("an item of %d bytes", n)
		}
	}
}

// contain plans, records and applies until nothing is left to do.
func (p *play) contain() record.Record {
	p.t.Helper()
	for range 8 {
		known := p.known()
		next := plan.NewPlan(p.in, p.seen, known, plan.Rules{ACLQuota: 40})
		if !next.Changed {
			return *known.Record
		}
		p.commit(known.Record, next.Record, next.Slots)
		for _, s := range next.Record.Pending() {
			p.apply(s)
		}
	}
	p.t.Fatal("it doesn't come to an end")
	return record.Record{}
}

func (p *play) apply(s record.Step) {
	switch s := s.(type) {
	case record.Denial:
		if acl, serves := p.seen.ACLs[s.ACL]; serves {
			p.seen.ACLs[s.ACL] = acl.With(s.Entry())
		}
	case record.Replacement:
		for i := range p.seen.Interfaces {
			if p.seen.Interfaces[i].ID == s.Resource && s.Of == record.KindQuarantine {
				p.seen.Interfaces[i].Groups = s.After
			}
		}
	}
}

// release undoes everything, and returns what the record and the ledger then say.
func (p *play) release() record.Record {
	p.t.Helper()
	for range 8 {
		known := p.known()
		next := plan.NewReleasePlan(*known.Record, p.seen, known.Slots, plan.Terms{Now: p.now, Began: p.now})
		if next.Changed {
			p.commit(known.Record, next.Record, next.Slots)
		}
		for _, s := range next.Reverts {
			switch s := s.(type) {
			case record.Denial:
				if acl, serves := p.seen.ACLs[s.ACL]; serves {
					p.seen.ACLs[s.ACL] = acl.Without(s.Direction, s.Number)
				} else {
					p.seen.Elsewhere[s.ACL] = p.seen.Elsewhere[s.ACL].Without(s.Direction, s.Number)
				}
			case record.Replacement:
				for i := range p.seen.Interfaces {
					if p.seen.Interfaces[i].ID == s.Resource {
						p.seen.Interfaces[i].Groups = s.Before
					}
				}
			}
		}
		if !next.Changed && len(next.Reverts) == 0 {
			p.now = p.now.Add(network.DefaultTracking + time.Hour)
		}
	}
	return *p.known().Record
}

// The largest record there can be is well below what DynamoDB takes, says what it
// leaves out, can be reconciled and, to the last denial and group, released.
func TestTheLargestRecord(t *testing.T) {
	for name, disturb := range map[string]func(p *play){
		"at once": func(*play) {},
		"by one finding after the other": func(p *play) {
			all := p.in
			for n := 0; n < len(all.Findings); n += 100 {
				p.in.Findings, p.in.Peers, p.in.Unreadable = all.Findings[n:n+100], all.Peers[n:n+100], all.Unreadable[n:n+100]
				p.contain()
			}
		},
		"behind other ACLs each time": func(p *play) {
			p.seen.Elsewhere = map[string]network.ACL{}
			for round := range 6 {
				p.contain()
				acls := map[string]network.ACL{}
				for name, s := range p.seen.Subnets {
					acl := p.seen.ACLs[s.ACL]
					p.seen.Elsewhere[acl.ID] = acl
					acl.ID, acl.Entries = fmt.Sprintf("acl-%x%s", round, acl.ID[5:]), acl.Entries[:4]
					s.ACL = acl.ID
					p.seen.Subnets[name], acls[acl.ID] = s, acl
				}
				p.seen.ACLs = acls
			}
		},
		"with other interfaces": func(p *play) {
			p.contain()
			for n := range 32 {
				i := anInterface(100 + n)
				p.seen.Detached = append(p.seen.Detached, p.seen.Interfaces[n])
				p.seen.Interfaces[n] = i
			}
		},
		"refused by EC2": func(p *play) {
			p.contain()
			p.seen.Refused = map[string]network.Refusal{}
			for _, s := range p.known().Record.Steps {
				p.seen.Refused[s.Step.ID()] = network.Refusal{Reason: strings.Repeat("no ", 1000)}
			}
			for id, acl := range p.seen.ACLs {
				acl.Entries = acl.Entries[:4]
				p.seen.ACLs[id] = acl
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &play{t: t, book: &Memory{}, seen: largest(), in: endless(), now: noon}
			disturb(p)
			r := p.contain()
			if len(r.Findings) != 50 || !slices.ContainsFunc(r.Exposure, func(e record.Exposure) bool { return e.Kind == record.LeftOut }) {
				t.Errorf("%d findings, and the exposure says nothing of the others", len(r.Findings))
			}
			if r.Status != record.PartiallyContained || !slices.ContainsFunc(r.Exposure, func(e record.Exposure) bool { return e.Kind == record.OmittedPeers }) {
				t.Errorf("status %s, and the exposure says nothing of omitted peers", r.Status)
			}
			if last := r.Findings[len(r.Findings)-1]; !last.Seen.Equal(noon.Add(399 * time.Second)) {
				t.Errorf("the latest activity is said to be of %s", last.Seen)
			}
			groups := map[string][]string{}
			for _, s := range r.Steps {
				if q, ok := record.AsQuarantine(s.Step); ok {
					groups[q.Resource] = q.Before
				}
			}
			for n := range 64 {
				if len(groups[id("eni", n)]) != 16 {
					t.Errorf("the groups of %s are lost", id("eni", n))
				}
			}
			r = p.release()
			if r.Status != record.Released {
				t.Errorf("status %s after the release", r.Status)
			}
			for _, i := range p.seen.Interfaces {
				if len(i.Groups) != 16 {
					t.Errorf("%s has the groups %v", i.ID, i.Groups)
				}
			}
			if left := p.book.AllSlots(); len(left) > 0 {
				t.Errorf("%d slots are left", len(left))
			}
			t.Logf("the record had %d bytes at most", p.record)
		})
	}
}
