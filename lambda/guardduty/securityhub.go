package guardduty

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// asff is a finding in the AWS Security Finding Format, as far as GuardDuty's
// findings fill it.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html
type asff struct {
	ID              scalar             `json:"Id"`
	ProductARN      scalar             `json:"ProductArn"`
	AccountID       scalar             `json:"AwsAccountId"`
	Region          scalar             `json:"Region"`
	Types           list[scalar]       `json:"Types"`
	Severity        asffSeverity       `json:"Severity"`
	Title           scalar             `json:"Title"`
	Description     scalar             `json:"Description"`
	CreatedAt       scalar             `json:"CreatedAt"`
	UpdatedAt       scalar             `json:"UpdatedAt"`
	FirstObservedAt scalar             `json:"FirstObservedAt"`
	LastObservedAt  scalar             `json:"LastObservedAt"`
	RecordState     scalar             `json:"RecordState"`
	Sample          scalar             `json:"Sample"`
	ProductFields   json.RawMessage    `json:"ProductFields"`
	Resources       list[asffResource] `json:"Resources"`
	Action          wireAction         `json:"Action"`
	Detection       wireDetection      `json:"Detection"`
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
	Type    scalar          `json:"Type"`
	ID      scalar          `json:"Id"`
	Tags    json.RawMessage `json:"Tags"`
	Details struct {
		EC2Instance asffInstance `json:"AwsEc2Instance"`
	} `json:"Details"`
}

const asffEC2Instance = "AwsEc2Instance"

// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsEc2InstanceDetails.html
type asffInstance struct {
	Type              scalar              `json:"Type"`
	ImageID           scalar              `json:"ImageId"`
	IPv4Addresses     list[scalar]        `json:"IpV4Addresses"`
	IPv6Addresses     list[scalar]        `json:"IpV6Addresses"`
	VPCID             scalar              `json:"VpcId"`
	SubnetID          scalar              `json:"SubnetId"`
	NetworkInterfaces list[wireInterface] `json:"NetworkInterfaces"`
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

// irregularTypes are the EC2 types that Security Hub doesn't name like the rest.
// https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html
var irregularTypes = map[string]string{
	"EC2:Unusual-DNS-Resolver": "DefenseEvasion:EC2/UnusualDNSResolver",
	"EC2:Unusual-DoH-Activity": "DefenseEvasion:EC2/UnusualDoHActivity",
	"EC2:Unusual-DoT-Activity": "DefenseEvasion:EC2/UnusualDoTActivity",
}

// parseASFF decodes a finding from Security Hub. One that another product made
// names no instances, since nothing is known about what it means.
func parseASFF(at string, raw json.RawMessage) (*Finding, []error) {
	a, ok := decode[asff](raw)
	if !ok {
		return nil, []error{malformed(at, "want a finding in the AWS Security Finding Format")}
	}
	if a.ProductARN.absent() {
		return nil, []error{malformed(within(at, "ProductArn"), "missing, want the product that made the finding")}
	}
	w := a.wire()
	f := w.head()
	f.Origin = SecurityHub
	f.Sample = f.Sample || a.Sample.truth()
	f.Archived = f.Archived || a.RecordState.s == "ARCHIVED"
	if !strings.HasSuffix(a.ProductARN.s, "product/aws/guardduty") {
		return &f, nil
	}
	instances, problems := a.instances(at, w.Service.Action)
	f.Instances = instances
	if len(instances) == 0 {
		if len(problems) > 0 {
			return nil, problems
		}
		return &f, nil
	}
	err := firstWrong(at,
		required{"Types", validType(f.Type), w.Type, "a GuardDuty type such as TTPs/Command and Control/Backdoor:EC2-C&CActivity.B"},
		required{"Severity", validSeverity(f.Severity), w.Severity, wantSeverity},
		required{"AwsAccountId", validAccount(f.AccountID), a.AccountID, wantAccount},
		required{"Id", validID(f.ID), a.ID, wantID},
	)
	if err != nil {
		return nil, append(problems, err)
	}
	f.weigh()
	return &f, problems
}

// wire is the finding in GuardDuty's format, without its instances.
func (a asff) wire() wireFinding {
	w := wireFinding{
		ARN:         a.ID,
		AccountID:   a.AccountID,
		Region:      a.Region,
		Type:        guardDutyType(a.Types.items),
		Title:       a.Title,
		Description: a.Description,
		Severity:    a.Severity.native(),
		CreatedAt:   a.CreatedAt,
		UpdatedAt:   a.UpdatedAt,
		Service:     unflatten(a.ProductFields),
	}
	if _, _, isARN := strings.Cut(a.ID.s, "/finding/"); !isARN {
		w.ID = a.ID
	}
	s := &w.Service
	if s.EventFirstSeen.absent() {
		s.EventFirstSeen = a.FirstObservedAt
	}
	if s.EventLastSeen.absent() {
		s.EventLastSeen = a.LastObservedAt
	}
	if s.Action.ActionType.absent() {
		s.Action.ActionType = a.Action.ActionType
	}
	if len(a.Resources.items) > 0 {
		t := a.Resources.items[0].Type
		if own := resourceTypes[t.s]; own != "" {
			t = scalar{s: own}
		}
		w.Resource = &wireResource{ResourceType: t}
	}
	if strings.HasPrefix(w.Type.s, "AttackSequence:") {
		w.Resource = &wireResource{ResourceType: scalar{s: "AttackSequence"}}
	}
	return w
}

// guardDutyType is the first of the types that translates to GuardDuty's, else
// the first as it is.
func guardDutyType(types []scalar) scalar {
	for _, t := range types {
		if own := translateType(t.s); validType(own) {
			return scalar{s: own}
		}
	}
	if len(types) == 0 {
		return scalar{}
	}
	return types[0]
}

// translateType turns "TTPs/Initial Access/UnauthorizedAccess:EC2-SSHBruteForce"
// into "UnauthorizedAccess:EC2/SSHBruteForce".
func translateType(t string) string {
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		return ""
	}
	own := t[strings.LastIndexByte(t[:colon], '/')+1:]
	if regular := irregularTypes[own]; regular != "" {
		return regular
	}
	if strings.Contains(own, "/") { // attack sequences keep GuardDuty's form
		return own
	}
	return strings.Replace(own, "-", "/", 1)
}

