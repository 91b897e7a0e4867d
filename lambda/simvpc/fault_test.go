package simvpc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

var denial = addEntry(entry("acl-1", 90, false, "deny", "-1", "198.51.100.7/32"))

// codes are the codes of a server's calls, in order.
func codes(s *simvpc.Server) []string {
	var all []string
	for _, c := range s.Calls() {
		all = append(all, c.Code)
	}
	return all
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		faults  []simvpc.Fault
		want    string   // what the caller gets in the end
		calls   []string // codes of the attempts, three at most
		changed bool
	}{
		{"none", nil, "", []string{""}, true},
		{"throttled once", []simvpc.Fault{{Kind: simvpc.Throttle}}, "", []string{"RequestLimitExceeded", ""}, true},
		{
			"throttled for good",
			[]simvpc.Fault{{Kind: simvpc.Throttle, Count: -1}},
			"RequestLimitExceeded",
			[]string{"RequestLimitExceeded", "RequestLimitExceeded", "RequestLimitExceeded"},
			false,
		},
		{"internal", []simvpc.Fault{{Kind: simvpc.Internal, Count: 2}}, "", []string{"InternalError", "InternalError", ""}, true},
		{"unavailable", []simvpc.Fault{{Kind: simvpc.Unavailable}}, "", []string{"Unavailable", ""}, true},
		{
			"own code",
			[]simvpc.Fault{{Kind: simvpc.ErrorCode, Code: "UnauthorizedOperation"}},
			"UnauthorizedOperation",
			[]string{"UnauthorizedOperation"},
			false,
		},
		{"lost before", []simvpc.Fault{{Kind: simvpc.LostBefore}}, "", []string{simvpc.ConnectionLost, ""}, true},
		{
			"lost after",
			[]simvpc.Fault{{Kind: simvpc.LostAfter}},
			"NetworkAclEntryAlreadyExists",
			[]string{simvpc.ConnectionLost, "NetworkAclEntryAlreadyExists"},
			true,
		},
		{"second call", []simvpc.Fault{{Nth: 2, Kind: simvpc.Internal}}, "", []string{""}, true},
		{"other operation", []simvpc.Fault{{Op: "DescribeVpcs", Kind: simvpc.Internal}}, "", []string{""}, true},
		{"this operation", []simvpc.Fault{{Op: "CreateNetworkAclEntry", Kind: simvpc.Internal}}, "", []string{"InternalError", ""}, true},
		{
			"two in turn",
			[]simvpc.Fault{{Kind: simvpc.Internal}, {Nth: 2, Kind: simvpc.Throttle}},
			"",
			[]string{"InternalError", "RequestLimitExceeded", ""},
			true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, web, simvpc.Options{})
			s.Inject(test.faults...)
			err := denial(t.Context(), client(s, 3))
			if got := code(err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if diff := cmp.Diff(test.calls, codes(s)); diff != "" {
				t.Error(diff)
			}
			if changed := len(s.World().ACL("acl-1").Entries) == 3; changed != test.changed {
				t.Errorf("changed %t, want %t", changed, test.changed)
			}
			s.Heal()
			permit(t, describeGroup("sg-web")(t.Context(), client(s, 1)))
		})
	}
}

func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	s.Inject(simvpc.Fault{Delay: time.Hour, Op: "CreateNetworkAclEntry"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := denial(ctx, c); err == nil {
		t.Error("no error though the caller gave up")
	}
	if n := len(s.World().ACL("acl-1").Entries); n != 2 {
		t.Errorf("%d entries: the call was carried out though nobody waited", n)
	}
}

func TestHook(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	seen := make(chan string, 3)
	s.Before(func(c simvpc.Call) simvpc.Fault {
		seen <- c.Op + " " + c.Params.Get("RuleNumber")
		if c.Seq == 1 { // somebody else takes the number
			s.Edit(func(w *world.World) { w.ACL("acl-1").Entries[0].Number = 90 })
		}
		if c.Seq >= 3 { // the caller is cut off
			return simvpc.Fault{Kind: simvpc.LostBefore}
		}
		return simvpc.Fault{}
	})
	if got := code(denial(t.Context(), c)); got != "NetworkAclEntryAlreadyExists" {
		t.Errorf("first call: %s", got)
	}
	permit(t, addEntry(entry("acl-1", 91, false, "deny", "-1", "198.51.100.7/32"))(t.Context(), c))
	if addEntry(entry("acl-1", 92, false, "deny", "-1", "198.51.100.7/32"))(t.Context(), c) == nil {
		t.Error("third call: no error")
	}
	for _, want := range []string{"CreateNetworkAclEntry 90", "CreateNetworkAclEntry 91", "CreateNetworkAclEntry 92"} {
		if got := <-seen; got != want {
			t.Errorf("the hook saw %s, want %s", got, want)
		}
	}
}

// A clock is a time that tests set.
type clock struct{ elapsed atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.elapsed.Load()) }
func (c *clock) Advance(d time.Duration) { c.elapsed.Add(int64(d)) }

