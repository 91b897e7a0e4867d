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
	"tourniquet/lambda/simvpc"
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
}

// The burst of the benchmark, and a smaller one for every test run.
var (
	big   = burst{findings: 1000, instances: 200, subnets: 20, acls: 5, peers: 10, atOnce: 32}
	small = burst{findings: 250, instances: 50, subnets: 10, acls: 5, peers: 10, atOnce: 32}
)

const (
	// timeout is a Lambda invocation's, and retryAfter how long Lambda waits
	// before its first retry of an asynchronous one.
	// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
	timeout    = 2 * time.Minute
	retryAfter = time.Minute

	inRegion = 20 * time.Millisecond // what a call takes
)

func (b burst) instance(n int) string { return fmt.Sprintf("i-%017x", n+1) }
func (b burst) subnet(n int) int      { return n % b.subnets }
func (b burst) acl(n int) int         { return b.subnet(n) % b.acls }

// world has the instances, each with one interface, spread over the subnets, and
// the subnets over the ACLs.
func (b burst) world(t testing.TB) *simvpc.World {
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
func (b burst) incidents() []containment.Incident {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]containment.Incident, b.findings)
	for n := range all {
		i := n % b.instances
		all[n] = containment.Incident{
			Instance: b.instance(i), VPCs: []string{"vpc-1"}, Subnets: []string{fmt.Sprintf("subnet-%d", b.subnet(i))}, Reason: "test",
			Findings: []containment.FindingRef{{ID: fmt.Sprintf("f%d", n), Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}},
			Peers:    []guardduty.Peer{{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + random.IntN(b.peers))})}},
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// needed is how often each changing call has to be made for the incidents.
func (b burst) needed(incidents []containment.Incident) map[string]int {
	swaps, entries := map[string]bool{}, map[string]bool{}
	for _, in := range incidents {
		swaps[in.Instance] = true
		for _, p := range in.Peers {
			var n int
			_, _ = fmt.Sscanf(in.Subnets[0], "subnet-%d", &n)
			entries[fmt.Sprint(n%b.acls, p.Addr, "in")], entries[fmt.Sprint(n%b.acls, p.Addr, "out")] = true, true
		}
	}
	return map[string]int{
		"ModifyNetworkInterfaceAttribute": len(swaps),
		"CreateNetworkAclEntry":           len(entries),
		"CreateTags":                      2 * len(swaps), // the originals before the swap, the status after
	}
}

// handle has the incidents handled by so many invocations at once, each of them
// with clients of its own as in an execution environment of its own. One that
// fails is repeated, as Lambda does.
func (b burst) handle(t testing.TB, server *simvpc.Server, book containment.Ledger, incidents []containment.Incident) (retries int) {
	t.Helper()
	todo := make(chan containment.Incident)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range b.atOnce {
		wg.Go(func() {
			r := loaded(server, book)
			for in := range todo {
				for try := 0; ; try++ {
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					_, err := r.Contain(ctx, in)
					cancel()
					if err == nil {
						break
					}
					mu.Lock()
					retries++
					mu.Unlock()
					if try == 2 {
						t.Errorf("%s is lost: %v", in.Findings[0].ID, err)
						break
					}
					time.Sleep(retryAfter)
				}
			}
		})
	}
	for _, in := range incidents {
		todo <- in
	}
	close(todo)
	wg.Wait()
	return retries
}

func loaded(server *simvpc.Server, book containment.Ledger) *containment.Responder {
	return &containment.Responder{
		EC2: vpc.New(aws.Config{
			Region: "eu-central-1", BaseEndpoint: aws.String("http://ec2.invalid"), HTTPClient: wire{server},
			Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
		}),
		Ledger: book, Policy: containment.Policy{MaxContained: 1000}, Rules: containment.Rules{ACLQuota: containment.DefaultACLQuota},
		Log: slog.New(slog.DiscardHandler), Now: time.Now, LedgerWait: 3 * time.Second,
	}
}

// run handles the burst on a simulated clock, and returns the log of calls and how
// long it took.
func (b burst) run(t testing.TB, throttle bool) (calls []simvpc.Call, took time.Duration, retries int) {
	t.Helper()
	server := simvpc.New(b.world(t), simvpc.Options{Throttle: throttle, Latency: inRegion})
	start := time.Now()
	retries = b.handle(t, server, &ledger.Memory{}, b.incidents())
	return server.Calls(), time.Since(start), retries
}

func count(calls []simvpc.Call) (done, throttled map[string]int) {
	done, throttled = map[string]int{}, map[string]int{}
	for _, c := range calls {
		switch c.Code {
		case "":
			done[c.Op]++
		case "RequestLimitExceeded":
			throttled[c.Op]++
		default:
			done[c.Op+" "+c.Code]++
		}
	}
	return done, throttled
}

func TestTmpLoad(t *testing.T) {
	for _, b := range []burst{small, big} {
		for _, throttle := range []bool{false, true} {
			real := time.Now()
			synctest.Test(t, func(t *testing.T) {
				calls, took, retries := b.run(t, throttle)
				done, throttled := count(calls)
				t.Log(throttle, "took", took, "retries", retries, "needed", b.needed(b.incidents()))
				for _, op := range slices.Sorted(maps.Keys(done)) {
					t.Log(op, done[op], throttled[op])
				}
			})
			t.Log("real", time.Since(real))
		}
	}
}
