package simvpc_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"go.uber.org/goleak"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultClient.CloseIdleConnections() }),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"), // of SDK clients, idle
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

// TestWire checks the protocol itself: both methods, and the shape of errors.
func TestWire(t *testing.T) {
	t.Parallel()
	s, _ := start(t, web, simvpc.Options{})
	get := func(query string) (int, string) {
		answer, err := http.Get(s.URL + "/?" + query)
		permit(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		permit(t, err)
		return answer.StatusCode, string(body)
	}
	status, body := get("Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-2")
	for _, want := range []string{
		`<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">`, "<requestId>", "<vpcSet><item><vpcId>vpc-2</vpcId>", "<tagSet></tagSet>",
	} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d without %s: %s", status, want, body)
		}
	}
	for query, want := range map[string]int{
		"Action=DescribeVpcs&VpcId.1=vpc-9": 400,
		"Action=DescribeVpcs&DryRun=true":   412,
		"Action=DescribeVpcs&Colour=red":    400,
		"Action=DescribeVpcs&DryRun=maybe":  400,
		"Action=NoSuchThing":                400,
		"":                                  400,
		"%zz":                               400,
		"Action=DeleteSecurityGroup&GroupId=sg-default-1":                                    400,
		"Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-1&SecurityGroupId.1=": 400,
	} {
		status, body := get(query)
		if status != want || !strings.Contains(body, "<Response><Errors><Error><Code>") || !strings.Contains(body, "<RequestID>") {
			t.Errorf("%s: %d, want %d: %s", query, status, want, body)
		}
	}
	answer, err := http.PostForm(s.URL, url.Values{"Action": {"DescribeSubnets"}, "SubnetId.1": {"subnet-9"}})
	permit(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Errorf("POST: %d", answer.StatusCode)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	log := &simvpc.Log{}
	s, c := start(t, web, simvpc.Options{Log: log, Latency: 5 * time.Millisecond})
	var begun sync.WaitGroup // four calls at once, and one of another service
	begun.Add(5)
	s.Before(func(c simvpc.Call) simvpc.Fault {
		if !c.Mutating {
			begun.Done()
			begun.Wait()
		}
		return simvpc.Fault{}
	})
	var wave sync.WaitGroup
	for range 4 {
		wave.Go(func() { permit(t, describeGroup("sg-web")(t.Context(), c)) })
	}
	wave.Go(func() {
		end := log.Begin("ledger.Load", false)
		begun.Done()
		begun.Wait()
		end("")
	})
	wave.Wait()
	permit(t, denial(t.Context(), c))
	if got := code(denial(t.Context(), c)); got != "NetworkAclEntryAlreadyExists" {
		t.Errorf("got %s", got)
	}
	calls := s.Calls()
	if got := simvpc.Depth(calls); got != 3 {
		t.Errorf("depth %d, want 3: five side by side, then two in turn", got)
	}
	last := calls[len(calls)-1]
	if len(calls) != 7 || last.Seq != 7 || last.Op != "CreateNetworkAclEntry" || !last.Mutating || last.RequestID == "" ||
		last.Params.Get("RuleNumber") != "90" || last.End.Sub(last.Start) < 5*time.Millisecond {
		t.Errorf("%d calls, the last %+v", len(calls), last)
	}
	if n := len(s.Mutations()); n != 2 {
		t.Errorf("%d mutations, want 2", n)
	}
	s.ClearLog()
	if n := len(log.Calls()); n != 0 {
		t.Errorf("%d calls after clearing", n)
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	at := func(start, end int) simvpc.Call {
		return simvpc.Call{Start: time.Unix(int64(start), 0), End: time.Unix(int64(end), 0)}
	}
	for name, test := range map[string]struct {
		calls []simvpc.Call
		want  int
	}{
		"none":            {nil, 0},
		"one":             {[]simvpc.Call{at(0, 1)}, 1},
		"side by side":    {[]simvpc.Call{at(0, 3), at(1, 4), at(2, 5)}, 1},
		"in turn":         {[]simvpc.Call{at(4, 5), at(2, 3), at(0, 1)}, 3},
		"a long one":      {[]simvpc.Call{at(0, 9), at(0, 1), at(2, 3), at(4, 5)}, 3},
		"waves":           {[]simvpc.Call{at(0, 2), at(0, 3), at(3, 5), at(4, 6), at(6, 7)}, 3},
		"one not at end":  {[]simvpc.Call{at(0, 1), {Start: time.Unix(2, 0)}}, 1},
		"begins at end":   {[]simvpc.Call{at(0, 1), at(1, 2)}, 2},
		"overlap by half": {[]simvpc.Call{at(0, 2), at(1, 3), at(2, 4)}, 2},
	} {
		if got := simvpc.Depth(test.calls); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s, c := start(t, web+"acl acl-2 vpc-1 quota 40", simvpc.Options{Lag: simvpc.Lag{Reads: 1}, PageSize: 2})
	s.Before(func(call simvpc.Call) simvpc.Fault {
		if call.Seq%10 == 0 {
			s.Edit(func(w *world.World) { w.Interface("eni-3").Description = call.RequestID })
		}
		return simvpc.Fault{}
	})
	taken := make([]string, 8)
	var all sync.WaitGroup
	for i := range taken {
		all.Go(func() {
			for number := range int32(5) {
				_ = code(addEntry(entry("acl-2", 7*number+1, false, "deny", "-1", "198.51.100.7/32"))(t.Context(), c))
				permit(t, swap("eni-1", "sg-quarantine")(t.Context(), c))
				permit(t, tag("eni-1", fmt.Sprint("k", i), "v")(t.Context(), c))
				pages := ec2.NewDescribeNetworkInterfacesPaginator(c, &ec2.DescribeNetworkInterfacesInput{})
				for pages.HasMorePages() {
					_, err := pages.NextPage(t.Context())
					permit(t, err)
				}
				_ = oracle.Reaches(s.World(), s.World().Interface("eni-1").Private[0], s.World().Interface("eni-2").Private[0])
			}
		})
	}
	all.Wait()
	if n := len(s.World().ACL("acl-2").Entries); n != 5 {
		t.Errorf("%d entries, want 5", n)
	}
	if n := len(s.World().Interface("eni-1").Tags); n != 8 {
		t.Errorf("%d tags, want 8", n)
	}
	made := 0
	for _, c := range s.Calls() {
		if c.Op == "CreateNetworkAclEntry" && c.Code == "" {
			made++
		}
	}
	if made != 5 {
		t.Errorf("%d creations succeeded for 5 numbers", made)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "10.0.0.1:80", "example.com:80", "127.0.0.1", "[::]:0"} {
		if _, err := simvpc.Serve(t.Context(), read(t, web), address, io.Discard); err == nil || !strings.Contains(err.Error(), "127.0.0.1:PORT") {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	type result struct {
		world *world.World
		err   error
	}
	ended := make(chan result)
	go func() {
		w, err := simvpc.Serve(ctx, read(t, web), "127.0.0.1:0", in)
		ended <- result{w, err}
	}()
	address := make([]byte, 100)
	n, err := out.Read(address)
	permit(t, err)
	s := &simvpc.Server{URL: strings.TrimSpace(string(address[:n]))}
	permit(t, swap("eni-1", "sg-quarantine")(t.Context(), client(s, 1)))
	cancel()
	end := <-ended
	permit(t, end.err)
	if got := end.world.Interface("eni-1").Groups[0]; got != "sg-quarantine" {
		t.Errorf("the world afterwards has eni-1 in %s", got)
	}
}

// FuzzQuery: no call brings the server down, or leaves a world that isn't one.
func FuzzQuery(f *testing.F) {
	f.Add("Action=DescribeInstances&Filter.1.Name=tag:Name&Filter.1.Value.1=w*")
	f.Add("Action=CreateNetworkAclEntry&NetworkAclId=acl-1&RuleNumber=9&Egress=true&Protocol=6&PortRange.From=1&PortRange.To=2&RuleAction=deny&CidrBlock=1.2.3.4/5")
	f.Add("Action=AuthorizeSecurityGroupIngress&GroupId=sg-web&IpPermissions.1.IpProtocol=1&IpPermissions.1.FromPort=8&IpPermissions.1.ToPort=-1&IpPermissions.1.Groups.1.GroupId=sg-db")
	f.Add("Action=CreateNetworkInterface&SubnetId=subnet-2&SecurityGroupId.1=sg-web&Ipv6Addresses.1.Ipv6Address=::1&ClientToken=x")
	f.Add("Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-1&Description.Value=%22%00x")
	f.Add("Action=CreateTags&ResourceId.1=eni-1&Tag.1.Key=%3d&Tag.1.Value=%0a")
	f.Add("Action=CreateSecurityGroup&GroupName=x&GroupDescription=y&VpcId=vpc-1&TagSpecification.1.ResourceType=security-group&TagSpecification.1.Tag.1.Key=k")
	f.Add("Action=TerminateInstances&InstanceId.1=i-0aaaaaaaaaaaaaaa1")
	w := read(f, web)
	f.Fuzz(func(t *testing.T, query string) {
		s := simvpc.New(w, simvpc.Options{})
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(query))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		if answer.Code >= 500 {
			t.Fatalf("%d: %s", answer.Code, answer.Body)
		}
		text := s.World().String()
		if again, err := simvpc.ParseWorld(text); err != nil || again.String() != text {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	s := simvpc.New(read(b, web), simvpc.Options{})
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=eni-1"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkCall(b *testing.B) {
	_, c := start(b, web, simvpc.Options{})
	for b.Loop() {
		_, err := c.DescribeNetworkInterfaces(b.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-1"}})
		permit(b, err)
	}
}

func BenchmarkSwap(b *testing.B) {
	_, c := start(b, web, simvpc.Options{})
	for b.Loop() {
		_, err := c.ModifyNetworkInterfaceAttribute(b.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: aws.String("eni-1"), Groups: []string{"sg-web"},
		})
		permit(b, err)
	}
}