func TestLag(t *testing.T) {
	t.Parallel()
	groupOf := func(c *ec2.Client) string {
		out, err := c.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-1"}})
		permit(t, err)
		return *out.NetworkInterfaces[0].Groups[0].GroupId
	}
	t.Run("reads", func(t *testing.T) {
		t.Parallel()
		s, c := start(t, web, simvpc.Options{Lag: simvpc.Lag{Reads: 2}})
		permit(t, swap("eni-1", "sg-db")(t.Context(), c))
		permit(t, swap("eni-1", "sg-quarantine")(t.Context(), c))
		if got := s.World().Interface("eni-1").Groups[0]; got != "sg-quarantine" {
			t.Errorf("the world itself has %s", got)
		}
		got := []string{groupOf(c), groupOf(c), groupOf(c)}
		if diff := cmp.Diff([]string{"sg-web", "sg-web", "sg-quarantine"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		now := &clock{}
		_, c := start(t, web, simvpc.Options{Lag: simvpc.Lag{For: time.Second}, Clock: now.Now})
		permit(t, swap("eni-1", "sg-db")(t.Context(), c))
		now.Advance(600 * time.Millisecond)
		permit(t, swap("eni-1", "sg-quarantine")(t.Context(), c))
		got := []string{groupOf(c)}
		now.Advance(600 * time.Millisecond)
		got = append(got, groupOf(c))
		now.Advance(600 * time.Millisecond)
		got = append(got, groupOf(c))
		if diff := cmp.Diff([]string{"sg-web", "sg-db", "sg-quarantine"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("new group", func(t *testing.T) {
		t.Parallel()
		s, c := start(t, web, simvpc.Options{GroupLag: simvpc.Lag{Reads: 2}})
		permit(t, newGroup("vpc-1", "q", "q")(t.Context(), c))
		use := swap("eni-1", "sg-00000000000000001")
		for range 2 {
			if got := code(use(t.Context(), c)); got != "InvalidGroup.NotFound" {
				t.Errorf("too early: %s", got)
			}
		}
		permit(t, use(t.Context(), c))
		permit(t, describeGroup("sg-00000000000000001")(t.Context(), c))
		if n := len(s.Mutations()); n != 4 {
			t.Errorf("%d mutations, want 4", n)
		}
	})
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	now := &clock{}
	_, c := start(t, web, simvpc.Options{Throttle: true, Clock: now.Now})
	admitted := func(call call) int {
		for n := 0; ; n++ {
			if got := code(call(t.Context(), c)); got == "RequestLimitExceeded" {
				return n
			}
		}
	}
	unfiltered := func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{}))
	}
	paged := func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)}))
	}
	got := []int{
		admitted(swap("eni-1", "sg-web")), admitted(denial), admitted(tag("eni-1", "a", "b")),
		admitted(unfiltered), admitted(paged),
	}
	now.Advance(2 * time.Second)
	got = append(got, admitted(swap("eni-1", "sg-web")), admitted(denial), admitted(tag("eni-1", "a", "b")),
		admitted(unfiltered), admitted(paged))
	if diff := cmp.Diff([]int{100, 50, 100, 50, 100, 10, 10, 20, 20, 40}, got); diff != "" {
		t.Error(diff)
	}
}
