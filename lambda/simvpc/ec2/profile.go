package ec2

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	return &profileShape{fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", w.Account, i.Profile), hashID("AIPA", i.Profile)}
}

type profileAssociation struct {
	ID       string        `xml:"associationId"`
	Instance string        `xml:"instanceId"`
	Profile  *profileShape `xml:"iamInstanceProfile"`
	State    string        `xml:"state"`
}

// profileAssociationID is a new one each time the instance gets another profile.
func profileAssociationID(i *world.Instance) string { return hashID("iip-assoc-", i.ID, i.Profile) }

func shapeOfProfileAssociation(w *world.World, i *world.Instance) profileAssociation {
	return profileAssociation{profileAssociationID(i), i.ID, shapeOfProfile(w, i), profileState(i)}
}

func profileState(i *world.Instance) string {
	if i.ProfileChanging {
		return "associating"
	}
	return "associated"
}

var profiles = catalogue[*world.Instance]{
	kind: kindIIP, ids: "AssociationId", alone: true,
	id:   profileAssociationID,
	tags: nil,
	fields: map[string]func(*world.World, *world.Instance) []string{
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

func describeProfileAssociations(r *request) (answer, error) {
	found, next, err := profiles.describe(r, withProfile(r.w))
	return &struct {
		reply
		Associations set[profileAssociation] `xml:"iamInstanceProfileAssociationSet"`
		Next         string                  `xml:"nextToken,omitempty"`
	}{Associations: setOf(found, func(i *world.Instance) profileAssociation { return shapeOfProfileAssociation(r.w, i) }), Next: next}, err
}

// replaceProfile gives an instance another profile. The credentials that it has
// already go on until they expire
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html).
func replaceProfile(r *request) (answer, error) {
	id, err := r.p.required("AssociationId")
	if err != nil {
		return nil, err
	}
	i := world.Find(r.w.Instances, func(i *world.Instance) bool { return i.Profile != "" && profileAssociationID(i) == id })
	switch {
	case i == nil:
		return nil, kindIIP.missing(id)
	case i.Operator != "":
		return nil, errOperated(i.ID, i.Operator)
	case i.ProfileChanging:
		return nil, fail("IncorrectState", "The association %s is not in the state 'associated'", id)
	}
	arn := r.p.str("IamInstanceProfile.Arn")
	_, named, ok := strings.Cut(arn, ":instance-profile/")
	name := cmp.Or(named, r.p.str("IamInstanceProfile.Name"))
	if name == "" || arn != "" && !ok {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile", cmp.Or(arn, name))
	}
	i.Profile = name
	return &struct {
		reply
		Association profileAssociation `xml:"iamInstanceProfileAssociation"`
	}{Association: shapeOfProfileAssociation(r.w, i)}, nil
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
func modifyMetadata(r *request) (answer, error) {
	i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	switch {
	case i.Operator != "":
		return nil, errOperated(i.ID, i.Operator)
	case i.State == "terminated" || i.State == "shutting-down":
		return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state in which it can be modified.", i.ID)
	}
	switch endpoint := r.p.str("HttpEndpoint"); endpoint {
	case "enabled", "disabled":
		i.MetadataOff = endpoint == "disabled"
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter HttpEndpoint is invalid.", endpoint)
	}
	return &struct {
		reply
		Instance string        `xml:"instanceId"`
		Options  metadataShape `xml:"instanceMetadataOptions"`
	}{Instance: i.ID, Options: shapeOfMetadata(i, "pending")}, nil
}
