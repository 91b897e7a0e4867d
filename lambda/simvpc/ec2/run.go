package ec2

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// mostLaunched is the most instances that one call starts here.
const mostLaunched = 100

// runInstances starts instances, which run at once. Options that change nothing
// here, such as a key's name, are taken and ignored
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html).
func runInstances(r *request) (answer, error) {
	was := r.w
	r.w = was.Clone() // all instances or none
	ids, err := r.once(func() (string, error) {
		count, err := r.launchCount()
		if err != nil {
			return "", err
		}
		var ids []string
		for range count {
			id, err := r.launch()
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
	r.w.Normalize() // lifecycle, shutdown behaviour, groups
	*was = *r.w
	var shapes []instanceShape
	for _, id := range strings.Fields(ids) {
		if i := r.w.Instance(id); i != nil {
			shapes = append(shapes, shapeOfInstance(r.w, i))
		}
	}
	return &struct {
		reply
		ID        string             `xml:"reservationId"`
		Owner     string             `xml:"ownerId"`
		Groups    set[groupName]     `xml:"groupSet"`
		Instances set[instanceShape] `xml:"instancesSet"`
	}{ID: hashID("r-", ids), Owner: r.w.Account, Instances: set[instanceShape]{shapes}}, nil
}

// launchCount is how many instances a call wants.
func (r *request) launchCount() (int, error) {
	least, hasLeast, err := r.p.integer("MinCount")
	if err != nil {
		return 0, err
	}
	most, hasMost, err := r.p.integer("MaxCount")
	switch {
	case err != nil:
		return 0, err
	case !hasLeast || !hasMost:
		return 0, fail("MissingParameter", "The request must contain the parameters MinCount and MaxCount")
	case least < 1 || most < least || most > mostLaunched:
		return 0, fail("InvalidParameterValue", "Value (%d) for parameter maxCount is invalid: want from MinCount, at least 1, to %d", most, mostLaunched)
	}
	return most, nil
}

// launch starts one instance.
func (r *request) launch() (string, error) {
	i := &world.Instance{Type: cmp.Or(r.p.str("InstanceType"), "m1.small"), State: "running", Image: r.p.str("ImageId")}
	if !strings.HasPrefix(i.Image, "ami-") {
		return "", fail("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", i.Image)
	}
	if !world.KnownType(i.Type) {
		return "", fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", i.Type)
	}
	var err error
	if i.Protected, err = r.p.boolean("DisableApiTermination", false); err != nil {
		return "", err
	}
	i.Shutdown = cmp.Or(r.p.str("InstanceInitiatedShutdownBehavior"), "stop")
	i.Profile = r.p.str("IamInstanceProfile.Name")
	if _, name, ok := strings.Cut(r.p.str("IamInstanceProfile.Arn"), ":instance-profile/"); ok {
		i.Profile = name
	}
	i.Spot = r.p.str("InstanceMarketOptions.MarketType") == "spot"
	i.MetadataOff = r.p.str("MetadataOptions.HttpEndpoint") == "disabled"
	tags, err := r.launchTags()
	if err != nil {
		return "", err
	}
	i.Tags = tags["instance"]
	i.ID = r.newID("i-")
	r.w.Instances = append(r.w.Instances, i)
	if err := r.launchInterfaces(i, tags["network-interface"]); err != nil {
		return "", err
	}
	return i.ID, r.launchVolumes(i, tags["volume"])
}

// launchTags are the tags that a call gives, by the kind of resource.
func (r *request) launchTags() (map[string]world.Tags, error) {
	all := map[string]world.Tags{}
	for n, spec := range r.p.structs("TagSpecification") {
		kind := spec.str("ResourceType")
		if !slices.Contains([]string{"instance", "volume", "network-interface", "spot-instances-request"}, kind) {
			return nil, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
		}
		one := params{url.Values{}}
		prefix := "TagSpecification." + strconv.Itoa(n+1) + "."
		for key, values := range r.p.Values {
			if rest, ok := strings.CutPrefix(key, prefix); ok {
				one.Values["TagSpecification.1."+rest] = values
			}
		}
		tags, err := one.tagsFor(kind)
		if err != nil {
			return nil, err
		}
		all[kind] = tags
	}
	return all, nil
}

// launchInterfaces gives an instance the interfaces that a call describes, or one.
func (r *request) launchInterfaces(i *world.Instance, tags world.Tags) error {
	specs := r.p.structs("NetworkInterface")
	if len(specs) == 0 {
		specs = []params{{url.Values{}}}
		for name, values := range r.p.Values { // what would be in a specification
			if slices.Contains([]string{"SubnetId", "PrivateIpAddress"}, name) || strings.HasPrefix(name, "SecurityGroupId.") || strings.HasPrefix(name, "Ipv6Address") {
				specs[0].Values[name] = values
			}
		}
	} else if r.p.has("SubnetId") || r.p.has("SecurityGroupId") {
		return fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
	}
	for n, spec := range specs {
		device, given, err := spec.integer("DeviceIndex")
		if err != nil {
			return err
		}
		if !given {
			device = n
		}
		if err := r.launchInterface(i, spec, device, tags); err != nil {
			return err
		}
	}
	return nil
}

// launchInterface attaches an interface that is there, or makes one.
func (r *request) launchInterface(i *world.Instance, spec params, device int, tags world.Tags) error {
	of := &request{s: r.s, op: r.op, p: spec, w: r.w, now: r.now, dry: r.dry}
	if spec.has("NetworkInterfaceId") {
		n, err := of.networkInterface()
		if err != nil {
			return err
		}
		if err := r.changeable(n); err != nil {
			return err
		}
		if err := r.attachable(n, i, device); err != nil {
			return err
		}
		n.Instance, n.Device, n.Keep = i.ID, device, true
		return nil
	}
	if spec.str("SubnetId") == "" {
		return fail("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	}
	n, err := of.newInterface()
	if err != nil {
		return err
	}
	keep, err := spec.boolean("DeleteOnTermination", true)
	if err != nil {
		return err
	}
	public, err := spec.boolean("AssociatePublicIpAddress", r.w.Subnet(n.Subnet).MapPublic)
	if err != nil {
		return err
	}
	n.Instance, n.Device, n.Keep, n.Tags = i.ID, device, !keep, tags
	if public && device == 0 && len(n.Private) > 0 {
		n.Public = r.publicAddress()
	}
	r.w.Interfaces = append(r.w.Interfaces, n)
	return nil
}

// launchVolumes gives an instance a root volume, and those that a call describes.
func (r *request) launchVolumes(i *world.Instance, tags world.Tags) error {
	const root = "/dev/xvda"
	specs := r.p.structs("BlockDeviceMapping")
	if !slices.ContainsFunc(specs, func(s params) bool { return s.str("DeviceName") == root }) {
		specs = append([]params{{url.Values{"DeviceName": {root}}}}, specs...)
	}
	for _, spec := range specs {
		size, _, err := spec.integer("Ebs.VolumeSize")
		if err != nil {
			return err
		}
		remove, err := spec.boolean("Ebs.DeleteOnTermination", true)
		if err != nil {
			return err
		}
		encrypted, err := spec.boolean("Ebs.Encrypted", false)
		if err != nil {
			return err
		}
		r.w.Volumes = append(r.w.Volumes, &world.Volume{
			ID: r.newID("vol-"), Instance: i.ID, Device: spec.str("DeviceName"), Root: spec.str("DeviceName") == root,
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

var instanceStatuses = catalogue[*world.Instance]{
	kind: kindInst, ids: "InstanceId", alone: true,
	hidden: func(_ *world.World, i *world.Instance) bool { return i.Operator != "" },
	id:     func(i *world.Instance) string { return i.ID },
	fields: map[string]func(*world.World, *world.Instance) []string{
		"instance-state-name":    func(_ *world.World, i *world.Instance) []string { return []string{i.State} },
		"instance-status.status": func(*world.World, *world.Instance) []string { return []string{"ok"} },
		"system-status.status":   func(*world.World, *world.Instance) []string { return []string{"ok"} },
	},
}

// describeStatus says that what runs is well: hosts have no faults here.
func describeStatus(r *request) (answer, error) {
	all, err := r.p.boolean("IncludeAllInstances", false)
	if err != nil {
		return nil, err
	}
	found, next, err := instanceStatuses.describe(r, r.w.Instances)
	found = slices.DeleteFunc(slices.Clone(found), func(i *world.Instance) bool { return !all && i.State != "running" })
	return &struct {
		reply
		Statuses set[statusShape] `xml:"instanceStatusSet"`
		Next     string           `xml:"nextToken,omitempty"`
	}{Statuses: setOf(found, func(i *world.Instance) statusShape {
		status := "ok"
		if i.State != "running" {
			status = "not-applicable"
		}
		return statusShape{i.ID, zoneOf(r.w, i), stateOf(i.State), status, status}
	}), Next: next}, err
}
