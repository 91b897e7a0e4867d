package containment_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// A wire carries calls to a simulated EC2 without a network, so that they can be
// made on synctest's clock.
type wire struct{ server *simvpc.Server }

// Do makes one call.
func (w wire) Do(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		if lost := recover(); lost != nil { // the server's way to give no answer
			answer, err = nil, fmt.Errorf("connection lost: %v", lost)
		}
	}()
	got := httptest.NewRecorder()
	w.server.ServeHTTP(got, r.Clone(r.Context()))
	return got.Result(), nil
}

// A burst is findings that come all at once.
type burst struct {
	findings, instances, subnets, acls, peers int
	atOnce                                    int // invocations under way

	mostCut, mostTook time.Duration // until the last instance is cut, and the last finding answered
}

// The burst of the benchmark, and a smaller one for every test run.
var (
	big   = burst{findings: 1000, instances: 200, subnets: 20, acls: 5, peers: 10, atOnce: 32, mostCut: 30 * time.Second, mostTook: time.Minute}
	small = burst{findings: 300, instances: 60, subnets: 12, acls: 3, peers: 10, atOnce: 16, mostCut: 10 * time.Second, mostTook: 20 * time.Second}
)

const (
	// timeout is a Lambda invocation's, and retryAfter how long Lambda waits
	// before its first retry of an asynchronous one.
	// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
	timeout    = 2 * time.Minute
	retryAfter = time.Minute

	inRegion    = 20 * time.Millisecond // what a call takes
	transaction = 20 * time.Millisecond // what a write of the ledger takes: of two that touch an item meanwhile, one has to wait
)

func (b burst) instance(n int) string { return fmt.Sprintf("i-%017x", n+1) }

// index is the number of an incident's instance.
func (b burst) index(in plan.Incident) (n int) {
	_, _ = fmt.Sscanf(in.Instance, "i-%x", &n)
	return n - 1
}

func (b burst) subnet(n int) int { return n % b.subnets }
func (b burst) acl(n int) int    { return b.subnet(n) % b.acls }

// world has the instances, each with one interface, spread over the subnets, and
// the subnets over the ACLs.
func (b burst) world(t testing.TB) *world.World {
	t.Helper()
	var s strings.Builder
	s.WriteString("account 111122223333\nregion eu-central-1\nvpc vpc-1 10.0.0.0/16\ngroup sg-web vpc-1\n  out all 0.0.0.0/0\n" +
		"group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine\n")
	serves := make([]string, b.acls)
	for n := range b.subnets {
		fmt.Fprintf(&s, "subnet subnet-%d vpc-1 10.0.%d.0/24\n", n, n)
		serves[n%b.acls] += fmt.Sprintf(" subnet-%d", n)
	}
	for n, subnets := range serves {
		fmt.Fprintf(&s, "acl acl-%d vpc-1 subnets%s\n  100 in allow all 0.0.0.0/0\n  100 out allow all 0.0.0.0/0\n", n, subnets)
	}
	for n := range b.instances {
		fmt.Fprintf(&s, "instance %s\ninterface eni-%d %s subnet-%d 10.0.%d.%d groups sg-web\n",
			b.instance(n), n, b.instance(n), b.subnet(n), b.subnet(n), 10+n/b.subnets)
	}
	w, err := simvpc.ParseWorld(s.String())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// incidents are one for each finding, in no order: each names an instance and one
// of the peers.
func (b burst) incidents() []plan.Incident {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]plan.Incident, b.findings)
	for n := range all {
		i := n % b.instances
		all[n] = plan.Incident{
			Instance: b.instance(i), VPCs: []string{"vpc-1"}, Subnets: []string{fmt.Sprintf("subnet-%d", b.subnet(i))}, Reason: "test",
			Findings: []record.FindingRef{{ID: fmt.Sprintf("f%d", n), Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}},
			Peers:    []guardduty.Peer{{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + random.IntN(b.peers))})}},
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// needed is how often each changing call has to be made for the incidents.
func (b burst) needed(incidents []plan.Incident) map[string]int {
	swaps, entries := map[string]bool{}, map[string]bool{}
	for _, in := range incidents {
		swaps[in.Instance] = true
		for _, p := range in.Peers {
			acl := b.acl(b.index(in))
			entries[fmt.Sprint(acl, p.Addr, "in")], entries[fmt.Sprint(acl, p.Addr, "out")] = true, true
		}
	}
	return map[string]int{
		"ModifyNetworkInterfaceAttribute": len(swaps),
		"CreateNetworkAclEntry":           len(entries),
		"CreateTags":                      2 * len(swaps), // the originals before the swap, the status after
	}
}

