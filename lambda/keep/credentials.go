package keep

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// An association is that of an instance profile with an instance; zero: there is none.
type association struct{ id, profile string }

func (a association) profiles() []string {
	if a.profile == "" {
		return []string{}
	}
	return []string{a.profile}
}

var errChanging = errors.New("the association of the instance profile is changing")

// association reads which profile an instance has. While the association changes, what it
// comes to is not known.
func (c *Client) association(ctx context.Context, instance string) (association, error) {
	found, err := twice(ctx, func() ([]types.IamInstanceProfileAssociation, error) {
		out, err := c.ec2.DescribeIamInstanceProfileAssociations(ctx, &ec2.DescribeIamInstanceProfileAssociationsInput{
			Filters: []types.Filter{{Name: aws.String("instance-id"), Values: []string{instance}}},
		})
		if err != nil {
			return nil, err
		}
		return out.IamInstanceProfileAssociations, nil
	})
	if err != nil {
		return association{}, err
	}
	for _, a := range found {
		switch a.State {
		case types.IamInstanceProfileAssociationStateAssociated:
			if a.IamInstanceProfile != nil {
				return association{aws.ToString(a.AssociationId), aws.ToString(a.IamInstanceProfile.Arn)}, nil
			}
		case types.IamInstanceProfileAssociationStateAssociating, types.IamInstanceProfileAssociationStateDisassociating:
			return association{}, errChanging
		case types.IamInstanceProfileAssociationStateDisassociated: // as good as none
		}
	}
	return association{}, nil
}

var errNoProfile = errors.New("the instance has no instance profile to replace")

// replaceProfile gives an instance another profile in one call: between taking one away
// and giving another, it would have none, and a crash would leave it so.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html
func (c *Client) replaceProfile(ctx context.Context, instance, profile string) error {
	a, err := c.association(ctx, instance)
	switch {
	case err != nil:
		return err
	case a.id == "":
		return errNoProfile
	case a.profile == profile:
		return nil
	}
	_, err = c.ec2.ReplaceIamInstanceProfileAssociation(ctx, &ec2.ReplaceIamInstanceProfileAssociationInput{
		AssociationId: aws.String(a.id), IamInstanceProfile: &types.IamInstanceProfileSpecification{Arn: aws.String(profile)},
	})
	return err
}

// endpoint is the state of the metadata endpoint of an instance.
func (c *Client) endpoint(ctx context.Context, instance string) ([]string, error) {
	out, err := c.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
		Filters: []types.Filter{{Name: aws.String("instance-id"), Values: []string{instance}}}, IncludeManagedResources: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.MetadataOptions != nil {
				return []string{string(i.MetadataOptions.HttpEndpoint)}, nil
			}
		}
	}
	return nil, errNoAttribute
}

// setEndpoint switches the metadata endpoint. The other options stay as they are.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html
func (c *Client) setEndpoint(ctx context.Context, instance, state string) error {
	_, err := c.ec2.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{
		InstanceId: aws.String(instance), HttpEndpoint: types.InstanceMetadataEndpointState(state),
	})
	return err
}
