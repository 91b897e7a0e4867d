package machine

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

type stateShape struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

func stateOf(name string) stateShape { return stateShape{world.States[name], name} }

type instanceShape struct {
	ID         string                       `xml:"instanceId"`
	Image      string                       `xml:"imageId"`
	State      stateShape                   `xml:"instanceState"`
	DNS        string                       `xml:"dnsName"`
	Type       string                       `xml:"instanceType"`
	Launched   string                       `xml:"launchTime"`
	Zone       string                       `xml:"placement>availabilityZone,omitempty"`
	Tenancy    string                       `xml:"placement>tenancy"`
	Subnet     string                       `xml:"subnetId,omitempty"`
	VPC        string                       `xml:"vpcId,omitempty"`
	Private    string                       `xml:"privateIpAddress,omitempty"`
	Public     string                       `xml:"ipAddress,omitempty"`
	IPv6       string                       `xml:"ipv6Address,omitempty"`
	Check      bool                         `xml:"sourceDestCheck"`
	Groups     call.Set[call.GroupName]     `xml:"groupSet"`
	Virtual    string                       `xml:"virtualizationType"`
	Hypervisor string                       `xml:"hypervisor"`
	Interfaces call.Set[nic.InterfaceShape] `xml:"networkInterfaceSet"`
	Secondary  call.Set[secondaryShape]     `xml:"secondaryInterfaceSet"`
	Operator   nic.OperatorShape            `xml:"operator"`
	Lifecycle  string                       `xml:"instanceLifecycle,omitempty"`
	Platform   string                       `xml:"platform,omitempty"`
	Profile    *profileShape                `xml:"iamInstanceProfile"`
	Metadata   metadataShape                `xml:"metadataOptions"`
	RootDevice string                       `xml:"rootDeviceName,omitempty"`
	Devices    call.Set[blockDevice]        `xml:"blockDeviceMapping"`
	Tags       call.Set[call.TagShape]      `xml:"tagSet"`
}

type reservationShape struct {
	ID        string                   `xml:"reservationId"`
	Owner     string                   `xml:"ownerId"`
	Groups    call.Set[call.GroupName] `xml:"groupSet"`
	Instances call.Set[instanceShape]  `xml:"instancesSet"`
}

func shapeOfInstance(w *world.World, i *world.Instance) instanceShape {
	attached := w.InterfacesOf(i.ID)
	shape := instanceShape{
		ID: i.ID, Image: imageOf(i), State: stateOf(i.State), Type: i.Type, Launched: call.Epoch,
		Tenancy: "default", Virtual: "hvm", Hypervisor: "xen", // EC2 says xen of Nitro instances too
		Interfaces: call.SetOf(attached, func(x *world.Interface) nic.InterfaceShape { return nic.ShapeOfSharedInterface(w, x) }), Tags: call.ShapeOfTags(shownTags(i)),
		Profile: shapeOfProfile(w, i), Metadata: shapeOfMetadata(i, "applied"), Devices: blockDevices(w, i),
		Operator:  nic.ShapeOfOperator(w, i.Operator),
		Secondary: call.SetOf(w.SecondaryOf(i.ID), func(n *world.SecondaryInterface) secondaryShape { return shapeOfSecondary(w, n) }),
	}
	if i.Spot {
		shape.Lifecycle = "spot"
	}
	if i.Windows {
		shape.Platform = "windows"
	}
	for _, v := range w.VolumesOf(i.ID) {
		if v.Root {
			shape.RootDevice = v.Device
		}
	}
	if len(attached) == 0 {
		return shape
	}
	first := attached[0]
	shape.Subnet, shape.Check, shape.Groups = first.Subnet, !first.NoSourceDestCheck, call.GroupNames(w, first.Groups)
	if s := w.Subnet(first.Subnet); s != nil {
		shape.VPC, shape.Zone = s.VPC, s.Zone
	}
	if len(first.Private) > 0 {
		shape.Private = first.Private[0].String()
	}
	if len(first.IPv6) > 0 {
		shape.IPv6 = first.IPv6[0].String()
	}
	if first.Public.IsValid() {
		shape.Public, shape.DNS = first.Public.String(), nic.PublicName(w, first.Public)
	}
	return shape
}

// shownTags are an instance's tags, with the one that Auto Scaling sets on the members of
// its groups (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html).
func shownTags(i *world.Instance) world.Tags {
	if i.AutoScaling == "" {
		return i.Tags
	}
	tags := world.Tags{}
	maps.Copy(tags, i.Tags)
	tags["aws:autoscaling:groupName"] = i.AutoScaling
	return tags
}

// imageOf is the image of an instance.
func imageOf(i *world.Instance) string { return cmp.Or(i.Image, call.HashID("ami-", i.Type)) }

func shapeOfReservation(w *world.World, i *world.Instance) reservationShape {
	return reservationShape{
		ID: call.HashID("r-", i.ID), Owner: w.Account, Instances: call.Set[instanceShape]{Items: []instanceShape{shapeOfInstance(w, i)}},
	}
}

