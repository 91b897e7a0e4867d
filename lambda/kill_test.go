//go:build integration

package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/emulator"
	"tourniquet/lambda/internal/runtimeapi"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
)

// A killer stands before EC2 and DynamoDB, and kills the function at its n-th
// request: before the request is passed on, or after it was answered and before
// the function hears of it.
type killer struct {
	ec2, dynamo http.Handler

	mu    sync.Mutex
	n     int // 0: it kills nobody
	after bool
	seen  int
	kill  func()
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.seen++
	now, kill, after := k.seen == k.n, k.kill, k.after
	k.mu.Unlock()
	if now && !after {
		kill()
		panic(http.ErrAbortHandler)
	}
	to := k.ec2
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") {
		to = k.dynamo
	}
	if !now {
		to.ServeHTTP(w, r)
		return
	}
	to.ServeHTTP(httptest.NewRecorder(), r)
	kill()
	panic(http.ErrAbortHandler)
}

// arm has the n-th request from now on kill the function; the number of requests
// since the last arming is returned.
func (k *killer) arm(n int, after bool, kill func()) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.seen
	k.n, k.after, k.kill, k.seen = n, after, kill, 0
	return seen
}

// A rehearsal is a simulated EC2, whose instance and VPC no other one has in the
// table that they share.
type rehearsal struct {
	environment
	names  *strings.Replacer
	plain  *strings.Replacer // takes the names back
	killer *killer
	server *simvpc.Server
	table  *ledger.Table
}

// killEvents are commands on the instance INSTANCE.
var killEvents = map[string]string{
	"contain": `{"command":"contain","instanceId":"INSTANCE","peers":["198.51.100.7","198.51.100.8","2001:db8:ffff::7"],"reason":"kill"}`,
	"release": `{"command":"release","instanceId":"INSTANCE","reason":"kill","force":true}`,
}

const killWorld = `account 111122223333
region us-east-1
vpc VPC 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 VPC 10.0.1.0/24 2001:db8:1:1::/64
subnet subnet-2 VPC 10.0.2.0/24 2001:db8:1:2::/64
group sg-web VPC
  out all 0.0.0.0/0
acl acl-1 VPC subnets subnet-1
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
acl acl-2 VPC subnets subnet-2
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
instance INSTANCE
interface eni-1 INSTANCE subnet-1 10.0.1.10 2001:db8:1:1::10 groups sg-web
interface eni-2 INSTANCE subnet-2 10.0.2.10 2001:db8:1:2::10 groups sg-web
`

func newRehearsal(t *testing.T, dynamo string, n int) *rehearsal {
	t.Helper()
	instance, vpc := fmt.Sprintf("i-%017x", n), fmt.Sprintf("vpc-%d", n)
	names := strings.NewReplacer("INSTANCE", instance, "VPC", vpc)
	w, err := simvpc.ParseWorld(names.Replace(killWorld))
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(dynamo)
	if err != nil {
		t.Fatal(err)
	}
	r := &rehearsal{
		names: names, plain: strings.NewReplacer(instance, "INSTANCE", vpc, "VPC"), server: simvpc.New(w, simvpc.Options{}),
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true} // what breaks with the killed is no other request's connection
	proxy.ErrorLog = log.New(io.Discard, "", 0)                // the killed hang up
	r.killer = &killer{ec2: r.server, dynamo: proxy}
	front := httptest.NewServer(r.killer)
	t.Cleanup(front.Close)
	r.environment = environment{account: w.Account, region: w.Region, ec2: front.URL, dynamo: front.URL, table: "kill"}
	r.table = &ledger.Table{Client: dynamodb.NewFromConfig(r.aws(dynamo)), Name: r.environment.table}
	return r
}

// run starts the function, hands it an event, and reports whether it lived to answer.
func (r *rehearsal) run(t *testing.T, what string, n int, after bool) (answered bool, requests int) {
	t.Helper()
	f, err := runtimeapi.Start(t.Context(), binary(t), r.arn(), r.vars("_HANDLER="+what), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	r.killer.arm(n, after, func() { _ = f.Kill() })
	// The same request id, as Lambda's own repeat of it has: what the dead run has leased is
	// the repeat's.
	got, err := f.Invoke(t.Context(), what, []byte(r.names.Replace(killEvents[what])), time.Minute)
	requests = r.killer.arm(0, false, nil)
	if n == 0 && (err != nil || got.ErrorType != "") {
		t.Fatalf("%s: %v %s: %s", what, err, got.ErrorType, got.Message)
	}
	return err == nil, requests
}

// meaning is what the table says, without versions and times.
func (r *rehearsal) meaning(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	rec, err := r.table.Containment(t.Context(), r.names.Replace("INSTANCE"), 1)
	if err != nil || rec == nil {
		t.Fatalf("the record: %+v, %v", rec, err)
	}
	fmt.Fprintf(&b, "%s\n", rec.Status)
	for _, s := range rec.Steps {
		fmt.Fprintf(&b, "%s %s\n", s.State, s.Step.ID())
		if q, ok := record.AsQuarantine(s.Step); ok {
			fmt.Fprintf(&b, "  %v\n", q.Before)
		}
	}
	slots, err := r.table.Slots(t.Context(), []string{r.names.Replace("VPC")})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		fmt.Fprintf(&b, "%s %s %d %s %v %s\n", s.ACL, s.Direction, s.Number, s.Prefix, s.Holders, s.State)
	}
	return r.plain.Replace(b.String())
}

func (r *rehearsal) world() string { return r.plain.Replace(r.server.World().String()) }

// The real binary, killed at its n-th request for every n, before and after the
// request is carried out, and started again: it ends as if nothing had happened.
func TestKilledAtEveryRequest(t *testing.T) {
	dynamo := emulator.MiniStack(t)
	environment{region: "us-east-1", dynamo: dynamo, table: "kill"}.createTable(t)
	rehearsals := 0
	for _, what := range []string{"contain", "release"} {
		rehearsals++
		undisturbed := newRehearsal(t, dynamo, rehearsals)
		if what == "release" {
			undisturbed.run(t, "contain", 0, false)
		}
		_, requests := undisturbed.run(t, what, 0, false)
		want, world := undisturbed.meaning(t), undisturbed.world()
		killed := 0
		for n := 1; n <= requests; n++ {
			for _, after := range []bool{false, true} {
				rehearsals++
				r := newRehearsal(t, dynamo, rehearsals)
				if what == "release" {
					r.run(t, "contain", 0, false)
				}
				if answered, _ := r.run(t, what, n, after); !answered {
					killed++
				}
				r.run(t, what, 0, false)
				if d := cmp.Diff(want, r.meaning(t)); d != "" {
					t.Errorf("%s, killed at request %d (carried out %t): the ledger differs (-undisturbed +got):\n%s", what, n, after, d)
				}
				if d := cmp.Diff(world, r.world()); d != "" {
					t.Errorf("%s, killed at request %d (carried out %t): the world differs:\n%s", what, n, after, d)
				}
			}
		}
		t.Logf("%s: %d requests, killed %d times", what, requests, killed)
		if killed < requests {
			t.Errorf("%s: of %d runs only %d were killed", what, 2*requests, killed)
		}
	}
}
