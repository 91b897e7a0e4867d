package simvpc_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// An instance with what is kept, snapshotted and taken from it.
const machine = `
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  in tcp 8080 10.0.0.0/16
  out all 0.0.0.0/0
group sg-quarantine vpc-1
instance i-web profile web-role status-check health-port 8080 tags Name=web
instance i-spot spot
instance i-busy profile other profile-changing
interface eni-web i-web subnet-1 10.0.1.10 groups sg-web
interface eni-spot i-spot subnet-1 10.0.1.20 groups sg-web
volume vol-root i-web /dev/xvda root tags part=root
volume vol-data i-web /dev/xvdb keep size 100 encrypted
volume vol-free - none size 5
`

func protect(id string, on bool) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
			InstanceId: aws.String(id), DisableApiTermination: &types.AttributeBooleanValue{Value: aws.Bool(on)},
		}))
	}
}

func shutdown(id, behavior string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
			InstanceId: aws.String(id), InstanceInitiatedShutdownBehavior: &types.AttributeValue{Value: aws.String(behavior)},
		}))
	}
}

func keepVolume(id, device string, keep bool) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
			InstanceId: aws.String(id), BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{{
				DeviceName: aws.String(device), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: aws.Bool(!keep)},
			}},
		}))
	}
}

func denyProfile(association string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ReplaceIamInstanceProfileAssociation(ctx, &ec2.ReplaceIamInstanceProfileAssociationInput{
			AssociationId: aws.String(association), IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String("deny")},
		}))
	}
}

func metadata(id string, state types.InstanceMetadataEndpointState) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: aws.String(id), HttpEndpoint: state}))
	}
}

func reboot(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.RebootInstances(ctx, &ec2.RebootInstancesInput{InstanceIds: []string{id}}))
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	s, c := start(t, machine, simvpc.Options{})
	attribute := func(name types.InstanceAttributeName) *ec2.DescribeInstanceAttributeOutput {
		out, err := c.DescribeInstanceAttribute(t.Context(), &ec2.DescribeInstanceAttributeInput{InstanceId: aws.String("i-web"), Attribute: name})
		permit(t, err)
		return out
	}
	if got := attribute("disableApiTermination"); *got.DisableApiTermination.Value {
		t.Error("protected from the start")
	}
	permit(t, protect("i-web", true)(t.Context(), c))
	permit(t, shutdown("i-web", "terminate")(t.Context(), c))
	permit(t, keepVolume("i-web", "/dev/xvda", true)(t.Context(), c))
	permit(t, keepVolume("i-web", "/dev/xvdb", false)(t.Context(), c))
	if got := attribute("disableApiTermination"); !*got.DisableApiTermination.Value {
		t.Error("not protected")
	}
	if got := attribute("instanceInitiatedShutdownBehavior"); *got.InstanceInitiatedShutdownBehavior.Value != "terminate" {
		t.Errorf("shutdown behaviour %s", *got.InstanceInitiatedShutdownBehavior.Value)
	}
	var keeps []bool
	for _, m := range attribute("blockDeviceMapping").BlockDeviceMappings {
		keeps = append(keeps, !*m.Ebs.DeleteOnTermination)
	}
	if !slices.Equal(keeps, []bool{true, false}) {
		t.Errorf("volumes kept: %v", keeps)
	}
	if err := terminate("i-web")(t.Context(), c); code(err) != "OperationNotPermitted" {
		t.Errorf("termination of a protected instance: %v", err)
	}
	_, err := c.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{ // the other form
		InstanceId: aws.String("i-web"), Attribute: types.InstanceAttributeNameDisableApiTermination, Value: aws.String("false"),
	})
	permit(t, err)
	permit(t, terminate("i-web")(t.Context(), c))
	w := s.World()
	if v := w.Volume("vol-root"); v == nil || v.Instance != "" {
		t.Errorf("the volume to keep: %+v", v)
	}
	if v := w.Volume("vol-data"); v != nil {
		t.Errorf("the volume to delete: %+v", v)
	}
}

