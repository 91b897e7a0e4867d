package guardduty

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// asff is a finding in the AWS Security Finding Format, as far as GuardDuty's
// findings fill it.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html
type asff struct {
	ID             scalar                     `json:"Id"`
	ProductARN     scalar                     `json:"ProductArn"`
	AccountID      scalar                     `json:"AwsAccountId"`
	Region         scalar                     `json:"Region"`
	Types          list[scalar]               `json:"Types"`
	Severity       object[asffSeverity]       `json:"Severity"`
	UpdatedAt      moment                     `json:"UpdatedAt"`
	LastObservedAt moment                     `json:"LastObservedAt"`
	RecordState    scalar                     `json:"RecordState"`
	Sample         boolean                    `json:"Sample"`
	ProductFields  json.RawMessage            `json:"ProductFields"`
	Resources      list[object[asffResource]] `json:"Resources"`
	Action         object[wireAction]         `json:"Action"`
	Detection      object[wireDetection]      `json:"Detection"`
}

// asffSeverity holds GuardDuty's own number as Product, in newer findings as
// Original, and a number from 0 to 100 that is derived from it.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html
type asffSeverity struct {
	Product    scalar `json:"Product"`
	Original   scalar `json:"Original"`
	Normalized scalar `json:"Normalized"`
}

func (s asffSeverity) native() scalar {
	for _, own := range []scalar{s.Product, s.Original} {
		if n, ok := own.number(); ok && validSeverity(n) {
			return own
		}
	}
	if n, ok := s.Normalized.number(); ok {
		return scalar{s: strconv.FormatFloat(n/10, 'f', -1, 64)}
	}
	return s.Product
}

type asffResource struct {
	Type    scalar              `json:"Type"`
	ID      scalar              `json:"Id"`
	Details object[asffDetails] `json:"Details"`
}

type asffDetails struct {
	EC2Instance object[asffInstance] `json:"AwsEc2Instance"`
}

const asffEC2Instance = "AwsEc2Instance"

// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsEc2InstanceDetails.html
type asffInstance struct {
	Type              scalar                      `json:"Type"`
	IPv4Addresses     list[address]               `json:"IpV4Addresses"`
	IPv6Addresses     list[address]               `json:"IpV6Addresses"`
	VPCID             scalar                      `json:"VpcId"`
	SubnetID          scalar                      `json:"SubnetId"`
	NetworkInterfaces list[object[asffInterface]] `json:"NetworkInterfaces"`
}

type asffInterface struct {
	NetworkInterfaceID scalar `json:"NetworkInterfaceId"`
}

// resourceTypes translates Security Hub's resource types to GuardDuty's.
var resourceTypes = map[string]string{
	asffEC2Instance:     "Instance",
	"AwsIamAccessKey":   "AccessKey",
	"AwsEcsCluster":     "ECSCluster",
	"AwsEksCluster":     "EKSCluster",
	"AwsLambdaFunction": "Lambda",
	"AwsRdsDbInstance":  "RDSDBInstance",
	"AwsS3Bucket":       "S3Bucket",
}

// parseASFF decodes a finding from Security Hub. One that another product made
// names no instances, since nothing is known about what it means.
func parseASFF(at string, raw json.RawMessage) (*Finding, []error) {
	a, ok := decode[asff](raw)
	if !ok {
		return nil, []error{malformed(at, "want a finding in the AWS Security Finding Format")}
	}
	if a.ProductARN.s == "" {
		return nil, []error{malformed(within(at, "ProductArn"), "%s, want the product that made the finding", a.ProductARN.got())}
	}
	service, whole := unflatten(a.ProductFields)
	w := a.wire(service)
	f := w.head()
	f.Origin = SecurityHub
	f.Sample = f.Sample || a.Sample.truth()
	f.Archived = f.Archived || a.RecordState.s == "ARCHIVED"
	if !strings.HasSuffix(a.ProductARN.s, "product/aws/guardduty") {
		return &f, nil
	}
	var unread notes
	if !whole {
		unread.add("ProductFields")
	}
	instances, problems := a.instances(at, service.Action.V, &unread)
	if len(instances) == 0 {
		return onNoInstance(at, f, w, problems)
	}
	err := firstWrong(at,
		required{"Severity", validSeverity(f.Severity), w.Severity, wantSeverity},
		required{"AwsAccountId", validAccount(f.AccountID), a.AccountID, wantAccount},
		required{"Id", validID(f.ID), a.ID, wantID},
	)
	if err != nil {
		return nil, append(problems, err)
	}
	unread.inspect("", &a)
	unread.inspectFlat(&service)
	unread.paths = pascal(unread.paths)
	f.Instances, f.UnreadableFields = instances, unread.fields()
	f.weigh()
	return &f, problems
}

// onNoInstance is the result for a finding among whose resources no instance was found.
// An attack sequence on instances must have some.
func onNoInstance(at string, f Finding, w wireFinding, problems []error) (*Finding, []error) {
	switch {
	case len(problems) > 0:
		return nil, problems
	case w.isSequence() && onInstances(w.Type.s):
		return nil, []error{malformed(within(at, "Resources"), "names no instance, want %s", wantResources)}
	default:
		return &f, nil
	}
}

