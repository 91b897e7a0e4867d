package machine

import (
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

type volumeAttachment struct {
	Volume   string `xml:"volumeId"`
	Instance string `xml:"instanceId"`
	Device   string `xml:"device"`
	Status   string `xml:"status"`
	Time     string `xml:"attachTime"`
	Delete   bool   `xml:"deleteOnTermination"`
}

type volumeShape struct {
	ID          string                     `xml:"volumeId"`
	Size        int                        `xml:"size"`
	Type        string                     `xml:"volumeType"`
	Zone        string                     `xml:"availabilityZone"`
	Status      string                     `xml:"status"`
	Created     string                     `xml:"createTime"`
	Encrypted   bool                       `xml:"encrypted"`
	Attachments call.Set[volumeAttachment] `xml:"attachmentSet"`
	Operator    nic.OperatorShape          `xml:"operator"`
	Tags        call.Set[call.TagShape]    `xml:"tagSet"`
}

func attachmentsOf(v *world.Volume) []volumeAttachment {
	if v.Instance == "" {
		return nil
	}
	return []volumeAttachment{{v.ID, v.Instance, v.Device, "attached", call.Epoch, !v.Keep}}
}

func shapeOfVolume(w *world.World, v *world.Volume) volumeShape {
	shape := volumeShape{
		ID: v.ID, Size: v.Size, Type: "gp3", Zone: w.Region + "a", Status: volumeStatus(v), Created: call.Epoch, Encrypted: v.Encrypted,
		Attachments: call.Set[volumeAttachment]{Items: attachmentsOf(v)}, Operator: nic.ShapeOfOperator(w, volumeOperator(w, v)), Tags: call.ShapeOfTags(v.Tags),
	}
	if i := w.Instance(v.Instance); i != nil {
		shape.Zone = zoneOf(w, i)
	}
	return shape
}

func volumeStatus(v *world.Volume) string {
	if v.Instance == "" {
		return "available"
	}
	return "in-use"
}

// volumeOperator is the service that operates a volume: that of its instance.
func volumeOperator(w *world.World, v *world.Volume) string {
	if i := w.Instance(v.Instance); i != nil {
		return i.Operator
	}
	return ""
}

// zoneOf is the zone of an instance: of its first interface's subnet.
func zoneOf(w *world.World, i *world.Instance) string {
	for _, n := range w.InterfacesOf(i.ID) {
		if s := w.Subnet(n.Subnet); s != nil {
			return s.Zone
		}
	}
	return w.Region + "a"
}

// attachmentField makes a filter on a property of a volume's attachment.
func attachmentField(property func(volumeAttachment) string) func(*world.World, *world.Volume) []string {
	return func(_ *world.World, v *world.Volume) []string {
		var all []string
		for _, a := range attachmentsOf(v) {
			all = append(all, property(a))
		}
		return all
	}
}

var volumes = call.Catalogue[*world.Volume]{
	Kind: call.KindVol, IDs: "VolumeId",
	Hidden: func(w *world.World, v *world.Volume) bool { return volumeOperator(w, v) != "" },
	ID:     func(v *world.Volume) string { return v.ID },
	Tags:   func(v *world.Volume) world.Tags { return v.Tags },
	Fields: map[string]func(*world.World, *world.Volume) []string{
		"volume-id":              func(_ *world.World, v *world.Volume) []string { return []string{v.ID} },
		"status":                 func(_ *world.World, v *world.Volume) []string { return []string{volumeStatus(v)} },
		"encrypted":              func(_ *world.World, v *world.Volume) []string { return []string{strconv.FormatBool(v.Encrypted)} },
		"attachment.instance-id": attachmentField(func(a volumeAttachment) string { return a.Instance }),
		"attachment.device":      attachmentField(func(a volumeAttachment) string { return a.Device }),
		"attachment.delete-on-termination": attachmentField(func(a volumeAttachment) string {
			return strconv.FormatBool(a.Delete)
		}),
	},
}

func describeVolumes(r *call.Request) (call.Answer, error) {
	found, next, err := volumes.Describe(r, r.World.Volumes)
	return &struct {
		call.Reply
		Volumes call.Set[volumeShape] `xml:"volumeSet"`
		Next    string                `xml:"nextToken,omitempty"`
	}{Volumes: call.SetOf(found, func(v *world.Volume) volumeShape { return shapeOfVolume(r.World, v) }), Next: next}, err
}