func TestRefusalsOfMachines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call call
		want string
	}{
		"protect a spot instance": {protect("i-spot", true), "UnsupportedOperation"},
		"no such device":          {keepVolume("i-web", "/dev/xvdz", true), "InvalidInstanceAttributeValue"},
		"no such behaviour":       {shutdown("i-web", "hibernate"), "InvalidParameterValue"},
		"no such association":     {denyProfile("iip-assoc-1"), "InvalidAssociationID.NotFound"},
		"no such endpoint state":  {metadata("i-web", "off"), "InvalidParameterValue"},
		"no such instance":        {metadata("i-9", "disabled"), "InvalidInstanceID.NotFound"},
		"reboot a stopped one":    {reboot("i-9"), "InvalidInstanceID.NotFound"},
		"two attributes": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
				InstanceId: aws.String("i-web"), DisableApiTermination: &types.AttributeBooleanValue{Value: aws.Bool(true)},
				InstanceInitiatedShutdownBehavior: &types.AttributeValue{Value: aws.String("stop")},
			}))
		}, "InvalidParameterCombination"},
		"snapshot of nothing": {func(ctx context.Context, c *ec2.Client) error { return ignore(snapshot(ctx, c, "i-spot")) }, "InvalidParameterValue"},
		"exclude the root by id": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.CreateSnapshots(ctx, &ec2.CreateSnapshotsInput{
				InstanceSpecification: &types.InstanceSpecification{InstanceId: aws.String("i-web"), ExcludeDataVolumeIds: []string{"vol-root"}},
			}))
		}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, machine, simvpc.Options{})
			before := s.World()
			if err := test.call(t.Context(), c); code(err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			unchanged(t, before, s)
		})
	}
}

