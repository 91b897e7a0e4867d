package guardduty

import (
	"net/netip"
	"strings"
)

// wireFinding and the types below are the parts of GuardDuty's model that
// matter here. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html
type wireFinding struct {
	ID          scalar        `json:"id"`
	ARN         scalar        `json:"arn"`
	AccountID   scalar        `json:"accountId"`
	Region      scalar        `json:"region"`
	Type        scalar        `json:"type"`
	Title       scalar        `json:"title"`
	Description scalar        `json:"description"`
	Severity    scalar        `json:"severity"`
	CreatedAt   scalar        `json:"createdAt"`
	UpdatedAt   scalar        `json:"updatedAt"`
	Resource    *wireResource `json:"resource"`
	Service     wireService   `json:"service"`
}

type wireResource struct {
	ResourceType    scalar       `json:"resourceType"`
	InstanceDetails wireInstance `json:"instanceDetails"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_InstanceDetails.html
type wireInstance struct {
	InstanceID        scalar              `json:"instanceId"`
	InstanceType      scalar              `json:"instanceType"`
	ImageID           scalar              `json:"imageId"`
	AvailabilityZone  scalar              `json:"availabilityZone"`
	InstanceState     scalar              `json:"instanceState"`
	Tags              list[wireTag]       `json:"tags"`
	NetworkInterfaces list[wireInterface] `json:"networkInterfaces"`
}

type wireTag struct {
	Key   scalar `json:"key"`
	Value scalar `json:"value"`
}

// wireInterface is an interface of InstanceDetails, and the one of an attack
// sequence, which spells the subnet "subNetId": the keys differ only in case.
type wireInterface struct {
	NetworkInterfaceID scalar          `json:"networkInterfaceId"`
	SubnetID           scalar          `json:"subnetId"`
	VPCID              scalar          `json:"vpcId"`
	PrivateIPAddress   scalar          `json:"privateIpAddress"`
	PrivateIPAddresses list[wirePriv]  `json:"privateIpAddresses"`
	PublicIP           scalar          `json:"publicIp"`
	IPv6Addresses      list[scalar]    `json:"ipv6Addresses"`
	SecurityGroups     list[wireGroup] `json:"securityGroups"`
}

type wirePriv struct {
	PrivateIPAddress scalar `json:"privateIpAddress"`
}

type wireGroup struct {
	GroupID scalar `json:"groupId"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Service.html
type wireService struct {
	Action         wireAction     `json:"action"`
	ResourceRole   scalar         `json:"resourceRole"`
	Count          scalar         `json:"count"`
	Archived       scalar         `json:"archived"`
	EventFirstSeen scalar         `json:"eventFirstSeen"`
	EventLastSeen  scalar         `json:"eventLastSeen"`
	AdditionalInfo additionalInfo `json:"additionalInfo"`
	Detection      wireDetection  `json:"detection"`
}

type wireDetection struct {
	Sequence *sequence `json:"sequence"`
}

// additionalInfo marks sample findings, in the old form by a key of its own, in
// the new one inside a string of JSON.
// https://docs.aws.amazon.com/guardduty/latest/ug/sample_findings.html
type additionalInfo struct {
	Sample scalar `json:"sample"`
	Value  scalar `json:"value"`
}

func (a additionalInfo) sample() bool {
	if a.Sample.truth() {
		return true
	}
	value, ok := decode[additionalInfo]([]byte(a.Value.s))
	return ok && value.Sample.truth()
}

func (w wireInstance) instance() Instance {
	i := Instance{
		ID:               w.InstanceID.s,
		Type:             w.InstanceType.clean(maxWord),
		ImageID:          w.ImageID.clean(maxWord),
		AvailabilityZone: w.AvailabilityZone.clean(maxWord),
		State:            w.InstanceState.clean(maxWord),
		Tags:             tagMap(w.Tags.items),
	}
	for _, n := range w.NetworkInterfaces.items {
		if at := n.networkInterface(); at.ID != "" || at.Subnet != "" {
			i.Interfaces = append(i.Interfaces, at)
		}
	}
	return i
}

func tagMap(tags []wireTag) map[string]string {
	var m map[string]string
	for _, t := range tags {
		if t.Key.s == "" {
			continue
		}
		if m == nil {
			m = make(map[string]string)
		}
		m[t.Key.clean(maxTagKey)] = t.Value.clean(maxTagValue)
	}
	return m
}

func (w wireInterface) networkInterface() Interface {
	n := Interface{
		ID:         w.NetworkInterfaceID.clean(maxWord),
		Subnet:     w.SubnetID.clean(maxWord),
		VPC:        w.VPCID.clean(maxWord),
		PrivateIPs: appendAddr(nil, w.PrivateIPAddress),
		IPv6:       appendAddr(nil, w.IPv6Addresses.items...),
	}
	for _, p := range w.PrivateIPAddresses.items {
		n.PrivateIPs = appendAddr(n.PrivateIPs, p.PrivateIPAddress)
	}
	n.PublicIP, _ = parseAddr(w.PublicIP)
	for _, g := range w.SecurityGroups.items {
		if g.GroupID.s != "" {
			n.Groups = append(n.Groups, g.GroupID.clean(maxWord))
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
func appendAddr(to []netip.Addr, from ...scalar) []netip.Addr {
next:
	for _, s := range from {
		a, ok := parseAddr(s)
		if !ok {
			continue
		}
		for _, b := range to {
			if a == b {
				continue next
			}
		}
		to = append(to, a)
	}
	return to
}