// handle has the incidents handled by so many invocations at once, each with clients
// of its own, as in an execution environment of its own. One that fails is repeated,
// as Lambda does.
func (b burst) handle(t testing.TB, server *simvpc.Server, book containment.Ledger, incidents []plan.Incident) {
	t.Helper()
	todo := make(chan plan.Incident)
	var wg sync.WaitGroup
	for range b.atOnce {
		wg.Go(func() {
			r := loaded(server, book)
			for in := range todo {
				invoke(t, r, in)
			}
		})
	}
	for _, in := range incidents {
		todo <- in
	}
	close(todo)
	wg.Wait()
}

func invoke(t testing.TB, r *containment.Responder, in plan.Incident) {
	t.Helper()
	var err error
	for try := range 3 {
		if try > 0 {
			t.Logf("%s fails and is repeated: %v", in.Findings[0].ID, err)
			time.Sleep(retryAfter)
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		_, err = r.Contain(ctx, in)
		cancel()
		if err == nil {
			return
		}
	}
	t.Errorf("%s is lost: %v", in.Findings[0].ID, err)
}

func loaded(server *simvpc.Server, book containment.Ledger) *containment.Responder {
	ec2 := vpc.New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://ec2.invalid"), HTTPClient: wire{server},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	})
	return &containment.Responder{
		EC2: ec2, Fleet: ec2,
		Ledger: book, Policy: policy.Policy{MaxContained: 1000}, Rules: plan.Rules{ACLQuota: network.DefaultACLQuota},
		Log: slog.New(slog.DiscardHandler), Now: time.Now, LedgerWait: 3 * time.Second,
	}
}

// run handles the burst on a simulated clock, and returns the world and the log of
// calls after, and how long it took.
func (b burst) run(t testing.TB, throttle bool) (server *simvpc.Server, took time.Duration) {
	t.Helper()
	server = simvpc.New(b.world(t), simvpc.Options{Throttle: throttle, Latency: inRegion})
	start := time.Now()
	b.handle(t, server, &ledger.Memory{Takes: transaction}, b.incidents())
	return server, time.Since(start)
}

// buckets are those of the operations that containing calls: their size, and how
// much they refill in a second.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
var buckets = map[string][2]float64{
	"DescribeInstances": {100, 20}, "DescribeNetworkAcls": {100, 20}, "DescribeNetworkInterfaces": {100, 20},
	"DescribeSecurityGroups": {100, 20}, "DescribeSubnets": {100, 20}, "DescribeVpcs": {100, 20},
	"CreateTags": {100, 10}, "ModifyNetworkInterfaceAttribute": {100, 5}, "CreateNetworkAclEntry": {50, 5},
}

// allowed is the least time that the buckets allow for calls.
func allowed(t testing.TB, calls map[string]int) time.Duration {
	t.Helper()
	var least float64
	for op, n := range calls {
		b, known := buckets[op]
		if !known {
			t.Fatalf("no bucket is known for %s", op)
		}
		least = max(least, (float64(n)-b[0])/b[1])
	}
	return time.Duration(least * float64(time.Second))
}

// count sorts calls into those that EC2 carried out, those that it throttled, and
// those that it refused.
func count(calls []simvpc.Call) (done, throttled, refused map[string]int) {
	done, throttled, refused = map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range calls {
		switch c.Code {
		case "":
			done[c.Op]++
		case "RequestLimitExceeded":
			throttled[c.Op]++
		default:
			refused[c.Op+" "+c.Code]++
		}
	}
	return done, throttled, refused
}

// A burst of findings, in clients that know nothing of each other, under EC2's
// documented buckets: every instance is contained and every peer denied. The yardstick is
// what the buckets allow for the changes alone, and not for the calls that we happen to
// make: reads must not set the pace.
func testBurst(t *testing.T, b burst) {
	synctest.Test(t, func(t *testing.T) {
		one := b
		one.atOnce = 1
		server, _ := one.run(t, false)
		done, _, _ := count(server.Calls())
		for op, n := range b.needed(b.incidents()) {
			if done[op] != n {
				t.Errorf("one by one: %d %s, want %d", done[op], op, n)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		server, took := b.run(t, true)
		done, throttled, refused := count(server.Calls())
		least := allowed(t, map[string]int{"ModifyNetworkInterfaceAttribute": b.needed(b.incidents())["ModifyNetworkInterfaceAttribute"]})
		cut := lastChange(server.Calls(), "ModifyNetworkInterfaceAttribute").Sub(start)
		t.Logf("%d findings on %d instances, %d at once: the last instance is cut after %v (the buckets allow %v: %.2f times), the last finding answered after %v",
			b.findings, b.instances, b.atOnce, cut, least, cut.Seconds()/least.Seconds(), took)
		for _, op := range slices.Sorted(maps.Keys(done)) {
			t.Logf("%-31s %5d calls, %4d throttled", op, done[op], throttled[op])
		}
		if most := max(least*3/2, b.mostCut); cut > most {
			t.Errorf("the last instance is cut after %v, want %v at most", cut, most)
		}
		if took > b.mostTook {
			t.Errorf("the last finding is answered after %v, want %v at most", took, b.mostTook)
		}
		b.checkWorld(t, server.World())
		b.checkChanges(t, done, refused)
	})
}

// lastChange is when the last call of an operation that succeeded had ended.
func lastChange(calls []simvpc.Call, op string) time.Time {
	var last time.Time
	for _, c := range calls {
		if c.Op == op && c.Code == "" && c.End.After(last) {
			last = c.End
		}
	}
	return last
}

// checkWorld: each instance is in quarantine, with its originals in the tag; each
// ACL denies the peers of its instances, once in each direction, and nobody else.
func (b burst) checkWorld(t *testing.T, w *world.World) {
	t.Helper()
	for _, i := range w.Interfaces {
		if !slices.Equal(i.Groups, []string{"sg-q"}) || i.Tags[network.OriginalsTag] != "sg-web" {
			t.Errorf("%s has the groups %v and the tags %v", i.ID, i.Groups, i.Tags)
		}
	}
	denied := 0
	for _, a := range w.ACLs {
		seen := map[string]bool{}
		for _, e := range a.Entries {
			if !e.Allow {
				key := fmt.Sprint(e.CIDR, e.Egress)
				if seen[key] {
					t.Errorf("%s denies %s twice", a.ID, e.CIDR)
				}
				seen[key], denied = true, denied+1
			}
		}
	}
	if want := b.needed(b.incidents())["CreateNetworkAclEntry"]; denied != want {
		t.Errorf("%d denials, want %d", denied, want)
	}
	for _, in := range b.incidents() {
		acl := w.ACL(fmt.Sprintf("acl-%d", b.acl(b.index(in))))
		if !slices.ContainsFunc(acl.Entries, func(e world.Entry) bool { return !e.Allow && e.CIDR.Addr() == in.Peers[0].Addr }) {
			t.Errorf("%s is lost: %s does not deny %s", in.Findings[0].ID, acl.ID, in.Peers[0].Addr)
		}
	}
}

// checkChanges: the changes are those that are needed. When several invocations are
// at work on one instance, or on one peer in an ACL, one may repeat a change that
// another has under way; that is harmless, and rare.
func (b burst) checkChanges(t *testing.T, done, refused map[string]int) {
	t.Helper()
	all, repeated := 0, 0
	for op, n := range b.needed(b.incidents()) {
		all, repeated = all+n, repeated+done[op]-n
	}
	for what, n := range refused {
		if what != "CreateNetworkAclEntry NetworkAclEntryAlreadyExists" {
			t.Errorf("%d times: %s", n, what)
		}
		repeated += n
	}
	t.Logf("%d changes are needed, %d were repeated", all, repeated)
	if repeated*10 > all {
		t.Errorf("%d changes were repeated, of %d", repeated, all)
	}
}

func TestBurst(t *testing.T) {
	testBurst(t, small)
}
