package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

type stateShape struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

func stateOf(name string) stateShape { return stateShape{world.States[name], name} }

type instanceShape struct {
	ID         string              `xml:"instanceId"`
	Image      string              `xml:"imageId"`
	State      stateShape          `xml:"instanceState"`
	DNS        string              `xml:"dnsName"`
	Type       string              `xml:"instanceType"`
	Launched   string              `xml:"launchTime"`
	Zone       string              `xml:"placement>availabilityZone,omitempty"`
	Tenancy    string              `xml:"placement>tenancy"`
	Subnet     string              `xml:"subnetId,omitempty"`
	VPC        string              `xml:"vpcId,omitempty"`
	Private    string              `xml:"privateIpAddress,omitempty"`
	Public     string              `xml:"ipAddress,omitempty"`
	IPv6       string              `xml:"ipv6Address,omitempty"`
	Check      bool                `xml:"sourceDestCheck"`
	Groups     set[groupName]      `xml:"groupSet"`
	Virtual    string              `xml:"virtualizationType"`
	Hypervisor string              `xml:"hypervisor"`
	Interfaces set[interfaceShape] `xml:"networkInterfaceSet"`
	Secondary  set[secondaryShape] `xml:"secondaryInterfaceSet"`
	Operator   operatorShape       `xml:"operator"`
	Lifecycle  string              `xml:"instanceLifecycle,omitempty"`
	Platform   string              `xml:"platform,omitempty"`
	Profile    *profileShape       `xml:"iamInstanceProfile"`
	Metadata   metadataShape       `xml:"metadataOptions"`
	RootDevice string              `xml:"rootDeviceName,omitempty"`
	Devices    set[blockDevice]    `xml:"blockDeviceMapping"`
	Tags       set[tagShape]       `xml:"tagSet"`
}

type reservationShape struct {
	ID        string             `xml:"reservationId"`
	Owner     string             `xml:"ownerId"`
	Groups    set[groupName]     `xml:"groupSet"`
	Instances set[instanceShape] `xml:"instancesSet"`
}

func shapeOfInstance(w *world.World, i *world.Instance) instanceShape {
	attached := w.InterfacesOf(i.ID)
	shape := instanceShape{
		ID: i.ID, Image: imageOf(i), State: stateOf(i.State), Type: i.Type, Launched: epoch,
		Tenancy: "default", Virtual: "hvm", Hypervisor: "xen", // EC2 says xen of Nitro instances too
		Interfaces: setOf(attached, func(x *world.Interface) interfaceShape { return shapeOfSharedInterface(w, x) }), Tags: shapeOfTags(shownTags(i)),
		Profile: shapeOfProfile(w, i), Metadata: shapeOfMetadata(i, "applied"), Devices: blockDevices(w, i),
		Operator:  shapeOfOperator(w, i.Operator),
		Secondary: setOf(w.SecondaryOf(i.ID), func(n *world.SecondaryInterface) secondaryShape { return shapeOfSecondary(w, n) }),
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
	shape.Subnet, shape.Check, shape.Groups = first.Subnet, !first.NoSourceDestCheck, groupNames(w, first.Groups)
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
		shape.Public, shape.DNS = first.Public.String(), publicName(w, first.Public)
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
func imageOf(i *world.Instance) string { return cmp.Or(i.Image, hashID("ami-", i.Type)) }

func shapeOfReservation(w *world.World, i *world.Instance) reservationShape {
	return reservationShape{
		ID: hashID("r-", i.ID), Owner: w.Account, Instances: set[instanceShape]{[]instanceShape{shapeOfInstance(w, i)}},
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
		"reservation-id":      func(_ *world.World, i *world.Instance) []string { return []string{hashID("r-", i.ID)} },
		"image-id":            func(_ *world.World, i *world.Instance) []string { return []string{imageOf(i)} },
		"ip-address":          primaryField(func(_ *world.World, n *world.Interface) []string { return given(addrText(n.Public)) }),
		"instance.group-id":   primaryField(func(_ *world.World, n *world.Interface) []string { return n.Groups }),
		"instance.group-name": primaryField(groupNamesOf),
	}
	for _, name := range []string{"subnet-id", "vpc-id", "availability-zone", "private-ip-address", "source-dest-check"} {
		fields[name] = primaryField(interfaces.fields[name])
	}
	for name, values := range interfaces.fields {
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

var instances = catalogue[*world.Instance]{
	kind: kindInst, ids: "InstanceId", alone: true,
	hidden: func(_ *world.World, i *world.Instance) bool { return i.Operator != "" },
	id:     func(i *world.Instance) string { return i.ID },
	tags:   func(i *world.Instance) world.Tags { return i.Tags },
	fields: instanceFields(),
}

func describeInstances(r *request) (answer, error) {
	found, next, err := instances.describe(r, r.w.Instances)
	return &struct {
		reply
		Reservations set[reservationShape] `xml:"reservationSet"`
		Next         string                `xml:"nextToken,omitempty"`
	}{Reservations: setOf(found, func(x *world.Instance) reservationShape { return shapeOfReservation(r.w, x) }), Next: next}, err
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

var instanceTypes = catalogue[string]{
	id: func(t string) string { return t }, max: 100,
	fields: map[string]func(*world.World, string) []string{
		"instance-type": func(_ *world.World, t string) []string { return []string{t} },
		"hypervisor":    func(_ *world.World, t string) []string { return given(shapeOfType(t).Hypervisor) },
		"bare-metal":    func(_ *world.World, t string) []string { return []string{strconv.FormatBool(shapeOfType(t).Metal)} },
	},
}

// describeInstanceTypes knows the usual families; asked for none by name, it
// answers the size large of each.
func describeInstanceTypes(r *request) (answer, error) {
	names := r.p.list("InstanceType")
	var unknown []string
	for _, name := range names {
		if !world.KnownType(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	if len(names) == 0 {
		for _, f := range world.InstanceFamilies() {
			names = append(names, f+".large")
		}
	}
	slices.Sort(names)
	found, next, err := instanceTypes.describe(r, slices.Compact(names))
	return &struct {
		reply
		Types set[typeShape] `xml:"instanceTypeSet"`
		Next  string         `xml:"nextToken,omitempty"`
	}{Types: setOf(found, shapeOfType), Next: next}, err
}