func snapshot(ctx context.Context, c *ec2.Client, instance string) (*ec2.CreateSnapshotsOutput, error) {
	return c.CreateSnapshots(ctx, &ec2.CreateSnapshotsInput{
		InstanceSpecification: &types.InstanceSpecification{InstanceId: aws.String(instance)},
		CopyTagsFromSource:    types.CopyTagsFromSourceVolume,
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeSnapshot, Tags: []types.Tag{{Key: aws.String("tourniquet:incident"), Value: aws.String("i-web#1")}},
		}},
	})
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	s, c := start(t, machine, simvpc.Options{})
	out, err := snapshot(t.Context(), c, "i-web")
	permit(t, err)
	if len(out.Snapshots) != 2 || out.Snapshots[0].State != types.SnapshotStatePending || *out.Snapshots[1].VolumeSize != 100 || !*out.Snapshots[1].Encrypted {
		t.Errorf("snapshots: %+v", out.Snapshots)
	}
	find := func() []types.Snapshot {
		found, err := c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{
			OwnerIds: []string{"self"}, Filters: []types.Filter{filter("tag:tourniquet:incident", "i-web#1")},
		})
		permit(t, err)
		return found.Snapshots
	}
	found := find()
	if len(found) != 2 || found[0].State != types.SnapshotStatePending || len(found[0].Tags) != 2 {
		t.Errorf("found by tag: %+v", found)
	}
	s.Advance(2 * time.Minute)
	if found = find(); found[0].State != types.SnapshotStateCompleted {
		t.Errorf("after two minutes: %s", found[0].State)
	}
	_, err = snapshot(t.Context(), c, "i-web") // there is no client token
	permit(t, err)
	if found = find(); len(found) != 4 {
		t.Errorf("%d snapshots after a repeat, want 4", len(found))
	}
	s.Edit(func(w *world.World) { w.Volume("vol-data").Modifying = true })
	if _, err := snapshot(t.Context(), c, "i-web"); code(err) != "IncorrectState" {
		t.Errorf("a volume that is being modified: %v", err)
	}
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	_, c := start(t, machine, simvpc.Options{})
	out, err := c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{filter("attachment.instance-id", "i-web")}})
	permit(t, err)
	var got []string
	for _, v := range out.Volumes {
		got = append(got, *v.VolumeId+" "+*v.Attachments[0].Device+" "+string(v.State))
	}
	if diff := cmp.Diff([]string{"vol-data /dev/xvdb in-use", "vol-root /dev/xvda in-use"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestProfileAndMetadata(t *testing.T) {
	t.Parallel()
	s, c := start(t, machine, simvpc.Options{})
	association := func(instance string) types.IamInstanceProfileAssociation {
		out, err := c.DescribeIamInstanceProfileAssociations(t.Context(), &ec2.DescribeIamInstanceProfileAssociationsInput{
			Filters: []types.Filter{filter("instance-id", instance)},
		})
		permit(t, err)
		if len(out.IamInstanceProfileAssociations) != 1 {
			t.Fatalf("%d associations of %s", len(out.IamInstanceProfileAssociations), instance)
		}
		return out.IamInstanceProfileAssociations[0]
	}
	a := association("i-web")
	if *a.IamInstanceProfile.Arn != "arn:aws:iam::111122223333:instance-profile/web-role" || a.State != "associated" {
		t.Errorf("association: %+v", a)
	}
	permit(t, denyProfile(*a.AssociationId)(t.Context(), c))
	if got := association("i-web"); *got.AssociationId == *a.AssociationId || *got.IamInstanceProfile.Arn != "arn:aws:iam::111122223333:instance-profile/deny" {
		t.Errorf("after the replacement: %+v", got)
	}
	if err := denyProfile(*a.AssociationId)(t.Context(), c); code(err) != "InvalidAssociationID.NotFound" {
		t.Errorf("the old association: %v", err)
	}
	if err := denyProfile(*association("i-busy").AssociationId)(t.Context(), c); code(err) != "IncorrectState" {
		t.Errorf("an association that is changing: %v", err)
	}
	read, err := world.ParseFlow("tcp 10.0.1.10:40000 -> 169.254.169.254:80")
	permit(t, err)
	if v := oracle.Connects(s.World(), read); !v.Passes {
		t.Errorf("the metadata service: %s", v.Why)
	}
	permit(t, metadata("i-web", "disabled")(t.Context(), c))
	if v := oracle.Connects(s.World(), read); v.Passes {
		t.Errorf("the metadata service answers though it is off: %s", v.Why)
	}
	out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-web"}})
	permit(t, err)
	if i := out.Reservations[0].Instances[0]; i.MetadataOptions.HttpEndpoint != "disabled" || i.IamInstanceProfile == nil || *i.RootDeviceName != "/dev/xvda" {
		t.Errorf("described: %+v %+v %s", i.MetadataOptions, i.IamInstanceProfile, *i.RootDeviceName)
	}
}

// A check that can't get through impairs an instance, unless it is suppressed.
func TestApplicationStatusChecks(t *testing.T) {
	t.Parallel()
	s, c := start(t, machine, simvpc.Options{})
	status := func(id string) types.ApplicationStatusEnum {
		out, err := c.DescribeApplicationStatus(t.Context(), &ec2.DescribeApplicationStatusInput{InstanceIds: []string{id}})
		permit(t, err)
		return out.ApplicationStatuses.Instances[0].ApplicationStatus.Status
	}
	want := func(id string, want types.ApplicationStatusEnum) {
		t.Helper()
		if got := status(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	want("i-web", "ok")
	want("i-spot", "not-applicable")
	permit(t, swap("eni-web", "sg-quarantine")(t.Context(), c))
	want("i-web", "impaired")
	out, err := c.EnableApplicationStatusCheckSuppression(t.Context(), &ec2.EnableApplicationStatusCheckSuppressionInput{
		InstanceIds: []string{"i-web", "i-9"}, DurationSeconds: aws.Int32(600),
	})
	permit(t, err)
	if len(out.SuccessfulResults) != 1 || len(out.UnsuccessfulResults) != 1 || *out.UnsuccessfulResults[0].InstanceId != "i-9" {
		t.Errorf("%+v", out)
	}
	want("i-web", "suppressed")
	s.Advance(9 * time.Minute)
	want("i-web", "suppressed")
	s.Advance(2 * time.Minute)
	want("i-web", "impaired")
	_, err = c.EnableApplicationStatusCheckSuppression(t.Context(), &ec2.EnableApplicationStatusCheckSuppressionInput{InstanceIds: []string{"i-web"}})
	permit(t, err)
	s.Advance(24 * time.Hour)
	want("i-web", "suppressed")
	_, err = c.DisableApplicationStatusCheckSuppression(t.Context(), &ec2.DisableApplicationStatusCheckSuppressionInput{InstanceIds: []string{"i-web"}})
	permit(t, err)
	want("i-web", "impaired")
}
