package machine

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

// mostLaunched is the most instances that one call starts here.
const mostLaunched = 100

// runInstances starts instances, which run at once. Options that change nothing
// here, such as a key's name, are taken and ignored
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html).
func runInstances(r *call.Request) (call.Answer, error) {
	was := r.World
	r.World = was.Clone() // all instances or none
	ids, err := r.Once(func() (string, error) {
		count, err := launchCount(r)
		if err != nil {
			return "", err
		}
		var ids []string
		for range count {
			id, err := launch(r)
			if err != nil {
				return "", err
			}
			ids = append(ids, id)
		}
		return strings.Join(ids, " "), nil
	})
	if err != nil {
		return nil, err
	}
	r.World.Normalize() // lifecycle, shutdown behaviour, groups
	*was = *r.World
	var shapes []instanceShape
	for _, id := range strings.Fields(ids) {
		if i := r.World.Instance(id); i != nil {
			shapes = append(shapes, shapeOfInstance(r.World, i))
		}
	}
	return &struct {
		call.Reply
		ID        string                   `xml:"reservationId"`
		Owner     string                   `xml:"ownerId"`
		Groups    call.Set[call.GroupName] `xml:"groupSet"`
		Instances call.Set[instanceShape]  `xml:"instancesSet"`
	}{ID: call.HashID("r-", ids), Owner: r.World.Account, Instances: call.Set[instanceShape]{Items: shapes}}, nil
}

// launchCount is how many instances a call wants.
func launchCount(r *call.Request) (int, error) {
	least, hasLeast, err := r.Params.Integer("MinCount")
	if err != nil {
		return 0, err
	}
	most, hasMost, err := r.Params.Integer("MaxCount")
	switch {
	case err != nil:
		return 0, err
	case !hasLeast || !hasMost:
		return 0, call.Fail("MissingParameter", "The request must contain the parameters MinCount and MaxCount")
	case least < 1 || most < least || most > mostLaunched:
		return 0, call.Fail("InvalidParameterValue", "Value (%d) for parameter maxCount is invalid: want from MinCount, at least 1, to %d", most, mostLaunched)
	}
	return most, nil
}

// launch starts one instance.
func launch(r *call.Request) (string, error) {
	i := &world.Instance{Type: cmp.Or(r.Params.Str("InstanceType"), "m1.small"), State: "running", Image: r.Params.Str("ImageId")}
	if !strings.HasPrefix(i.Image, "ami-") {
		return "", call.Fail("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", i.Image)
	}
	if !world.KnownType(i.Type) {
		return "", call.Fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", i.Type)
	}
	var err error
	if i.Protected, err = r.Params.Boolean("DisableApiTermination", false); err != nil {
		return "", err
	}
	i.Shutdown = cmp.Or(r.Params.Str("InstanceInitiatedShutdownBehavior"), "stop")
	i.Profile = r.Params.Str("IamInstanceProfile.Name")
	if _, name, ok := strings.Cut(r.Params.Str("IamInstanceProfile.Arn"), ":instance-profile/"); ok {
		i.Profile = name
	}
	i.Spot = r.Params.Str("InstanceMarketOptions.MarketType") == "spot"
	i.MetadataOff = r.Params.Str("MetadataOptions.HttpEndpoint") == "disabled"
	tags, err := launchTags(r)
	if err != nil {
		return "", err
	}
	i.Tags = tags["instance"]
	i.ID = r.NewID("i-")
	r.World.Instances = append(r.World.Instances, i)
	if err := launchInterfaces(r, i, tags["network-interface"]); err != nil {
		return "", err
	}
	return i.ID, launchVolumes(r, i, tags["volume"])
}

// launchTags are the tags that a call gives, by the kind of resource.
func launchTags(r *call.Request) (map[string]world.Tags, error) {
	all := map[string]world.Tags{}
	for n, spec := range r.Params.Structs("TagSpecification") {
		kind := spec.Str("ResourceType")
		if !slices.Contains([]string{"instance", "volume", "network-interface", "spot-instances-request"}, kind) {
			return nil, call.Fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
		}
		one := call.Params{Values: url.Values{}}
		prefix := "TagSpecification." + strconv.Itoa(n+1) + "."
		for key, values := range r.Params.Values {
			if rest, ok := strings.CutPrefix(key, prefix); ok {
				one.Values["TagSpecification.1."+rest] = values
			}
		}
		tags, err := one.TagsFor(kind)
		if err != nil {
			return nil, err
		}
		all[kind] = tags
	}
	return all, nil
}

