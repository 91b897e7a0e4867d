package containment_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// A crew is many contained instances, in some VPCs.
type crew struct{ instances, vpcs int }

const (
	subnetsInVPC = 8
	peersOfACL   = 8
)

func (c crew) instance(n int) string { return fmt.Sprintf("i-%017x", n+1) }

// world has the instances spread over the VPCs, their subnets and two ACLs in each.
func (c crew) world(t testing.TB) *world.World {
	t.Helper()
	var s strings.Builder
	s.WriteString("account 111122223333\nregion eu-central-1\n")
	for v := range c.vpcs {
		fmt.Fprintf(&s, "vpc vpc-%d 10.%d.0.0/16\ngroup sg-web-%d vpc-%d\n  out all 0.0.0.0/0\n", v, v, v, v)
		fmt.Fprintf(&s, "group sg-q-%d vpc-%d name tourniquet-quarantine tags tourniquet:role=quarantine\n", v, v)
		for n := range subnetsInVPC {
			fmt.Fprintf(&s, "subnet subnet-%d-%d vpc-%d 10.%d.%d.0/24\n", v, n, v, v, n)
		}
		for n := range 2 {
			fmt.Fprintf(&s, "acl acl-%d-%d vpc-%d subnets", v, n, v)
			for subnet := n; subnet < subnetsInVPC; subnet += 2 {
				fmt.Fprintf(&s, " subnet-%d-%d", v, subnet)
			}
			s.WriteString("\n  100 in allow all 0.0.0.0/0\n  100 out allow all 0.0.0.0/0\n")
		}
	}
	for n := range c.instances {
		v, subnet := c.place(n)
		fmt.Fprintf(&s, "instance %s\ninterface eni-%d %s subnet-%d-%d 10.%d.%d.%d groups sg-web-%d\n",
			c.instance(n), n, c.instance(n), v, subnet, v, subnet, 10+n/c.vpcs/subnetsInVPC, v)
	}
	w, err := simvpc.ParseWorld(s.String())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (c crew) place(n int) (vpc, subnet int) { return n % c.vpcs, n / c.vpcs % subnetsInVPC }

func (c crew) incident(n int) plan.Incident {
	v, subnet := c.place(n)
	return plan.Incident{
		Instance: c.instance(n), VPCs: []string{fmt.Sprintf("vpc-%d", v)}, Subnets: []string{fmt.Sprintf("subnet-%d-%d", v, subnet)}, Reason: "test",
		Findings: []record.FindingRef{{ID: fmt.Sprintf("f%d", n), Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}},
		Peers:    []guardduty.Peer{{Addr: netip.AddrFrom4([4]byte{198, 51, byte(v), byte(n % peersOfACL)})}},
	}
}

// contained is the crew's world and ledger once all are contained. No throttling gets
// in the way of that.
func (c crew) contained(t testing.TB) (*world.World, *ledger.Memory) {
	t.Helper()
	server, book := simvpc.New(c.world(t), simvpc.Options{}), &ledger.Memory{}
	r := loaded(server, book)
	r.Policy.MaxContained = c.instances
	for n := range c.instances {
		if out, err := r.Contain(t.Context(), c.incident(n)); err != nil || out.Record.Status != record.Contained {
			t.Fatalf("%s is %s: %v", c.instance(n), out.Record.Status, err)
		}
	}
	return server.World(), book
}

// reconciler has clients as the function has for it.
func reconciler(server *simvpc.Server, book *ledger.Memory) *containment.Reconciler {
	ec2 := vpc.NewPatient(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://ec2.invalid"), HTTPClient: wire{server},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	})
	return &containment.Reconciler{Responder: loaded(server, book).With(ec2), Book: book}
}

// reconciled reconciles once, under EC2's buckets, within one invocation, and returns how
// many calls of EC2's it took, and how long.
func (c crew) reconciled(t testing.TB, server *simvpc.Server, book *ledger.Memory) (calls int, took time.Duration) {
	t.Helper()
	server.ClearLog()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	outcomes, err := reconciler(server, book).Reconcile(ctx, "r1")
	if err != nil || len(outcomes) != c.instances {
		t.Fatalf("%d outcomes of %d instances, %v", len(outcomes), c.instances, err)
	}
	for _, out := range outcomes {
		if out.Record.Status != record.Contained || out.Verdict != record.Reconcile {
			t.Errorf("%s: %s, %s", out.Instance, out.Verdict, out.Record.Status)
		}
	}
	return len(server.Calls()), time.Since(start)
}

// Nothing has drifted: the calls grow with the pages of EC2's answers, and not with
// the instances.
func TestReconcileAFleet(t *testing.T) {
	for _, c := range []crew{{25, 1}, {200, 1}, {200, 3}} {
		synctest.Test(t, func(t *testing.T) { c.testStanding(t, 20+8*(c.vpcs-1)) })
	}
}

func (c crew) testStanding(t *testing.T, most int) {
	w, book := c.contained(t)
	server := simvpc.New(w, simvpc.Options{Throttle: true, Latency: inRegion})
	calls, took := c.reconciled(t, server, book)
	_, throttled, _ := count(server.Calls())
	t.Logf("%d contained instances in %d VPCs: %d calls in %v, %v throttled", c.instances, c.vpcs, calls, took, throttled)
	if calls > most {
		t.Errorf("%d contained instances in %d VPCs cost %d calls, want %d at most", c.instances, c.vpcs, calls, most)
	}
	if len(server.Mutations()) > 0 {
		t.Errorf("something was changed: %v", server.Mutations())
	}
}

// Flow logs, commands to hosts and what they say: nothing of that makes a reconcile look
// at each instance by itself, once it is known.
func TestReconcileAFleetWithRungs(t *testing.T) {
	t.Parallel()
	for name, rungs := range map[string]plan.Rules{
		"survivors": {Survivors: plan.SurvivorsReport}, "on the host": {OnHost: plan.OnHostAuto},
		"both": {Survivors: plan.SurvivorsReport, OnHost: plan.OnHostAuto},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := crew{20, 1}
			s := newStage(c.world(t))
			s.rungs = rungs
			s.server.Edit(func(w *world.World) {
				w.LogGroups = append(w.LogGroups, "flows")
				w.Instance(c.instance(3)).Managed = true
			})
			for n := range c.instances {
				in := c.incident(n)
				if n == 3 { // no peer is known: the host is told
					in.Peers = nil
				}
				s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, in) })
			}
			time.Sleep(30 * time.Minute)
			s.must(t, watching)
			s.must(t, reconciling)
			for what, do := range map[string]deed{"reconcile": reconciling, "watch": watching, "expire": expiring} {
				var ec2 atomic.Int64
				p := s.process(func(_ context.Context, c call) fate {
					if !c.ledger && !c.elsewhere {
						ec2.Add(1)
					}
					return passes
				})
				if err := do(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				if ec2.Load() > 20 {
					t.Errorf("%s: %s makes %d calls for %d contained instances, want 20 at most", name, what, ec2.Load(), c.instances)
				}
				t.Logf("%s: %s makes %d calls of EC2's", name, what, ec2.Load())
			}
		})
	}
}

