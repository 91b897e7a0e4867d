package guardduty

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// wireFinding and the types below are the parts of GuardDuty's model that
// matter here. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html
type wireFinding struct {
	ID        scalar               `json:"id"`
	ARN       scalar               `json:"arn"`
	AccountID scalar               `json:"accountId"`
	Region    scalar               `json:"region"`
	Type      scalar               `json:"type"`
	Severity  scalar               `json:"severity"`
	CreatedAt moment               `json:"createdAt"`
	UpdatedAt moment               `json:"updatedAt"`
	Resource  object[wireResource] `json:"resource"`
	Service   object[wireService]  `json:"service"`
}

type wireResource struct {
	ResourceType    scalar               `json:"resourceType"`
	InstanceDetails object[wireInstance] `json:"instanceDetails"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_InstanceDetails.html
type wireInstance struct {
	InstanceID        scalar                      `json:"instanceId"`
	InstanceType      scalar                      `json:"instanceType"`
	NetworkInterfaces list[object[wireInterface]] `json:"networkInterfaces"`
	Tags              list[object[wireTag]]       `json:"tags"`
}

// wireTag is a tag that the instance had when the finding was made.
type wireTag struct {
	Key scalar `json:"key"`
}

// wireInterface is an interface of InstanceDetails. It is also the one of an attack
// sequence, which spells the subnet "subNetId": the keys differ only in case.
type wireInterface struct {
	NetworkInterfaceID scalar                  `json:"networkInterfaceId"`
	SubnetID           scalar                  `json:"subnetId"`
	VPCID              scalar                  `json:"vpcId"`
	PrivateIPAddress   address                 `json:"privateIpAddress"`
	PrivateIPAddresses list[object[wirePriv]]  `json:"privateIpAddresses"`
	PublicIP           address                 `json:"publicIp"`
	IPv6Addresses      list[address]           `json:"ipv6Addresses"`
	SecurityGroups     list[object[wireGroup]] `json:"securityGroups"`
}

type wirePriv struct {
	PrivateIPAddress address `json:"privateIpAddress"`
}

type wireGroup struct {
	GroupID scalar `json:"groupId"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Service.html
type wireService struct {
	Action         object[wireAction]     `json:"action"`
	ResourceRole   scalar                 `json:"resourceRole"`
	Archived       boolean                `json:"archived"`
	EventLastSeen  moment                 `json:"eventLastSeen"`
	AdditionalInfo object[additionalInfo] `json:"additionalInfo"`
	Detection      object[wireDetection]  `json:"detection"`
}

type wireDetection struct {
	Sequence object[sequence] `json:"sequence"`
}

// additionalInfo marks sample findings. The old form has a key of its own, the new one
// a key inside a string of JSON.
// https://docs.aws.amazon.com/guardduty/latest/ug/sample_findings.html
type additionalInfo struct {
	Sample boolean    `json:"sample"`
	Value  sampleText `json:"value"`
}

func (a additionalInfo) sample() bool { return a.Sample.truth() || a.Value.mark().truth() }

// sampleText is text of many kinds. When it is an object, that may mark a sample.
type sampleText struct{ scalar }

func (t sampleText) mark() boolean {
	o, _ := decode[struct {
		Sample boolean `json:"sample"`
	}]([]byte(t.s))
	return o.Sample
}

func (t sampleText) unreadable() bool {
	cutOff := strings.HasPrefix(t.s, "{") && !json.Valid([]byte(t.s))
	return t.scalar.unreadable() || cutOff || t.mark().unreadable()
}

// scalingTag has the name of the group that an instance is in.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
const scalingTag = "aws:autoscaling:groupName"

func (w wireInstance) instance() Instance {
	i := Instance{ID: w.InstanceID.s, Type: w.InstanceType.clean(maxWord)}
	for _, t := range w.Tags.Items {
		i.Scaled = i.Scaled || t.V.Key.s == scalingTag
	}
	for _, n := range w.NetworkInterfaces.Items {
		if at := n.V.networkInterface(); at.ID != "" || at.Subnet != "" {
			i.Interfaces = append(i.Interfaces, at)
		}
	}
	return i
}

func (w wireInterface) networkInterface() Interface {
	n := Interface{
		ID:         w.NetworkInterfaceID.clean(maxWord),
		Subnet:     w.SubnetID.clean(maxWord),
		VPC:        w.VPCID.clean(maxWord),
		PrivateIPs: appendAddr(nil, w.PrivateIPAddress),
		IPv6:       appendAddr(nil, w.IPv6Addresses.Items...),
	}
	for _, p := range w.PrivateIPAddresses.Items {
		n.PrivateIPs = appendAddr(n.PrivateIPs, p.V.PrivateIPAddress)
	}
	n.PublicIP, _ = parseAddr(w.PublicIP.scalar)
	for _, g := range w.SecurityGroups.Items {
		if g.V.GroupID.s != "" {
			n.Groups = append(n.Groups, g.V.GroupID.clean(maxWord))
		}
	}
	return n
}

// parseAddr reads an address in its plain form. A zone means nothing outside
// the host that wrote it, and is dropped.
func parseAddr(s scalar) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(s.s))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// appendAddr appends the readable addresses that aren't there yet.
func appendAddr(to []netip.Addr, from ...address) []netip.Addr {
	for _, s := range from {
		if a, ok := parseAddr(s.scalar); ok && !slices.Contains(to, a) {
			to = append(to, a)
		}
	}
	return to
}

// wireAction holds the actions whose remote address is a peer of the instance.
// The remote addresses of the other actions are those of API, Kubernetes or
// database clients, who talk to AWS and not to the instance.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Action.html
type wireAction struct {
	ActionType              scalar                 `json:"actionType"`
	NetworkConnectionAction object[wireConnection] `json:"networkConnectionAction"`
	PortProbeAction         object[wirePortProbe]  `json:"portProbeAction"`
}

type wireConnection struct {
	ConnectionDirection   scalar           `json:"connectionDirection"`
	Protocol              scalar           `json:"protocol"`
	LocalNetworkInterface scalar           `json:"localNetworkInterface"`
	LocalPortDetails      object[wirePort] `json:"localPortDetails"`
	RemotePortDetails     object[wirePort] `json:"remotePortDetails"`
	RemoteIPDetails       object[wireIP]   `json:"remoteIpDetails"`
}

type wirePortProbe struct {
	PortProbeDetails json.RawMessage `json:"portProbeDetails"` // a list of wireProbe, which may be long
}

type wireProbe struct {
	LocalPortDetails object[wirePort] `json:"localPortDetails"`
	RemoteIPDetails  object[wireIP]   `json:"remoteIpDetails"`
}

type wirePort struct {
	Port port `json:"port"`
}

// wireIP holds the address of one family, or one of each. An address that is text but
// not an IP address is reported with the instance's peers, by what it says.
type wireIP struct {
	IPAddressV4 scalar `json:"ipAddressV4"`
	IPAddressV6 scalar `json:"ipAddressV6"`
}

func (w wireIP) addresses() []scalar { return []scalar{w.IPAddressV4, w.IPAddressV6} }

func (w wireIP) empty() bool { return w.IPAddressV4.absent() && w.IPAddressV6.absent() }