// primaryField makes a filter on the primary interface of an instance.
func primaryField(values func(*world.World, *world.Interface) []string) func(*world.World, *world.Instance) []string {
	return func(w *world.World, i *world.Instance) []string {
		if attached := w.InterfacesOf(i.ID); len(attached) > 0 {
			return values(w, attached[0])
		}
		return nil
	}
}

// instanceFields are the filters of DescribeInstances; those on interfaces are
// the filters of DescribeNetworkInterfaces under another name.
func instanceFields() map[string]func(*world.World, *world.Instance) []string {
	fields := map[string]func(*world.World, *world.Instance) []string{
		"instance-id":         func(_ *world.World, i *world.Instance) []string { return []string{i.ID} },
		"instance-type":       func(_ *world.World, i *world.Instance) []string { return []string{i.Type} },
		"instance-state-name": func(_ *world.World, i *world.Instance) []string { return []string{i.State} },
		"instance-state-code": func(_ *world.World, i *world.Instance) []string { return []string{strconv.Itoa(world.States[i.State])} },
		"owner-id":            func(w *world.World, _ *world.Instance) []string { return []string{w.Account} },
		"reservation-id":      func(_ *world.World, i *world.Instance) []string { return []string{call.HashID("r-", i.ID)} },
		"image-id":            func(_ *world.World, i *world.Instance) []string { return []string{imageOf(i)} },
		"ip-address":          primaryField(func(_ *world.World, n *world.Interface) []string { return call.Given(call.AddrText(n.Public)) }),
		"instance.group-id":   primaryField(func(_ *world.World, n *world.Interface) []string { return n.Groups }),
		"instance.group-name": primaryField(nic.GroupNamesOf),
	}
	for _, name := range []string{"subnet-id", "vpc-id", "availability-zone", "private-ip-address", "source-dest-check"} {
		fields[name] = primaryField(nic.Interfaces.Fields[name])
	}
	for name, values := range nic.Interfaces.Fields {
		fields["network-interface."+name] = func(w *world.World, i *world.Instance) []string {
			var all []string
			for _, n := range w.InterfacesOf(i.ID) {
				all = append(all, values(w, n)...)
			}
			return all
		}
	}
	return fields
}

var instances = call.Catalogue[*world.Instance]{
	Kind: call.KindInst, IDs: "InstanceId", Alone: true,
	Hidden: func(_ *world.World, i *world.Instance) bool { return i.Operator != "" },
	ID:     func(i *world.Instance) string { return i.ID },
	Tags:   func(i *world.Instance) world.Tags { return i.Tags },
	Fields: instanceFields(),
}

func describeInstances(r *call.Request) (call.Answer, error) {
	found, next, err := instances.Describe(r, r.World.Instances)
	return &struct {
		call.Reply
		Reservations call.Set[reservationShape] `xml:"reservationSet"`
		Next         string                     `xml:"nextToken,omitempty"`
	}{Reservations: call.SetOf(found, func(x *world.Instance) reservationShape { return shapeOfReservation(r.World, x) }), Next: next}, err
}

type typeShape struct {
	Type       string `xml:"instanceType"`
	Metal      bool   `xml:"bareMetal"`
	Hypervisor string `xml:"hypervisor,omitempty"`
}

func shapeOfType(name string) typeShape {
	shape := typeShape{Type: name, Metal: strings.Contains(name, ".metal"), Hypervisor: "nitro"}
	if shape.Metal {
		shape.Hypervisor = "" // bare metal has none
	} else if !world.OnNitro(name) {
		shape.Hypervisor = "xen"
	}
	return shape
}

var instanceTypes = call.Catalogue[string]{
	ID: func(t string) string { return t }, Max: 100,
	Fields: map[string]func(*world.World, string) []string{
		"instance-type": func(_ *world.World, t string) []string { return []string{t} },
		"hypervisor":    func(_ *world.World, t string) []string { return call.Given(shapeOfType(t).Hypervisor) },
		"bare-metal":    func(_ *world.World, t string) []string { return []string{strconv.FormatBool(shapeOfType(t).Metal)} },
	},
}

// describeInstanceTypes knows the usual families; asked for none by name, it
// answers the size large of each.
func describeInstanceTypes(r *call.Request) (call.Answer, error) {
	names := r.Params.List("InstanceType")
	var unknown []string
	for _, name := range names {
		if !world.KnownType(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, call.Fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	if len(names) == 0 {
		for _, f := range world.InstanceFamilies() {
			names = append(names, f+".large")
		}
	}
	slices.Sort(names)
	found, next, err := instanceTypes.Describe(r, slices.Compact(names))
	return &struct {
		call.Reply
		Types call.Set[typeShape] `xml:"instanceTypeSet"`
		Next  string              `xml:"nextToken,omitempty"`
	}{Types: call.SetOf(found, shapeOfType), Next: next}, err
}