// Some have drifted, each in another way: each of them costs a look of its own and its
// changes, and all of it is repaired.
func TestReconcileAFleetThatDrifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crew{60, 2}
		w, book := c.contained(t)
		before := simvpc.New(w, simvpc.Options{}).World()
		drifted := c.drift(w, 6)
		server := simvpc.New(w, simvpc.Options{Throttle: true, Latency: inRegion})
		calls, took := c.reconciled(t, server, book)
		t.Logf("%d of %d drifted: %d calls in %v", drifted, c.instances, calls, took)
		if most := 28 + 20*drifted; calls > most {
			t.Errorf("%d calls, want %d at most", calls, most)
		}
		if d := world.Diff(before, server.World()); d != "" {
			t.Errorf("what has drifted is not repaired:\n%s", d)
		}
	})
}

// drift puts the groups of the first instances back.
func (c crew) drift(w *world.World, instances int) int {
	for n := range instances {
		v, _ := c.place(n)
		w.Interface(fmt.Sprintf("eni-%d", n)).Groups = []string{fmt.Sprintf("sg-web-%d", v)}
	}
	return instances
}

// An exempt instance, one that is being released, one that is gone and one that somebody
// else put into quarantine: bulk changes nothing in what becomes of each.
func TestReconcileAMixedFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := crew{6, 1}
		w, book := c.contained(t)
		server := simvpc.New(w, simvpc.Options{})
		server.Edit(func(w *world.World) {
			w.Instance(c.instance(0)).Tags["tourniquet:exempt"] = "true"
			w.Interface("eni-0").Groups = []string{"sg-web-0"}
			w.Instance(c.instance(1)).State = "terminated"
			w.Interfaces = slices.DeleteFunc(w.Interfaces, func(i *world.Interface) bool { return i.ID == "eni-1" })
			w.Instances = append(w.Instances, &world.Instance{ID: "i-0eeeeeeeeeeeeeeee", Type: "m5.large", State: "running", Tags: world.Tags{}})
			stray := *w.Interface("eni-2")
			stray.ID, stray.Instance, stray.Private, stray.Tags = "eni-99", "i-0eeeeeeeeeeeeeeee", []netip.Addr{netip.MustParseAddr("10.0.0.250")}, world.Tags{}
			w.Interfaces = append(w.Interfaces, &stray)
		})
		r := reconciler(server, book)
		r.Responder.Policy.ExemptTag.Key = "tourniquet:exempt"
		outcomes, err := r.Reconcile(t.Context(), "r1")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, out := range outcomes {
			got = append(got, fmt.Sprintf("%s %s %s", out.Instance, out.Record.Status, out.Reason))
		}
		var want []string
		want = append(want, c.instance(1)+" closed "+c.instance(1)+" is gone: closed")
		for n := 2; n < c.instances; n++ {
			want = append(want, c.instance(n)+" contained reconciled")
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if g := server.World().Interface("eni-0").Groups; !slices.Equal(g, []string{"sg-web-0"}) {
			t.Errorf("the exempt instance has the groups %v", g)
		}
	})
}