// instances lists the instances among the finding's resources. flat is the
// action from the product fields, which says more than the format's own.
func (a asff) instances(at string, flat wireAction) (instances []Instance, problems []error) {
	set := flat.peers()
	if set.empty() {
		set = a.Action.peers()
	}
	peers := func(Instance) *peerSet { return set }
	if seq := a.Detection.Sequence; seq != nil {
		peers, problems = seq.peersOf(), seq.tooMuch(within(at, "Detection.Sequence"))
	}
	if a.Resources.given > maxList {
		problems = append(problems, malformed(within(at, "Resources"), "got %d, want at most %d", a.Resources.given, maxList))
	}
	seen := make(map[string]bool)
	for n, r := range a.Resources.items {
		if r.Type.s != asffEC2Instance {
			continue
		}
		i := r.instance()
		if !validInstanceID(i.ID) {
			field := fmt.Sprintf("Resources[%d].Id", n)
			problems = append(problems, malformed(within(at, field), "%s, want the ARN of an instance", r.ID.got()))
			continue
		}
		if seen[i.ID] {
			continue
		}
		seen[i.ID] = true
		instances = append(instances, i.with(peers(i)))
	}
	return instances, problems
}

func (r asffResource) instance() Instance {
	d := r.Details.EC2Instance
	i := Instance{
		ID:         lastPart(r.ID),
		Type:       d.Type.clean(maxWord),
		ImageID:    d.ImageID.clean(maxWord),
		Interfaces: d.interfaces(),
	}
	var tags []wireTag
	named := flatFields(r.Tags, func(string) bool { return true })
	for _, key := range slices.Sorted(maps.Keys(named)) {
		tags = append(tags, wireTag{Key: scalar{s: key}, Value: named[key]})
	}
	i.Tags = tagMap(tags)
	return i
}

// interfaces lists the interfaces with what is known of them. Subnet and
// addresses are given for the instance: with several interfaces they can't be
// told apart and stand first, on their own.
func (d asffInstance) interfaces() []Interface {
	primary := Interface{
		Subnet: d.SubnetID.clean(maxWord),
		VPC:    d.VPCID.clean(maxWord),
		IPv6:   appendAddr(nil, d.IPv6Addresses.items...),
	}
	for _, s := range d.IPv4Addresses.items {
		switch addr, ok := parseAddr(s); {
		case ok && addr.IsPrivate():
			primary.PrivateIPs = appendAddr(primary.PrivateIPs, s)
		case ok:
			primary.PublicIP = addr
		}
	}
	var others []Interface
	for _, n := range d.NetworkInterfaces.items {
		if id := n.NetworkInterfaceID.clean(maxWord); id != "" {
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
