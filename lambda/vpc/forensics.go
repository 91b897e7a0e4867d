package vpc

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"tourniquet/lambda/network"
)

// Forensics are the owner's groups for forensics, with their VPCs; see
// containment.Restorer.
func (r *Reverter) Forensics(ctx context.Context) (map[string]string, error) {
	found, err := r.describeGroups(ctx, filter("tag:"+network.RoleTag, network.ForensicsRole))
	if err != nil {
		return nil, fmt.Errorf("looking for groups for forensics: %w", err)
	}
	vpcs := map[string]string{}
	for _, g := range found {
		vpcs[aws.ToString(g.GroupId)] = aws.ToString(g.VpcId)
	}
	return vpcs, nil
}
