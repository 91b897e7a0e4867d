package machine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

type profileShape struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

func shapeOfProfile(w *world.World, i *world.Instance) *profileShape {
	if i.Profile == "" {
		return nil
	}
	return &profileShape{fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", w.Account, i.Profile), call.HashID("AIPA", i.Profile)}
}

type profileAssociation struct {
	ID       string        `xml:"associationId"`
	Instance string        `xml:"instanceId"`
	Profile  *profileShape `xml:"iamInstanceProfile"`
	State    string        `xml:"state"`
}

// profileAssociationID is a new one each time the instance gets another profile.
func profileAssociationID(i *world.Instance) string {
	return call.HashID("iip-assoc-", i.ID, i.Profile)
}

func shapeOfProfileAssociation(w *world.World, i *world.Instance) profileAssociation {
	return profileAssociation{profileAssociationID(i), i.ID, shapeOfProfile(w, i), profileState(i)}
}

func profileState(i *world.Instance) string {
	if i.ProfileChanging {
		return "associating"
	}
	return "associated"
}

var profiles = call.Catalogue[*world.Instance]{
	Kind: call.KindIIP, IDs: "AssociationId", Alone: true,
	ID:   profileAssociationID,
	Tags: nil,
	Fields: map[string]func(*world.World, *world.Instance) []string{
		"instance-id": func(_ *world.World, i *world.Instance) []string { return []string{i.ID} },
		"state":       func(_ *world.World, i *world.Instance) []string { return []string{profileState(i)} },
	},
}

// withProfile are the instances that have one, in the order of their associations.
func withProfile(w *world.World) []*world.Instance {
	var all []*world.Instance
	for _, i := range w.Instances {
		if i.Profile != "" && i.State != "terminated" {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b *world.Instance) int { return cmp.Compare(profileAssociationID(a), profileAssociationID(b)) })
	return all
}

func describeProfileAssociations(r *call.Request) (call.Answer, error) {
	found, next, err := profiles.Describe(r, withProfile(r.World))
	return &struct {
		call.Reply
		Associations call.Set[profileAssociation] `xml:"iamInstanceProfileAssociationSet"`
		Next         string                       `xml:"nextToken,omitempty"`
	}{Associations: call.SetOf(found, func(i *world.Instance) profileAssociation { return shapeOfProfileAssociation(r.World, i) }), Next: next}, err
}

// replaceProfile gives an instance another profile. The credentials that it has
// already go on until they expire
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html).
func replaceProfile(r *call.Request) (call.Answer, error) {
	id, err := r.Params.Required("AssociationId")
	if err != nil {
		return nil, err
	}
	i := world.Find(r.World.Instances, func(i *world.Instance) bool { return i.Profile != "" && profileAssociationID(i) == id })
	switch {
	case i == nil:
		return nil, call.KindIIP.Missing(id)
	case i.Operator != "":
		return nil, nic.ErrOperated(i.ID, i.Operator)
	case i.ProfileChanging:
		return nil, call.Fail("IncorrectState", "The association %s is not in the state 'associated'", id)
	}
	arn := r.Params.Str("IamInstanceProfile.Arn")
	_, named, ok := strings.Cut(arn, ":instance-profile/")
	name := cmp.Or(named, r.Params.Str("IamInstanceProfile.Name"))
	if name == "" || arn != "" && !ok {
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile", cmp.Or(arn, name))
	}
	i.Profile = name
	return &struct {
		call.Reply
		Association profileAssociation `xml:"iamInstanceProfileAssociation"`
	}{Association: shapeOfProfileAssociation(r.World, i)}, nil
}

type metadataShape struct {
	State    string `xml:"state"`
	Endpoint string `xml:"httpEndpoint"`
	Tokens   string `xml:"httpTokens"`
	Hops     int    `xml:"httpPutResponseHopLimit"`
	Tags     string `xml:"instanceMetadataTags"`
}

func shapeOfMetadata(i *world.Instance, state string) metadataShape {
	shape := metadataShape{state, "enabled", "required", 2, "disabled"}
	if i.MetadataOff {
		shape.Endpoint = "disabled"
	}
	return shape
}

// modifyMetadata switches the endpoint of the metadata service. The other options
// stay as they are
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html).
func modifyMetadata(r *call.Request) (call.Answer, error) {
	i, err := call.One(call.KindInst, r.Params.Str("InstanceId"), r.World.Instance)
	if err != nil {
		return nil, err
	}
	switch {
	case i.Operator != "":
		return nil, nic.ErrOperated(i.ID, i.Operator)
	case i.State == "terminated" || i.State == "shutting-down":
		return nil, call.Fail("IncorrectInstanceState", "The instance '%s' is not in a state in which it can be modified.", i.ID)
	}
	switch endpoint := r.Params.Str("HttpEndpoint"); endpoint {
	case "enabled", "disabled":
		i.MetadataOff = endpoint == "disabled"
	default:
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter HttpEndpoint is invalid.", endpoint)
	}
	return &struct {
		call.Reply
		Instance string        `xml:"instanceId"`
		Options  metadataShape `xml:"instanceMetadataOptions"`
	}{Instance: i.ID, Options: shapeOfMetadata(i, "pending")}, nil
}
