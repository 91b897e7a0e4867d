package machine

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

// How long a snapshot is pending here, and how many volumes can be left out by id
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSpecification.html).
const (
	snapshotTime    = time.Minute
	excludedVolumes = 40
	mostVolumes     = 128 // of one instance, in a set: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html; the code is a guess
)

type snapshotShape struct {
	ID          string                  `xml:"snapshotId"`
	Volume      string                  `xml:"volumeId"`
	State       string                  `xml:"state,omitempty"`  // in CreateSnapshots
	Status      string                  `xml:"status,omitempty"` // in DescribeSnapshots
	Started     string                  `xml:"startTime"`
	Progress    string                  `xml:"progress"`
	Owner       string                  `xml:"ownerId"`
	Size        int                     `xml:"volumeSize"`
	Description string                  `xml:"description"`
	Encrypted   bool                    `xml:"encrypted"`
	Tags        call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfSnapshot(w *world.World, s *world.Snapshot) snapshotShape {
	shape := snapshotShape{
		ID: s.ID, Volume: s.Volume, Status: s.State, Started: call.Epoch, Progress: "100%", Owner: w.Account, Size: s.Size,
		Description: s.Description, Encrypted: s.Encrypted, Tags: call.ShapeOfTags(s.Tags),
	}
	if s.State == "pending" {
		shape.Progress = "0%"
	}
	return shape
}

// createSnapshots snapshots the volumes of an instance at one moment. There is no
// client token: a repeat makes more
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html).
func createSnapshots(r *call.Request) (call.Answer, error) {
	i, err := call.One(call.KindInst, r.Params.Str("InstanceSpecification.InstanceId"), r.World.Instance)
	if err != nil {
		return nil, err
	}
	chosen, err := volumesToSnapshot(r, i)
	if err != nil {
		return nil, err
	}
	tags, err := r.Params.TagsFor(call.KindSnap.Name)
	if err != nil {
		return nil, err
	}
	var made []snapshotShape
	for _, v := range chosen {
		own := world.Tags{}
		if r.Params.Str("CopyTagsFromSource") == "volume" {
			maps.Copy(own, v.Tags)
		}
		maps.Copy(own, tags)
		if err := call.CheckTags(nil, own); err != nil {
			return nil, err
		}
		s := &world.Snapshot{
			ID: r.NewID("snap-"), Volume: v.ID, State: "pending", Size: v.Size, Encrypted: v.Encrypted,
			Description: r.Params.Str("Description"), Tags: own,
		}
		if len(own) == 0 {
			s.Tags = nil
		}
		r.World.Snapshots = append(r.World.Snapshots, s)
		if !r.Dry {
			r.State.Snapshots[s.ID] = r.Now.Add(snapshotTime)
		}
		shape := shapeOfSnapshot(r.World, s)
		shape.State, shape.Status = shape.Status, ""
		made = append(made, shape)
	}
	return &struct {
		call.Reply
		Snapshots call.Set[snapshotShape] `xml:"snapshotSet"`
	}{Snapshots: call.Set[snapshotShape]{Items: made}}, nil
}

// volumesToSnapshot are the volumes of an instance that a call doesn't leave out.
func volumesToSnapshot(r *call.Request, i *world.Instance) ([]*world.Volume, error) {
	noRoot, err := r.Params.Boolean("InstanceSpecification.ExcludeBootVolume", false)
	if err != nil {
		return nil, err
	}
	without := r.Params.List("InstanceSpecification.ExcludeDataVolumeId")
	if len(without) > excludedVolumes {
		return nil, call.Fail("InvalidParameterValue", "At most %d volumes can be excluded", excludedVolumes)
	}
	var chosen []*world.Volume
	for _, v := range r.World.VolumesOf(i.ID) {
		named := slices.Contains(without, v.ID)
		switch {
		case named && v.Root:
			return nil, call.Fail("InvalidParameterValue", "The root volume '%s' can't be excluded by its ID", v.ID)
		case named || v.Root && noRoot:
			continue
		case v.Modifying:
			return nil, call.Fail("IncorrectState", "The volume '%s' is being modified.", v.ID)
		}
		chosen = append(chosen, v)
	}
	if len(chosen) > mostVolumes {
		return nil, call.Fail("InvalidParameterValue", "At most %d volumes can be in a set of snapshots, not %d", mostVolumes, len(chosen))
	}
	if len(chosen) == 0 {
		return nil, call.Fail("InvalidParameterValue", "The instance '%s' has no volume to snapshot", i.ID)
	}
	return chosen, nil
}

var snapshots = call.Catalogue[*world.Snapshot]{
	Kind: call.KindSnap, IDs: "SnapshotId",
	ID:   func(s *world.Snapshot) string { return s.ID },
	Tags: func(s *world.Snapshot) world.Tags { return s.Tags },
	Fields: map[string]func(*world.World, *world.Snapshot) []string{
		"snapshot-id": func(_ *world.World, s *world.Snapshot) []string { return []string{s.ID} },
		"volume-id":   func(_ *world.World, s *world.Snapshot) []string { return []string{s.Volume} },
		"status":      func(_ *world.World, s *world.Snapshot) []string { return []string{s.State} },
		"owner-id":    func(w *world.World, _ *world.Snapshot) []string { return []string{w.Account} },
		"description": func(_ *world.World, s *world.Snapshot) []string { return []string{s.Description} },
		"encrypted":   func(_ *world.World, s *world.Snapshot) []string { return []string{strconv.FormatBool(s.Encrypted)} },
	},
}

// describeSnapshots knows the snapshots of the account: there are no others here.
func describeSnapshots(r *call.Request) (call.Answer, error) {
	for _, owner := range r.Params.List("Owner") {
		if owner != "self" && owner != r.World.Account {
			return &struct {
				call.Reply
				Snapshots call.Set[snapshotShape] `xml:"snapshotSet"`
			}{}, nil
		}
	}
	found, next, err := snapshots.Describe(r, r.World.Snapshots)
	return &struct {
		call.Reply
		Snapshots call.Set[snapshotShape] `xml:"snapshotSet"`
		Next      string                  `xml:"nextToken,omitempty"`
	}{Snapshots: call.SetOf(found, func(s *world.Snapshot) snapshotShape { return shapeOfSnapshot(r.World, s) }), Next: next}, err
}
