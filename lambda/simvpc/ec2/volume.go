package ec2

import (
	"strconv"

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
	ID          string                `xml:"volumeId"`
	Size        int                   `xml:"size"`
	Type        string                `xml:"volumeType"`
	Zone        string                `xml:"availabilityZone"`
	Status      string                `xml:"status"`
	Created     string                `xml:"createTime"`
	Encrypted   bool                  `xml:"encrypted"`
	Attachments set[volumeAttachment] `xml:"attachmentSet"`
	Operator    operatorShape         `xml:"operator"`
	Tags        set[tagShape]         `xml:"tagSet"`
}

func attachmentsOf(v *world.Volume) []volumeAttachment {
	if v.Instance == "" {
		return nil
	}
	return []volumeAttachment{{v.ID, v.Instance, v.Device, "attached", epoch, !v.Keep}}
}

func shapeOfVolume(w *world.World, v *world.Volume) volumeShape {
	shape := volumeShape{
		ID: v.ID, Size: v.Size, Type: "gp3", Zone: w.Region + "a", Status: volumeStatus(v), Created: epoch, Encrypted: v.Encrypted,
		Attachments: set[volumeAttachment]{attachmentsOf(v)}, Operator: shapeOfOperator(w, volumeOperator(w, v)), Tags: shapeOfTags(v.Tags),
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

var volumes = catalogue[*world.Volume]{
	kind: kindVol, ids: "VolumeId",
	hidden: func(w *world.World, v *world.Volume) bool { return volumeOperator(w, v) != "" },
	id:     func(v *world.Volume) string { return v.ID },
	tags:   func(v *world.Volume) world.Tags { return v.Tags },
	fields: map[string]func(*world.World, *world.Volume) []string{
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

func describeVolumes(r *request) (answer, error) {
	found, next, err := volumes.describe(r, r.w.Volumes)
	return &struct {
		reply
		Volumes set[volumeShape] `xml:"volumeSet"`
		Next    string           `xml:"nextToken,omitempty"`
	}{Volumes: setOf(found, func(v *world.Volume) volumeShape { return shapeOfVolume(r.w, v) }), Next: next}, err
}