// launchInterfaces gives an instance the interfaces that a call describes, or one.
func launchInterfaces(r *call.Request, i *world.Instance, tags world.Tags) error {
	specs := r.Params.Structs("NetworkInterface")
	if len(specs) == 0 {
		specs = []call.Params{{Values: url.Values{}}}
		for name, values := range r.Params.Values { // what would be in a specification
			if rest, ok := strings.CutPrefix(name, "Ipv6Address."); ok {
				name = "Ipv6Addresses." + rest
			}
			if !strings.HasPrefix(name, "TagSpecification.") {
				specs[0].Values[name] = values
			}
		}
	} else if r.Params.Has("SubnetId") || r.Params.Has("SecurityGroupId") {
		return call.Fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
	}
	for n, spec := range specs {
		device, given, err := spec.Integer("DeviceIndex")
		if err != nil {
			return err
		}
		if !given {
			device = n
		}
		if err := launchInterface(r, i, spec, device, tags); err != nil {
			return err
		}
	}
	return nil
}

// launchInterface attaches an interface that is there, or makes one.
func launchInterface(r *call.Request, i *world.Instance, spec call.Params, device int, tags world.Tags) error {
	of := &call.Request{State: r.State, Op: r.Op, Params: spec, World: r.World, Now: r.Now, Dry: r.Dry}
	if spec.Has("NetworkInterfaceId") {
		n, err := of.NetworkInterface()
		if err != nil {
			return err
		}
		if err := nic.Changeable(r, n); err != nil {
			return err
		}
		if err := nic.Attachable(r, n, i, device); err != nil {
			return err
		}
		n.Instance, n.Device, n.Keep = i.ID, device, true
		return nil
	}
	if spec.Str("SubnetId") == "" {
		return call.Fail("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	}
	n, err := nic.NewInterface(of)
	if err != nil {
		return err
	}
	keep, err := spec.Boolean("DeleteOnTermination", true)
	if err != nil {
		return err
	}
	public, err := spec.Boolean("AssociatePublicIpAddress", r.World.Subnet(n.Subnet).MapPublic)
	if err != nil {
		return err
	}
	n.Instance, n.Device, n.Keep, n.Tags = i.ID, device, !keep, tags
	if public && device == 0 && len(n.Private) > 0 {
		n.Public = nic.PublicAddress(r)
	}
	r.World.Interfaces = append(r.World.Interfaces, n)
	return nil
}

// launchVolumes gives an instance a root volume, and those that a call describes.
func launchVolumes(r *call.Request, i *world.Instance, tags world.Tags) error {
	const root = "/dev/xvda"
	specs := r.Params.Structs("BlockDeviceMapping")
	if !slices.ContainsFunc(specs, func(s call.Params) bool { return s.Str("DeviceName") == root }) {
		specs = append([]call.Params{{Values: url.Values{"DeviceName": {root}}}}, specs...)
	}
	for _, spec := range specs {
		size, _, err := spec.Integer("Ebs.VolumeSize")
		if err != nil {
			return err
		}
		remove, err := spec.Boolean("Ebs.DeleteOnTermination", true)
		if err != nil {
			return err
		}
		encrypted, err := spec.Boolean("Ebs.Encrypted", false)
		if err != nil {
			return err
		}
		r.World.Volumes = append(r.World.Volumes, &world.Volume{
			ID: r.NewID("vol-"), Instance: i.ID, Device: spec.Str("DeviceName"), Root: spec.Str("DeviceName") == root,
			Size: size, Keep: !remove, Encrypted: encrypted, Tags: tags,
		})
	}
	return nil
}

type statusShape struct {
	ID       string     `xml:"instanceId"`
	Zone     string     `xml:"availabilityZone"`
	State    stateShape `xml:"instanceState"`
	System   string     `xml:"systemStatus>status"`
	Instance string     `xml:"instanceStatus>status"`
}

var instanceStatuses = call.Catalogue[*world.Instance]{
	Kind: call.KindInst, IDs: "InstanceId", Alone: true,
	Hidden: func(_ *world.World, i *world.Instance) bool { return i.Operator != "" },
	ID:     func(i *world.Instance) string { return i.ID },
	Fields: map[string]func(*world.World, *world.Instance) []string{
		"instance-state-name":    func(_ *world.World, i *world.Instance) []string { return []string{i.State} },
		"instance-status.status": func(*world.World, *world.Instance) []string { return []string{"ok"} },
		"system-status.status":   func(*world.World, *world.Instance) []string { return []string{"ok"} },
	},
}

// describeStatus says that what runs is well: hosts have no faults here.
func describeStatus(r *call.Request) (call.Answer, error) {
	all, err := r.Params.Boolean("IncludeAllInstances", false)
	if err != nil {
		return nil, err
	}
	found, next, err := instanceStatuses.Describe(r, r.World.Instances)
	found = slices.DeleteFunc(slices.Clone(found), func(i *world.Instance) bool { return !all && i.State != "running" })
	return &struct {
		call.Reply
		Statuses call.Set[statusShape] `xml:"instanceStatusSet"`
		Next     string                `xml:"nextToken,omitempty"`
	}{Statuses: call.SetOf(found, func(i *world.Instance) statusShape {
		status := "ok"
		if i.State != "running" {
			status = "not-applicable"
		}
		return statusShape{i.ID, zoneOf(r.World, i), stateOf(i.State), status, status}
	}), Next: next}, err
}
