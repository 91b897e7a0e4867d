package vpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/record"
)

// A Reverter implements containment.Restorer. Nothing else here can loosen anything. The
// function that faces events has no Reverter, and its role lacks the permissions.
type Reverter struct {
	*Client
}

// Revert undoes all steps side by side; see containment.Restorer.
func (r *Reverter) Revert(ctx context.Context, steps []record.Step) []error {
	errs := make([]error, len(steps))
	g := parallel.New()
	g.SetLimit(maxInFlight)
	for i, s := range steps {
		g.Go(func() error {
			if err := r.revert(ctx, s); err != nil {
				errs[i] = fmt.Errorf("undoing %s: %w", s.ID(), err)
			}
			return nil // one step's error stops no other
		})
	}
	_ = g.Wait()
	return errs
}

func (r *Reverter) revert(ctx context.Context, s record.Step) error {
	switch s := s.(type) {
	case record.Replacement:
		return r.set(ctx, s, s.Before, once)
	case record.Denial:
		return r.removeEntry(ctx, s)
	default:
		return fmt.Errorf("unknown kind of step %T", s)
	}
}

// once keeps the SDK from sending a call again. By then a newer finding may have opened
// the next containment, and the repeat would undo what that one has done. Only a look
// shows it, and the next round begins with one.
func once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// removeEntry removes an entry by its number, once: after a lost answer somebody else may
// have taken the number.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAclEntry.html
func (r *Reverter) removeEntry(ctx context.Context, d record.Denial) error {
	_, err := r.ec2.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(d.ACL),
		RuleNumber:   aws.Int32(int32(d.Number)), //nolint:gosec // at most 32766
		Egress:       aws.Bool(d.Direction == network.Out),
	}, once)
	if code(err) == codeEntryGone {
		return nil
	}
	return err
}

// Untag removes tags. Resources that lose the same tags share a call; see
// containment.Restorer.
func (r *Reverter) Untag(ctx context.Context, keys map[string][]string) error {
	alike := map[string][]string{} // resources by their keys
	for _, resource := range slices.Sorted(maps.Keys(keys)) {
		joined := strings.Join(keys[resource], " ")
		alike[joined] = append(alike[joined], resource)
	}
	var errs []error
	for _, joined := range slices.Sorted(maps.Keys(alike)) {
		in := &ec2.DeleteTagsInput{Resources: alike[joined]}
		for _, key := range strings.Fields(joined) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(key)})
		}
		if _, err := r.ec2.DeleteTags(ctx, in); err != nil {
			errs = append(errs, fmt.Errorf("untagging %s: %w", strings.Join(in.Resources, ", "), err))
		}
	}
	return errors.Join(errs...)
}

// DescribeGroups are security groups by id; see containment.Restorer.
func (r *Reverter) DescribeGroups(ctx context.Context, ids []string) ([]network.Group, error) {
	found, err := filtered(ctx, r.describeGroups, "group-id", ids)
	if err != nil {
		return nil, err
	}
	var groups []network.Group
	for _, g := range found {
		groups = append(groups, network.Group{ID: aws.ToString(g.GroupId), VPC: aws.ToString(g.VpcId), Tags: fromSDKTags(g.Tags)})
	}
	return groups, nil
}

// ACLs are all network ACLs of the account and Region; see containment.Restorer.
func (r *Reverter) ACLs(ctx context.Context) ([]network.ACL, error) {
	found, err := r.describeACLs(ctx)
	if err != nil {
		return nil, err
	}
	var acls []network.ACL
	for _, a := range found {
		acls = append(acls, fromSDKACL(a))
	}
	return acls, nil
}