// A containment that comes while a reconcile of a fleet runs, in which everything has
// drifted, is as fast as alone.
func TestContainmentBesideAReconcile(t *testing.T) {
	testBeside(t, crew{40, 1})
}

func testBeside(t *testing.T, c crew) {
	synctest.Test(t, func(t *testing.T) {
		more := crew{c.instances + 10, c.vpcs}
		w := more.world(t)
		book := &ledger.Memory{}
		server := simvpc.New(w, simvpc.Options{})
		r := loaded(server, book)
		for n := range c.instances {
			if _, err := r.Contain(t.Context(), more.incident(n)); err != nil {
				t.Fatal(err)
			}
		}
		w = server.World()
		more.drift(w, c.instances)
		server = simvpc.New(w, simvpc.Options{Throttle: true, Latency: inRegion})
		newcomer := func(n int) plan.Incident {
			in := more.incident(c.instances + n)
			in.Peers = []guardduty.Peer{{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})}}
			return in
		}
		alone := contains(t, server, book, newcomer(0))

		time.Sleep(time.Minute) // the buckets are full again
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			rec := reconciler(server, book)
			rec.Responder.Log = slog.New(slog.DiscardHandler)
			if _, err := rec.Reconcile(ctx, "r1"); err != nil {
				t.Error(err)
			}
		})
		var slowest time.Duration
		for n := 1; n < 10; n++ {
			time.Sleep(2 * time.Second)
			slowest = max(slowest, contains(t, server, book, newcomer(n)))
		}
		wg.Wait()
		t.Logf("alone %v, beside the reconcile of %d drifted instances at most %v (%.2f times)", alone, c.instances, slowest, slowest.Seconds()/alone.Seconds())
		if slowest > alone*12/10 {
			t.Errorf("beside a reconcile a containment takes %v, want 1.2 times %v at most", slowest, alone)
		}
		for _, i := range server.World().Interfaces {
			if !strings.HasPrefix(i.Groups[0], "sg-q") {
				t.Errorf("%s has the groups %v", i.ID, i.Groups)
			}
		}
	})
}

// contains is how long a containment takes, with a client of its own.
func contains(t *testing.T, server *simvpc.Server, book *ledger.Memory, in plan.Incident) time.Duration {
	t.Helper()
	start := time.Now()
	out, err := loaded(server, book).Contain(t.Context(), in)
	if err != nil || out.Record.Status != record.Contained {
		t.Fatalf("%s is %s: %v", in.Instance, out.Record.Status, err)
	}
	return time.Since(start)
}

// A watch of two hundred instances reads their flow logs together: a call for each ten
// thousand records, and none of EC2's where nothing is new.
func TestWatchAFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := crew{instances: 200, vpcs: 1}
		w := fleet.world(t)
		w.LogGroups = []string{"flows"}
		s := newStage(w)
		s.rungs = plan.Rules{Survivors: plan.SurvivorsReport}
		p := s.process(always)
		for n := range fleet.instances {
			r := p.responder()
			r.Policy.MaxContained = fleet.instances
			if out, err := r.Contain(t.Context(), fleet.incident(n)); err != nil || out.Record.Status != record.Contained {
				t.Fatalf("%s is %s: %v", fleet.instance(n), out.Record.Status, err)
			}
		}
		time.Sleep(30 * time.Minute)
		s.must(t, watching) // each becomes quiet, and its record says so
		time.Sleep(5 * time.Minute)
		s.server.ClearLog()
		s.must(t, watching)
		of := map[string]int{}
		for _, c := range s.server.Calls() {
			of[c.Op]++
		}
		const minutes, page = 36, 10_000 // of the window that is read again
		if got, most := of["FilterLogEvents"], 1+fleet.instances*minutes/page; got > most {
			t.Errorf("%d calls to read %d flow logs, want at most %d", got, fleet.instances, most)
		}
		t.Logf("calls: %v", of)
		for op, n := range of {
			if op != "FilterLogEvents" && n > 20 {
				t.Errorf("%d calls of %s, though nothing is new", n, op)
			}
		}
		for n := range fleet.instances {
			k, err := s.book.Load(t.Context(), fleet.instance(n), nil)
			if err != nil || k.Record.QuietSince.IsZero() {
				t.Fatalf("%s is not proven quiet: %v", fleet.instance(n), err)
			}
		}
	})
}