// wire is the finding in GuardDuty's format, without its instances.
func (a asff) wire(service wireService) wireFinding {
	w := wireFinding{
		ARN:       a.ID,
		AccountID: a.AccountID,
		Region:    a.Region,
		Type:      guardDutyType(a.Types.Items),
		Severity:  a.Severity.V.native(),
		UpdatedAt: a.UpdatedAt,
		Service:   object[wireService]{V: service, given: true},
	}
	if _, _, isARN := strings.Cut(a.ID.s, "/finding/"); !isARN {
		w.ID = a.ID
	}
	if s := &w.Service.V; s.EventLastSeen.absent() {
		s.EventLastSeen = a.LastObservedAt
	}
	if len(a.Resources.Items) > 0 {
		t := a.Resources.Items[0].V.Type
		if own := resourceTypes[t.s]; own != "" {
			t = scalar{s: own}
		}
		w.Resource.V.ResourceType = t
	}
	if strings.HasPrefix(w.Type.s, sequencePrefix) || a.Detection.V.Sequence.given {
		w.Resource.V.ResourceType = scalar{s: attackSequence}
	}
	return w
}

// instances lists the instances among the finding's resources. flat is the
// action from the product fields, which says more than the format's own.
func (a asff) instances(at string, flat wireAction, unread *notes) (instances []Instance, problems []error) {
	if a.Resources.wrong != expected {
		return nil, []error{malformed(within(at, "Resources"), "%s, want a list of resources", a.Resources.wrong.got())}
	}
	peers, done := a.peers(flat, unread)
	if seq := a.Detection.V.Sequence; seq.given {
		problems = seq.V.unreadLists(within(at, "Detection.Sequence"))
	}
	if a.Resources.total > maxList {
		problems = append(problems, malformed(within(at, "Resources"), "got %d, want at most %d", a.Resources.total, maxList))
	}
	seen := make(map[string]bool)
	for n, r := range a.Resources.Items {
		here := fmt.Sprintf("%s[%d]", within(at, "Resources"), n)
		i := r.V.instance()
		switch {
		case r.unreadable():
			problems = append(problems, malformed(here, "%s, want a resource", r.wrong.got()))
		case r.V.Type.unreadable():
			problems = append(problems, malformed(within(here, "Type"), "%s, want what the resource is", r.V.Type.got()))
		case r.V.Type.s != asffEC2Instance || seen[i.ID]:
		case !validInstanceID(i.ID):
			problems = append(problems, malformed(within(here, "Id"), "%s, want the ARN of an instance", r.V.ID.got()))
		default:
			seen[i.ID] = true
			instances = append(instances, i.with(peers(i)))
		}
	}
	done()
	return instances, problems
}

// peers returns a function that lists an instance's peers, and one to call when that
// has been called for each instance.
func (a asff) peers(flat wireAction, unread *notes) (of func(Instance) *peerSet, done func()) {
	if seq := a.Detection.V.Sequence; seq.given {
		const here = "Detection.Sequence"
		ties := seq.V.tie(here, unread)
		of = func(i Instance) *peerSet {
			names := []string{i.ID}
			for _, eni := range i.Interfaces {
				names = append(names, eni.ID)
			}
			return ties.peers(names)
		}
		return of, func() { ties.noteUntied(here, unread) }
	}
	var flatUnread notes
	set := flat.peers("action", &flatUnread)
	if set.empty() {
		own := a.Action.V
		if own.ActionType.absent() {
			own.ActionType = flat.ActionType
		}
		set = own.peers("Action", unread)
	} else {
		unread.addFlat(flatUnread)
	}
	return func(Instance) *peerSet { return set }, func() {}
}

func (r asffResource) instance() Instance {
	d := r.Details.V.EC2Instance.V
	return Instance{ID: lastPart(r.ID), Type: d.Type.clean(maxWord), Interfaces: d.interfaces()}
}

// interfaces lists the interfaces with what is known of them. Subnet and
// addresses are given for the instance: with several interfaces they can't be
// told apart and stand first, on their own.
func (d asffInstance) interfaces() []Interface {
	primary := Interface{
		Subnet: d.SubnetID.clean(maxWord),
		VPC:    d.VPCID.clean(maxWord),
		IPv6:   appendAddr(nil, d.IPv6Addresses.Items...),
	}
	for _, s := range d.IPv4Addresses.Items {
		switch addr, ok := parseAddr(s.scalar); {
		case ok && addr.IsPrivate():
			primary.PrivateIPs = appendAddr(primary.PrivateIPs, s)
		case ok:
			primary.PublicIP = addr
		}
	}
	var others []Interface
	for _, n := range d.NetworkInterfaces.Items {
		if id := n.V.NetworkInterfaceID.clean(maxWord); id != "" {
			others = append(others, Interface{ID: id})
		}
	}
	if len(others) == 1 {
		primary.ID, others = others[0].ID, nil
	}
	if primary.ID == "" && primary.Subnet == "" {
		return others
	}
	return append([]Interface{primary}, others...)
}
