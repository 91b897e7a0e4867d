package simvpc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// Three groups: one that a load balancer checks, one with an application status
// check, and one that nothing checks; and one that is being deleted.
const groups = `
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  in tcp 8080 10.0.0.0/16
  out all 0.0.0.0/0
group sg-quarantine vpc-1
autoscaling-group elb min 1 max 3 desired 2 health ELB
autoscaling-group app min 1 max 2 desired 2
autoscaling-group gone min 0 max 1 desired 1 deleting
instance i-elb autoscaling elb health-port 8080
instance i-app autoscaling app health-port 8080 status-check
instance i-plain autoscaling app health-port 8080 pinned
instance i-gone autoscaling gone
instance i-pending autoscaling elb lifecycle Pending
instance i-alone
interface eni-elb i-elb subnet-1 10.0.1.10 groups sg-web
interface eni-app i-app subnet-1 10.0.1.11 groups sg-web
interface eni-plain i-plain subnet-1 10.0.1.12 groups sg-web
volume vol-elb i-elb /dev/xvda root
`

func scaling(s *simvpc.Server) *autoscaling.Client {
	return autoscaling.New(autoscaling.Options{
		BaseEndpoint: aws.String(s.URL), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""), RetryMaxAttempts: 1,
	})
}

func standby(t testing.TB, c *autoscaling.Client, group string, decrement bool, instances ...string) error {
	t.Helper()
	return ignore(c.EnterStandby(t.Context(), &autoscaling.EnterStandbyInput{
		AutoScalingGroupName: aws.String(group), InstanceIds: instances, ShouldDecrementDesiredCapacity: aws.Bool(decrement),
	}))
}

func service(t testing.TB, c *autoscaling.Client, group string, instances ...string) error {
	t.Helper()
	return ignore(c.ExitStandby(t.Context(), &autoscaling.ExitStandbyInput{AutoScalingGroupName: aws.String(group), InstanceIds: instances}))
}

// quarantine swaps the groups of every instance in service.
func quarantine(w *world.World) {
	for _, n := range w.Interfaces {
		n.Groups = []string{"sg-quarantine"}
	}
}

// states are those of the instances, each with its state in its group.
func states(w *world.World) string {
	var all []string
	for _, i := range w.Instances {
		all = append(all, strings.TrimSpace(i.ID+" "+i.State+" "+i.Lifecycle))
	}
	return strings.Join(all, ", ")
}

// A group terminates what fails its checks, within minutes, with its volumes: the
// quarantine alone loses the evidence. On standby, or with the checks suppressed,
// it stays.
func TestGroupsTerminateTheUnhealthy(t *testing.T) {
	t.Parallel()
	s, _ := start(t, groups, simvpc.Options{})
	s.Advance(time.Hour)
	if strings.Contains(states(s.World()), "terminated") {
		t.Fatalf("healthy ones: %s", states(s.World()))
	}
	s.Edit(quarantine)
	s.Advance(4 * time.Minute)
	if strings.Contains(states(s.World()), "terminated") {
		t.Errorf("after four minutes: %s", states(s.World()))
	}
	s.Advance(2 * time.Minute)
	want := "i-alone running, i-app terminated, i-elb terminated, i-gone running InService, i-pending running Pending, i-plain running InService"
	if got := states(s.World()); got != want {
		t.Errorf("after six minutes: %s\nwant %s", got, want)
	}
	if v := s.World().Volume("vol-elb"); v != nil {
		t.Errorf("the volume of a terminated instance is left: %+v", v)
	}
}

func TestStandbyAndSuppressionKeepAnInstance(t *testing.T) {
	t.Parallel()
	s, _ := start(t, groups, simvpc.Options{})
	c := scaling(s)
	s.Edit(quarantine)
	permit(t, standby(t, c, "elb", false, "i-elb"))
	s.Edit(func(w *world.World) { w.Instance("i-app").Suppressed = true })
	s.Advance(24 * time.Hour)
	if strings.Contains(states(s.World()), "terminated") {
		t.Errorf("after a day: %s", states(s.World()))
	}
	if g := s.World().AutoScalingGroup("elb"); g.Desired != 2 {
		t.Errorf("desired %d, want 2", g.Desired)
	}
	permit(t, service(t, c, "elb", "i-elb")) // before its groups are back
	if g := s.World().AutoScalingGroup("elb"); g.Desired != 3 {
		t.Errorf("desired %d once back in service, want 3", g.Desired)
	}
	s.Advance(6 * time.Minute)
	if !strings.Contains(states(s.World()), "i-elb terminated") {
		t.Errorf("unhealthy in service again: %s", states(s.World()))
	}
}

func TestStandbyRefusals(t *testing.T) {
	t.Parallel()
	s, _ := start(t, groups, simvpc.Options{})
	c := scaling(s)
	before := s.World()
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"below the minimum": {standby(t, c, "app", true, "i-app", "i-plain"), "min-size=1"},
		"a group deleted":   {standby(t, c, "gone", false, "i-gone"), "pending delete"},
		"no such group":     {standby(t, c, "none", false, "i-elb"), "not found"},
		"not in service":    {standby(t, c, "elb", false, "i-pending"), "not in InService"},
		"of another group":  {standby(t, c, "elb", false, "i-app"), "not part of"},
		"of none":           {standby(t, c, "elb", false, "i-alone"), "not part of"},
		"not on standby":    {service(t, c, "elb", "i-elb"), "not in Standby"},
	} {
		if code(test.err) != "ValidationError" || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%s: %v, want a ValidationError: …%s…", name, test.err, test.says)
		}
	}
	unchanged(t, before, s)
	permit(t, standby(t, c, "app", false, "i-app"))
	if err := service(t, c, "app", "i-app"); code(err) != "ValidationError" || !strings.Contains(err.Error(), "max-size=2") {
		t.Errorf("above the maximum: %v", err)
	}
	s.Inject(simvpc.Fault{Op: "EnterStandby", Kind: simvpc.ErrorCode, Code: "ResourceContention"},
		simvpc.Fault{Op: "EnterStandby", Nth: 2, Kind: simvpc.Throttle})
	if err := standby(t, c, "elb", false, "i-elb"); code(err) != "ResourceContention" {
		t.Errorf("contention: %v", err)
	}
	if err := standby(t, c, "elb", false, "i-elb"); code(err) != "Throttling" {
		t.Errorf("throttled: %v", err)
	}
}

func TestDescribeAutoScaling(t *testing.T) {
	t.Parallel()
	s, _ := start(t, groups, simvpc.Options{})
	c := scaling(s)
	out, err := c.DescribeAutoScalingInstances(t.Context(), &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{"i-plain", "i-alone", "i-9"}})
	permit(t, err)
	if len(out.AutoScalingInstances) != 1 {
		t.Fatalf("%+v", out.AutoScalingInstances)
	}
	if i := out.AutoScalingInstances[0]; *i.AutoScalingGroupName != "app" || *i.LifecycleState != "InService" || !*i.ProtectedFromScaleIn || *i.HealthStatus != "HEALTHY" {
		t.Errorf("%+v", i)
	}
	all, err := c.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"elb", "gone"}})
	permit(t, err)
	if len(all.AutoScalingGroups) != 2 || *all.AutoScalingGroups[0].MaxSize != 3 || len(all.AutoScalingGroups[0].Instances) != 2 || all.AutoScalingGroups[1].Status == nil {
		t.Errorf("%+v", all.AutoScalingGroups)
	}
	for _, call := range s.Calls() {
		if call.Mutating || call.Code != "" || call.End.IsZero() {
			t.Errorf("logged %+v", call)
		}
	}
}
